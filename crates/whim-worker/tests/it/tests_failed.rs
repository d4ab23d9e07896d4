use whim_core::FailureCause;

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

#[tokio::test]
async fn failed_tests_prevent_the_pull_request_and_keep_the_branch() -> anyhow::Result<()> {
    let files = [
        (
            "package.json",
            r#"{"name": "shop", "scripts": {"test": "node --test"}}"#,
        ),
        (
            "a.test.js",
            "const { test } = require('node:test');\ntest('a', () => {});\ntest('b', () => { throw new Error('no farewell'); });\n",
        ),
    ];
    let world = World::new(&files, HAPPY).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    assert!(
        failure
            .reason
            .starts_with("the project's tests failed: `npm test` (1 failed, 1 passed); exit code 1\n\n"),
        "{}",
        failure.reason
    );
    assert!(failure.reason.contains("no farewell"), "{}", failure.reason);
    let tests = failure.tests.unwrap();
    assert_eq!(
        (tests.passed, tests.tests_passed, tests.tests_failed),
        (false, Some(1), Some(1))
    );
    assert!(world.github.pulls(REPO).is_empty());
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
    let world = World::new(FILES, script).await?;

    world.run_expecting(2).await?;

    assert_eq!(world.failure()?.cause, FailureCause::TestsFailed);
    Ok(())
}

#[tokio::test]
async fn tests_that_exceed_the_timeout_are_terminated() -> anyhow::Result<()> {
    let files = [("Makefile", "test:\n\t@echo waiting; sleep 1000\n")];
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
async fn a_tool_that_is_not_installed_is_named() -> anyhow::Result<()> {
    let world = World::new(&[("go.mod", "module shop\n")], HAPPY).await?;
    let programs = world.directory.path().join("programs");
    std::fs::create_dir(&programs)?;
    for program in ["git", "sh", "dirname", "env", "cat", "sed"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|directory| directory.join(program))
            .find(|path| path.exists());
        std::os::unix::fs::symlink(found.unwrap(), programs.join(program))?;
    }
    let world = world.with("PATH", programs.display().to_string());

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::WorkspaceUnusable);
    assert_eq!(
        failure.reason,
        "the project's tests need `go`, which is not installed where the worker runs"
    );
    Ok(())
}

#[tokio::test]
async fn tests_have_no_secret_in_their_environment() -> anyhow::Result<()> {
    let files = [("Makefile", "test:\n\t@env; false\n")];
    let world = World::new(&files, HAPPY).await?;

    world.run_expecting(2).await?;

    let reason = world.failure()?.reason;
    assert!(reason.contains("WHIM_ATTEMPT="), "{reason}");
    for secret in ["TOKEN", "KEY", "ANTHROPIC", "GIT_ASKPASS"] {
        assert!(!reason.contains(secret), "{secret}: {reason}");
    }
    Ok(())
}
