//! Tests of the change that pass without the rest of it are named.

use crate::world::{REPO, World};

/// Counts the lines `check …` of all tests, and fails if one of them does.
const MAKEFILE: &str = "test:\n\t@set -e; for t in tests/*.sh; do sh $$t; done; echo \"$$(ls tests/*.sh | wc -l) passed in 0.01s\"\n";

fn script(test: &str) -> String {
    format!("begin; greet; mkdir -p tests; commit tests/greet_test.sh '{test}' 'Test it'; part; complete")
}

async fn body_of(policy: &str, test: &str) -> anyhow::Result<(String, bool)> {
    let files = [
        ("Makefile", MAKEFILE),
        ("tests/old_test.sh", "true\n"),
        (".whim/config.yml", policy),
    ];
    let world = World::new(&files, &script(test)).await?;

    world.run_expecting(0).await?;

    let pull = world.github.pulls(REPO).remove(0);
    Ok((pull.body.unwrap_or_default(), pull.draft))
}

const SAID: &str =
    "These tests pass without the rest of the change, so they do not test it: `tests/greet_test.sh`.";

#[tokio::test]
async fn a_test_that_passes_without_the_change_is_named() -> anyhow::Result<()> {
    for (policy, is_draft) in [("integrity: report\n", false), ("integrity: strict\n", true)] {
        let (body, draft) = body_of(policy, "true").await?;
        assert!(body.contains(SAID), "{body}");
        assert_eq!(draft, is_draft, "{policy}");
    }
    Ok(())
}

#[tokio::test]
async fn a_test_that_needs_the_change_is_not_named() -> anyhow::Result<()> {
    let (body, draft) = body_of("integrity: strict\n", "grep -q hello greeting.txt").await?;
    assert!(!body.contains("These tests"), "{body}");
    assert!(!draft);
    let (body, _) = body_of("integrity: off\n", "true").await?;
    assert!(!body.contains("These tests"), "{body}");
    Ok(())
}
