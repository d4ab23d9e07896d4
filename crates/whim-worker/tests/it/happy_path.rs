use anyhow::Context as _;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::events::WorkerEventBody;

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

#[tokio::test]
async fn an_item_becomes_a_pull_request() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;

    world.run_expecting(0).await?;

    let complete = world.completion()?;
    let pulls = world.github.pulls(REPO);
    assert_eq!(pulls.len(), 1);
    let pull = &pulls[0];
    assert_eq!(
        (complete.pr_number.get(), &pull.head, &pull.base),
        (pull.number, &BRANCH.to_owned(), &"main".to_owned())
    );
    assert!(
        complete
            .pr_url
            .ends_with(&format!("/{REPO}/pull/{}", pull.number)),
        "{}",
        complete.pr_url
    );
    assert_eq!(complete.head_sha.as_str(), pull.head_hash);
    assert_eq!(complete.iterations, 2);
    assert_eq!(complete.stats.tokens.output, 40);
    assert!(matches!(complete.tests, Some(TestReport { passed: true, .. })));
    assert_eq!(pull.title, "Say hello");
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "[item]"),
        (r"\d+\.\d s", "[time]"),
        (r"[0-9a-f]{10} [0-9a-f]{10} \|", "[commits] |"),
        (r"=[0-9a-f]{16}", "=[digest]"),
    ]}, {
        insta::assert_snapshot!(pull.body.clone().unwrap_or_default(), @r"
        Visitors want to be greeted.

        ## Tasks

        | | Task | Commits | Tests |
        |---|---|---|---|
        | done | 1. Add a greeting |  |  |
        | done | 2. Add a farewell |  |  |
        |  | Other commits | [commits] |  |

        ## Checks

        | Check | Command | Result | Tests | Time | On the base |
        |---|---|---|---|---|---|
        | `make` | `make test` | passed |  | [time] |  |

        Closes #1

        ---
        Opened by Whim after 2 iterations, 60 tokens, $1.00 in attempt 1 (work item `[item]`).

        <!-- whim:report body=[digest] title=[digest] -->
        ");
    });
    Ok(())
}

#[tokio::test]
async fn every_commit_is_pushed_immediately_and_reported_with_its_ticks() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; await go; part; complete").await?;
    let worker = world.start()?;

    let first = world.pushed(1).await?;
    let (spec, head) =
        whim_testkit::wait::wait_until("the tick", std::time::Duration::from_secs(20), async || {
            world
                .orchestrator
                .checkpoint()
                .filter(|(spec, _)| spec.contains("[x]"))
                .ok_or("no tick yet")
        })
        .await?;
    assert_eq!(head, first);
    assert!(
        spec.contains("- [x] Add a greeting\n- [ ] Add a farewell"),
        "{spec}"
    );
    world.signal("go")?;
    assert_eq!(worker.ended().await?.code, Some(0));

    let (spec, head) = world.orchestrator.checkpoint().unwrap();
    assert_eq!(Some(head), world.branch_head());
    assert_eq!(spec, world.completion()?.spec);
    assert!(!spec.contains("[ ]"), "{spec}");
    let commits = world.github.log(REPO, &format!("main..{BRANCH}"));
    let subjects: Vec<&str> = commits.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!(subjects, ["Add a farewell", "Add a greeting"]);
    Ok(())
}

#[tokio::test]
async fn commits_are_by_the_user_of_the_token_or_by_whom_the_settings_name() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world.run_expecting(0).await?;
    let named = World::new(FILES, HAPPY)
        .await?
        .with("GIT_AUTHOR_NAME", "Ada")
        .with("GIT_AUTHOR_EMAIL", "ada@example.com");
    named.run_expecting(0).await?;

    let author = |world: &World| {
        let bare = world.github.bare_repository(REPO);
        bare.run(["log", "-1", "--format=%an <%ae> %cn <%ce>", BRANCH])
    };
    let found = author(&world)?;
    let user = format!(
        r"{0} <\d+\+{0}@users\.noreply\.127\.0\.0\.1>",
        regex::escape(whim_testkit::github::BOT)
    );
    assert!(
        regex::Regex::new(&format!("^{user} {user}$"))?.is_match(found.trim()),
        "{found}"
    );
    assert_eq!(
        author(&named)?.trim(),
        "Ada <ada@example.com> Ada <ada@example.com>"
    );
    Ok(())
}

#[tokio::test]
async fn events_are_reported_in_order_with_increasing_sequence_numbers() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;

    world.run_expecting(0).await?;

    let per_task = ["iteration", "tool", "commit", "task_complete", "iteration_done"];
    let mut expected = vec!["started"];
    expected.extend(per_task.iter().chain(&per_task));
    expected.push("complete");
    assert_eq!(world.orchestrator.ralph_events(), expected);
    let stages: Vec<&str> = world
        .orchestrator
        .worker_events()
        .iter()
        .filter_map(|event| {
            if let WorkerEventBody::Stage { stage } = event {
                Some(stage.as_str())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(stages, ["preparing", "working", "testing", "delivering"]);
    let numbers: Vec<u64> = world
        .orchestrator
        .heartbeats()
        .iter()
        .map(|heartbeat| heartbeat.seq)
        .collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    Ok(())
}

#[tokio::test]
async fn the_checklist_stays_out_of_the_pull_request() -> anyhow::Result<()> {
    let script = "begin; greet; echo x > \"$state/new-learnings.md\"; git add --all; \
        git diff --cached --quiet || exit 9; part; complete";
    let world = World::new(FILES, script).await?;

    world.run_expecting(0).await?;

    for path in [".whim-run/SPEC.md", ".whim-run/new-learnings.md"] {
        assert_eq!(world.github.read_file(REPO, BRANCH, path), None, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn files_of_the_project_are_delivered_whatever_their_names() -> anyhow::Result<()> {
    let files = [
        FILES,
        &[
            (".ai/rules.md", "# Theirs\n"),
            (".whim-run/notes.md", "# Theirs\n"),
        ],
    ]
    .concat();
    let script = r##"begin; greet; part; echo "# Mine" | tee SPEC.md .ai/stuck.md .ai/notes.md > .whim-run/more.md
        git add --all; git commit -qm "Add documents"; committed "Add documents"; complete"##;
    let world = World::new(&files, script).await?;

    world.run_expecting(0).await?;

    let arguments = world.script_output("arguments")?;
    assert!(
        arguments.contains("--spec\n.whim-run-2/SPEC.md\n--run-dir\n.whim-run-2\n"),
        "{arguments}"
    );
    for path in ["SPEC.md", ".ai/stuck.md", ".ai/notes.md", ".whim-run/more.md"] {
        let content = world.github.read_file(REPO, BRANCH, path);
        assert_eq!(content.as_deref(), Some("# Mine\n"), "{path}");
    }
    for path in [".ai/rules.md", ".whim-run/notes.md"] {
        let content = world.github.read_file(REPO, BRANCH, path);
        assert_eq!(content.as_deref(), Some("# Theirs\n"), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn ralph_is_started_with_the_documented_arguments() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY)
        .await?
        .with("CLAUDE_MODEL", "some-model")
        .with("AGENT_IDLE_TIMEOUT_SECONDS", "2.5")
        .with("LOCK_WAIT_TIMEOUT_SECONDS", "1.5")
        .with("LANG", "C.UTF-8");

    let base = world.github.branch_head(REPO, "main").context("no base")?;

    world.run_expecting(0).await?;

    let arguments = world
        .script_output("arguments")?
        .replace(env!("CARGO_BIN_EXE_whim-worker"), "[worker]")
        .replace(&world.attempt_directory().display().to_string(), "[attempt]")
        .replace(&base, "[base]");
    insta::assert_snapshot!(arguments.replace('\n', " "), @"run --headless --spec .whim-run/SPEC.md --run-dir .whim-run --keep-commit [base] -n 9 --harness claude --stuck-threshold 3 --pre-edit-hook [worker] --pre-edit-hook lock-before-edit --pre-edit-hook [attempt]/workspace/hook --pre-edit-hook 26.5 --pre-edit-limit 26.5 --pass-env WHIM_ATTEMPT --timeout-idle 4 --claude-bin claude --pass-env LANG --model some-model ");
    Ok(())
}

#[tokio::test]
async fn counts_of_the_tests_are_reported() -> anyhow::Result<()> {
    let files = [
        (
            "package.json",
            r#"{"name": "shop", "scripts": {"test": "node --test"}}"#,
        ),
        (
            "a.test.js",
            "const { test } = require('node:test');\ntest('a', () => {});\ntest('b', () => {});\n",
        ),
    ];
    let world = World::new(&files, HAPPY).await?;

    world.run_expecting(0).await?;

    let tests = world.completion()?.tests.unwrap();
    assert_eq!(
        (tests.command.as_str(), tests.tests_passed, tests.tests_failed),
        ("npm test", Some(2), Some(0))
    );
    Ok(())
}

#[tokio::test]
async fn a_project_without_checks_gets_its_pull_request_which_says_so() -> anyhow::Result<()> {
    let world = World::new(&[("README.md", "# Shop\n")], HAPPY).await?;

    world.run_expecting(0).await?;

    assert_eq!(world.completion()?.tests, None);
    let body = world.github.pulls(REPO)[0].body.clone().unwrap_or_default();
    assert!(body.contains("No checks were found."), "{body}");
    Ok(())
}

#[tokio::test]
async fn the_base_branch_of_the_work_item_is_used() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world
        .github
        .commit_files(REPO, "next", "Begin", &[("next.txt", "next")]);
    let world = world.assigned(|registered| {
        registered.work_item.metadata.base = Some(whim_core::BranchName::parse("next").unwrap());
    });

    world.run_expecting(0).await?;

    assert_eq!(world.github.pulls(REPO)[0].base, "next");
    assert_eq!(
        world.github.read_file(REPO, BRANCH, "next.txt").as_deref(),
        Some("next")
    );
    Ok(())
}
