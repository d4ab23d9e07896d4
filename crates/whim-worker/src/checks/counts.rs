//! Extracts the numbers of passed and failed tests from the output of test runners.
//!
//! The runner is not known (`npm test` can run any), so the formats of all supported runners are tried.

use std::sync::LazyLock;

use regex::Regex;

/// Skipped tests are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub passed: u32,
    pub failed: u32,
}

/// Returns `None` if no format matches.
pub fn counts(output: &str) -> Option<Counts> {
    let readers: [fn(&str) -> Option<Counts>; 9] = [
        nextest,
        libtest,
        node,
        jest_and_vitest,
        mocha,
        pytest,
        go,
        surefire,
        gradle,
    ];
    readers.into_iter().find_map(|read| read(output))
}

macro_rules! pattern {
    ($name:ident, $pattern:literal) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());
    };
}

pattern!(
    NEXTEST,
    r"(?m)^\s*Summary \[.*\] +\d+(?:/\d+)? tests? run: (?<passed>\d+) passed(?: \([^)]*\))?(?:, (?<failed>\d+) failed)?"
);
pattern!(
    LIBTEST,
    r"(?m)^test result: \w+\. (?<passed>\d+) passed; (?<failed>\d+) failed;"
);
pattern!(NODE_PASSED, r"(?m)^(?:#|ℹ) pass (?<passed>\d+)$");
pattern!(NODE_FAILED, r"(?m)^(?:#|ℹ) fail (?<failed>\d+)$");
pattern!(
    JS_SUMMARY,
    r"(?m)^\s*Tests:?\s+(?<summary>\d+ (?:failed|passed|skipped|todo|expected fail).*)$"
);
pattern!(PASSED, r"\b(?<passed>\d+) passed\b");
pattern!(FAILED, r"\b(?<failed>\d+) failed\b");
pattern!(MOCHA_PASSED, r"(?m)^\s+(?<passed>\d+) passing\b");
pattern!(MOCHA_FAILED, r"(?m)^\s+(?<failed>\d+) failing$");
pattern!(
    PYTEST,
    r"(?m)^(?:=+ )?(?<summary>(?:\d+ \w+(?:, )?)+) in [\d.]+s\b.*$"
);
pattern!(PYTEST_ERRORS, r"\b(?<failed>\d+) errors?\b");
pattern!(GO_PASSED, r"(?m)^--- PASS: ");
pattern!(GO_FAILED, r"(?m)^--- FAIL: ");
pattern!(
    SUREFIRE,
    r"(?m)^(?:\[\w+\] )?Tests run: (?<run>\d+), Failures: (?<failures>\d+), Errors: (?<errors>\d+), Skipped: (?<skipped>\d+)\s*$"
);
pattern!(
    GRADLE,
    r"(?m)^(?<run>\d+) tests? completed(?:, (?<failed>\d+) failed)?(?:, (?<skipped>\d+) skipped)?"
);

fn nextest(output: &str) -> Option<Counts> {
    let summary = NEXTEST.as_ref()?.captures_iter(output).last()?;
    Some(Counts {
        passed: summary["passed"].parse().ok()?,
        failed: summary
            .name("failed")
            .map_or(Some(0), |failed| failed.as_str().parse().ok())?,
    })
}

/// One line per test binary, and one for the documentation tests.
fn libtest(output: &str) -> Option<Counts> {
    Some(Counts {
        passed: sum(&LIBTEST, "passed", output)?,
        failed: sum(&LIBTEST, "failed", output)?,
    })
}

/// The summary of `node --test` with the reporters `tap` and `spec`.
fn node(output: &str) -> Option<Counts> {
    Some(Counts {
        passed: sum(&NODE_PASSED, "passed", output)?,
        failed: sum(&NODE_FAILED, "failed", output)?,
    })
}

fn jest_and_vitest(output: &str) -> Option<Counts> {
    let mut total = None;
    for line in JS_SUMMARY.as_ref()?.captures_iter(output) {
        let total = total.get_or_insert(Counts { passed: 0, failed: 0 });
        total.passed += sum(&PASSED, "passed", &line["summary"]).unwrap_or(0);
        total.failed += sum(&FAILED, "failed", &line["summary"]).unwrap_or(0);
    }
    total
}

fn mocha(output: &str) -> Option<Counts> {
    Some(Counts {
        passed: sum(&MOCHA_PASSED, "passed", output)?,
        failed: sum(&MOCHA_FAILED, "failed", output).unwrap_or(0),
    })
}

fn pytest(output: &str) -> Option<Counts> {
    let line = PYTEST.as_ref()?.captures_iter(output).last()?;
    let summary = &line["summary"];
    let passed = sum(&PASSED, "passed", summary);
    let failed = sum(&FAILED, "failed", summary);
    let errors = sum(&PYTEST_ERRORS, "failed", summary);
    // Other lines that end with a time are no summary.
    passed.or(failed).or(errors)?;
    Some(Counts {
        passed: passed.unwrap_or(0),
        failed: failed.unwrap_or(0) + errors.unwrap_or(0),
    })
}

/// `go test -v`: lines of subtests are indented and not counted.
fn go(output: &str) -> Option<Counts> {
    let count =
        |pattern: &LazyLock<Option<Regex>>| u32::try_from(pattern.as_ref()?.find_iter(output).count()).ok();
    let counts = Counts {
        passed: count(&GO_PASSED)?,
        failed: count(&GO_FAILED)?,
    };
    (counts.passed + counts.failed > 0).then_some(counts)
}

/// The line that Maven prints for each module. Lines for single classes end with a time.
fn surefire(output: &str) -> Option<Counts> {
    let failed = sum(&SUREFIRE, "failures", output)? + sum(&SUREFIRE, "errors", output)?;
    let not_passed = failed + sum(&SUREFIRE, "skipped", output)?;
    Some(Counts {
        passed: sum(&SUREFIRE, "run", output)?.checked_sub(not_passed)?,
        failed,
    })
}

/// Gradle only prints counts if a test failed.
fn gradle(output: &str) -> Option<Counts> {
    let failed = sum(&GRADLE, "failed", output).unwrap_or(0);
    let skipped = sum(&GRADLE, "skipped", output).unwrap_or(0);
    Some(Counts {
        passed: sum(&GRADLE, "run", output)?.checked_sub(failed + skipped)?,
        failed,
    })
}

/// The sum of a group over all matches; `None` if there is no match.
fn sum(pattern: &LazyLock<Option<Regex>>, group: &str, text: &str) -> Option<u32> {
    let mut total: Option<u32> = None;
    for found in pattern.as_ref()?.captures_iter(text) {
        if let Some(number) = found.name(group) {
            let number: u32 = number.as_str().parse().ok()?;
            total = Some(total.unwrap_or(0).checked_add(number)?);
        }
    }
    total
}
