//! `.whim/config.yml` decides how the worker works on a repository.

use whim_core::FailureCause;
use whim_core::protocol::checks::CheckOutcome;

use crate::world::{FILES, HAPPY, REPO, World};

#[tokio::test]
async fn the_checks_of_a_policy_replace_the_detected_ones_and_optional_ones_do_not_decide()
-> anyhow::Result<()> {
    let policy = "\
checks:
  test:
    run: cat greeting.txt
  lint:
    run: test ! -e farewell.txt
    required: false
  web:
    run: cat page.html && ls ../greeting.txt
    directory: web
";
    let files = [
        (".whim/config.yml", policy),
        ("Makefile", "test:\n\t@false\n"),
        ("web/page.html", "<p>hello</p>\n"),
    ];
    let world = World::new(&files, HAPPY).await?;

    world.run_expecting(0).await?;

    let report = world.completion()?.tests.unwrap();
    let outcomes: Vec<_> = report
        .checks
        .iter()
        .map(|check| (check.name.as_str(), check.outcome, check.required))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("test", CheckOutcome::Passed, true),
            ("lint", CheckOutcome::Failed, false),
            ("web", CheckOutcome::Passed, true),
        ]
    );
    assert!(report.passed);
    let body = world.github.pulls(REPO)[0].body.clone().unwrap_or_default();
    assert!(
        body.contains("| `lint` | `test ! -e farewell.txt` | **failed** (optional) |"),
        "{body}"
    );
    Ok(())
}

#[tokio::test]
async fn a_policy_that_the_agent_writes_has_no_effect() -> anyhow::Result<()> {
    let policy = "checks:\n  test:\n    run: test ! -e farewell.txt\n";
    let script = "begin; greet; mkdir -p .whim; commit .whim/config.yml 'checks: {test: {run: \"true\"}}' 'Pass'; part; complete";
    let world = World::new(&[(".whim/config.yml", policy)], script).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    assert!(
        failure.reason.contains("`test ! -e farewell.txt`"),
        "{}",
        failure.reason
    );
    Ok(())
}

#[tokio::test]
async fn the_setup_prepares_the_workspace_of_the_agent_and_every_checkout() -> anyhow::Result<()> {
    let policy = "setup:\n  - mkdir -p deps\n  - pwd > deps/installed\n  - echo tool > \"$HOME/tool\"\n\
        checks:\n  test:\n    run: cat deps/installed \"$HOME/tool\"\n";
    let files = [(".whim/config.yml", policy), (".gitignore", "deps/\n")];
    // What the setup installs in the home directory is there for the agent.
    let script = "cp deps/installed \"$control/installed\"; cat \"$HOME/tool\"; begin; greet; part; complete";
    let world = World::new(&files, script).await?;

    world.run_expecting(0).await?;

    let installed = world.script_output("installed")?;
    assert!(installed.trim_end().ends_with("/repository"), "{installed}");
    assert!(world.completion()?.tests.unwrap().passed);
    Ok(())
}

#[tokio::test]
async fn the_model_is_chosen_and_the_iterations_are_only_lowered() -> anyhow::Result<()> {
    for (limit, passed_on) in [(3, "3"), (500, "9")] {
        let policy = format!("model: claude-opus-5-5\nmaxIterations: {limit}\n");
        let files: Vec<_> = FILES
            .iter()
            .copied()
            .chain([(".whim/config.yml", policy.as_str())])
            .collect();
        let world = World::new(&files, HAPPY).await?.with("CLAUDE_MODEL", "other");

        world.run_expecting(0).await?;

        let arguments = world.script_output("arguments")?;
        let arguments: Vec<&str> = arguments.lines().collect();
        let after = |option: &str| {
            arguments
                .iter()
                .skip_while(|word| **word != option)
                .nth(1)
                .copied()
        };
        assert_eq!(
            (after("--model"), after("-n")),
            (Some("claude-opus-5-5"), Some(passed_on))
        );
    }
    Ok(())
}
