//! Settings of a project on which its checks depend: thresholds of the coverage, and the commands of checks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use whim_core::protocol::diff::FileDiff;

/// A setting with a number, such as `fail_under = 80` or `"branches": 80`.
static THRESHOLD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?i)\b(?<name>branches|functions|lines|statements|global|fail[_-]under|threshold|target|minimum|"#,
        r#"min[_-]?coverage|minimum_coverage|cov-fail-under)["']?\s*[:=>\s]\s*["']?(?<number>\d+(?:\.\d+)?)"#,
    ))
    .ok()
});

/// Files in which a number with such a name is a threshold of the coverage.
static COVERAGE_FILE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?:^|/)(?:package\.json|(?:jest|vitest|karma|nyc|c8)\.config\.\w+|\.nycrc(?:\.\w+)?|\.c8rc(?:\.\w+)?|",
        r"pyproject\.toml|setup\.cfg|tox\.ini|\.coveragerc|\.?codecov\.ya?ml|pom\.xml|build\.gradle(?:\.kts)?|",
        r"\.simplecov|spec_helper\.rb|phpunit\.xml(?:\.dist)?|tarpaulin\.toml)$",
    ))
    .ok()
});

/// Whether a threshold of the coverage is lower than before, or gone.
pub(super) fn lowers_coverage(path: &str, patch: &str) -> bool {
    let (Some(threshold), Some(file)) = (THRESHOLD.as_ref(), COVERAGE_FILE.as_ref()) else {
        return false;
    };
    if !file.is_match(path) {
        return false;
    }
    let numbers = |mark: char| -> BTreeMap<String, f64> {
        let lines = patch.lines().filter_map(|line| line.strip_prefix(mark));
        lines
            .filter_map(|line| {
                let found = threshold.captures(line)?;
                let number = found.name("number")?.as_str().parse().ok()?;
                Some((found.name("name")?.as_str().to_lowercase(), number))
            })
            .collect()
    };
    let (before, after) = (numbers('-'), numbers('+'));
    before
        .iter()
        .any(|(name, old)| after.get(name).is_none_or(|new| new < old))
}

/// A script of npm or a target of make with such a name runs a check.
static CHECK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^-\s*(?:"(?:pre|post)?(?:test|lint|typecheck|type-check|check|build)(?::[\w:-]+)?"\s*:|(?:test|check|lint)\s*:)"#).ok()
});

/// Files of which each change concerns the checks.
const CHECK_FILES: [&str; 4] = [".whim/config.yml", "tox.ini", "noxfile.py", ".gitlab-ci.yml"];

/// Whether the command of a check is changed or gone.
pub(super) fn changes_check(file: &FileDiff, patch: &str) -> bool {
    let path = file.path.as_str();
    if path.starts_with(".github/workflows/") || CHECK_FILES.contains(&path) {
        return true;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let has_commands = matches!(
        name,
        "package.json" | "Makefile" | "makefile" | "GNUmakefile" | "composer.json" | "deno.json" | "justfile"
    );
    // A comma is added when another entry follows.
    let text = |line: &str| line.trim_end().trim_end_matches(',').to_owned();
    let added: Vec<String> = patch
        .lines()
        .filter_map(|line| line.strip_prefix('+'))
        .map(text)
        .collect();
    has_commands
        && CHECK.as_ref().is_some_and(|check| {
            patch
                .lines()
                .any(|line| check.is_match(line) && !added.contains(&text(&line[1..])))
        })
}
