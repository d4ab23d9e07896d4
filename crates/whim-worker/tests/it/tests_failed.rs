use whim_core::FailureCause;
use whim_core::protocol::checks::{BaseOutcome, CheckOutcome};

use crate::world::{BRANCH, HAPPY, REPO, World};

#[tokio::test]
async fn failed_tests_fail_the_attempt_and_keep_the_branch() -> anyhow::Result<()> {
    let files = [
        (
            "package.json",
            r#"{"name": "shop", "scripts": {"test": "node --test"}}"#,
        ),
        (
            "a.test.js",
            "const { test } = require('node:test');\ntest('a', () => {});\n",
        ),
    ];
    let script = r#"begin; greet; commit b.test.js "require('node:test').test('b', () => { throw new Error('no farewell'); });" 'Test'; part; complete"#;
    let world = World::new(&files, script).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    assert!(
        failure.reason.contains(
            "the check `node` failed: `npm test` (1 failed, 1 passed); exit code 1; it passes on the base\n\n"
        ),
        "{}",
        failure.reason
    );
    assert!(failure.reason.contains("no farewell"), "{}", failure.reason);
    let tests = failure.tests.unwrap();
    let check = &tests.checks[0];
    assert_eq!(
        (check.outcome, check.base_outcome, check.tests_failed),
        (CheckOutcome::Failed, Some(BaseOutcome::Passed), Some(1))
    );
    assert_eq!(
        (tests.passed, tests.tests_passed, tests.tests_failed),
        (false, Some(1), Some(1))
    );
    let pulls = world.github.pulls(REPO);
    assert!(pulls.len() == 1 && pulls[0].draft, "{pulls:?}");
    assert_eq!(
        world.github.read_file(REPO, BRANCH, "farewell.txt").as_deref(),
        Some("goodbye\n")
    );
    Ok(())
}

#[tokio::test]
async fn ignored_files_are_not_tested() -> anyhow::Result<()> {
    let script = "begin; greet; part; git rm -q --cached greeting.txt; echo greeting.txt > .gitignore; git add .gitignore; \
        git commit -qm 'Forget the greeting'; complete";
    let files = [(
        "Makefile",
        "test:\n\t@if [ -e farewell.txt ]; then cat greeting.txt; fi\n",
    )];
    let world = World::new(&files, script).await?;

    world.run_expecting(2).await?;

    assert_eq!(world.failure()?.cause, FailureCause::TestsFailed);
    Ok(())
}

#[tokio::test]
async fn tests_that_exceed_the_timeout_are_terminated() -> anyhow::Result<()> {
    let files = [(
        "Makefile",
        "test:\n\t@if [ -e farewell.txt ]; then echo waiting; sleep 1000; fi\n",
    )];
    let world = World::new(&files, HAPPY)
        .await?
        .with("TEST_TIMEOUT_SECONDS", "0.5");

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    assert!(failure.reason.contains("waiting"), "{}", failure.reason);
    Ok(())
}

#[tokio::test]
async fn tests_have_no_secret_in_their_environment() -> anyhow::Result<()> {
    let files = [(
        "Makefile",
        "test:\n\t@if [ -e farewell.txt ]; then env; false; fi\n",
    )];
    let world = World::new(&files, HAPPY).await?;

    world.run_expecting(2).await?;

    let reason = world.failure()?.reason;
    assert!(reason.contains("WHIM_ATTEMPT="), "{reason}");
    for secret in ["TOKEN", "KEY", "ANTHROPIC", "GIT_ASKPASS"] {
        assert!(!reason.contains(secret), "{secret}: {reason}");
    }
    Ok(())
}
