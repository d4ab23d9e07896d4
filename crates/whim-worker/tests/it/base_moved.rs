//! The base branch got commits while the agent worked.

use axum::http::{Method, StatusCode};
use serde_json::json;
use whim_core::FailureCause;
use whim_testkit::github::Fault;

use crate::world::{BRANCH, Ended, FILES, REPO, World};

/// Does both tasks, lets the test change the base, and then `repair` in the run for a conflict.
fn script(repair: &str) -> String {
    format!(
        "case $spec in *repair.md) cat \"$spec\" > \"$control/repair-at-start\"; begin; {repair} ;; esac
begin; greet; part; signal worked; await go; complete"
    )
}

const RESOLVES: &str = "iteration 1; git merge --quiet origin/main > /dev/null || true; printf 'both\\n' > farewell.txt; \
    git add -A farewell.txt; git commit --quiet --no-edit; committed Merge; \
    tick 0 '`origin.main` is merged into this branch'; iteration_done 1; complete";
const GIVES_UP: &str = "iteration 1; iteration_done 1; exit 1";

/// Runs a worker while someone changes `file` on the base.
async fn run_while_base_changes(world: &World, file: &str) -> anyhow::Result<()> {
    let worker = world.start()?;
    world.signalled("worked").await?;
    world
        .github
        .commit_files(REPO, "main", "Meanwhile", &[(file, "meanwhile\n")]);
    world.signal("go")?;
    let ended = worker.ended().await?;
    anyhow::ensure!(ended.code == Some(0), "{}", ended.log);
    Ok(())
}

/// The same with `meanwhile` after the last push of the agent's work.
async fn run_with_trouble(world: &World, file: &str, meanwhile: impl FnOnce()) -> anyhow::Result<Ended> {
    let worker = world.start()?;
    world.pushed(2).await?;
    world.signalled("worked").await?;
    world
        .github
        .commit_files(REPO, "main", "Meanwhile", &[(file, "meanwhile\n")]);
    meanwhile();
    world.signal("go")?;
    worker.ended().await
}

/// Of the push of commits, or of the fetch.
fn outage(service: &str) -> Fault {
    Fault::on(Method::POST, &format!("/{{owner}}/{{repo}}.git/{service}"))
        .server_error(StatusCode::SERVICE_UNAVAILABLE)
}

fn body(world: &World) -> String {
    world.github.pulls(REPO)[0].body.clone().unwrap_or_default()
}

fn contains_base(world: &World) -> bool {
    world.github.log(REPO, &format!("{BRANCH}..main")).is_empty()
}

#[tokio::test]
async fn a_base_that_moved_is_merged_before_the_checks() -> anyhow::Result<()> {
    let world = World::new(
        &[("Makefile", "test:\n\t@cat greeting.txt farewell.txt\n")],
        &script(GIVES_UP),
    )
    .await?;

    run_while_base_changes(&world, "other.txt").await?;

    assert!(contains_base(&world));
    for file in ["other.txt", "farewell.txt"] {
        assert!(world.github.read_file(REPO, BRANCH, file).is_some(), "{file}");
    }
    let author = world
        .github
        .bare_repository(REPO)
        .run(["log", "-1", "--format=%an %s", BRANCH])?;
    assert_eq!(
        author.trim(),
        format!("{} Merge main into {BRANCH}", whim_testkit::github::BOT)
    );
    assert_eq!(
        Some(world.completion()?.head_sha.to_string()),
        world.branch_head()
    );
    assert!(!body(&world).contains("both changed"), "{}", body(&world));
    Ok(())
}

#[tokio::test]
async fn a_repair_after_a_merge_works_on_the_merged_branch() -> anyhow::Result<()> {
    // Red since the merge.
    let makefile = "test:\n\t@if [ -e other.txt -a -e farewell.txt ]; then cat fixed.txt; fi\n";
    let repair = "iteration 1; cat other.txt > \"$control/other\"; commit fixed.txt fixed 'Repair'; \
        tick 0 'The failed checks pass'; iteration_done 1; complete";
    let world = World::new(&[("Makefile", makefile)], &script(repair))
        .await?
        .with("REPAIR_ITERATIONS", "2");

    run_while_base_changes(&world, "other.txt").await?;

    assert_eq!(world.script_output("other")?, "meanwhile\n");
    assert!(contains_base(&world));
    assert!(world.github.read_file(REPO, BRANCH, "fixed.txt").is_some());
    Ok(())
}

#[tokio::test]
async fn a_conflict_with_the_base_goes_to_the_agent_once() -> anyhow::Result<()> {
    let world = World::new(FILES, &script(RESOLVES))
        .await?
        .with("REPAIR_ITERATIONS", "2");

    run_while_base_changes(&world, "farewell.txt").await?;

    let task = world.script_output("repair-at-start")?;
    for part in [
        "- [ ] `origin/main` is merged into this branch",
        "  - Conflict in farewell.txt",
    ] {
        assert!(task.contains(part), "{part} is missing:\n{task}");
    }
    assert!(contains_base(&world));
    assert_eq!(
        world.github.read_file(REPO, BRANCH, "farewell.txt").as_deref(),
        Some("both\n")
    );
    assert!(!body(&world).contains("both changed"), "{}", body(&world));
    Ok(())
}

#[tokio::test]
async fn a_conflict_that_remains_is_said() -> anyhow::Result<()> {
    for iterations in ["0", "2"] {
        let world = World::new(FILES, &script(GIVES_UP))
            .await?
            .with("REPAIR_ITERATIONS", iterations);

        run_while_base_changes(&world, "farewell.txt").await?;

        assert!(!contains_base(&world));
        let body = body(&world);
        assert!(
            body.contains(
                "> The base has commits that this branch does not have, and both changed `farewell.txt`."
            ),
            "{body}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_linear_history_is_kept_where_the_rules_want_one() -> anyhow::Result<()> {
    let world = World::new(FILES, &script(GIVES_UP)).await?;
    let rule = json!({ "type": "required_linear_history" });
    world.github.set_rules(REPO, vec![rule], false);

    run_while_base_changes(&world, "other.txt").await?;

    assert!(!contains_base(&world));
    Ok(())
}

#[tokio::test]
async fn a_linear_history_is_kept_if_rules_cannot_be_read() -> anyhow::Result<()> {
    for unreadable in [
        "/repos/{owner}/{repo}/rulesets/{id}",
        "/repos/{owner}/{repo}/rules/branches/{branch}",
    ] {
        let world = World::new(FILES, &script(GIVES_UP)).await?;
        let rules = ["required_linear_history", "required_signatures"].map(|kind| json!({ "type": kind }));
        world.github.set_rules(REPO, rules.to_vec(), true);
        let fault = Fault::on(Method::GET, unreadable);
        let fault = fault.server_error(StatusCode::SERVICE_UNAVAILABLE);
        world.github.faults().push(fault.always());

        run_while_base_changes(&world, "other.txt").await?;

        assert!(!contains_base(&world), "{unreadable}");
    }
    Ok(())
}

#[tokio::test]
async fn the_base_is_merged_where_a_plan_has_no_rules() -> anyhow::Result<()> {
    let world = World::new(FILES, &script(GIVES_UP)).await?;
    let message = "Upgrade to GitHub Pro or make this repository public to enable this feature.";
    let fault = Fault::on(Method::GET, "/repos/{owner}/{repo}/rules/branches/{branch}")
        .answer(StatusCode::FORBIDDEN, &json!({ "message": message }));
    world.github.faults().push(fault.always());

    run_while_base_changes(&world, "other.txt").await?;

    assert!(contains_base(&world));
    Ok(())
}

#[tokio::test]
async fn a_push_of_the_merge_that_fails_is_repeated() -> anyhow::Result<()> {
    let world = World::new(FILES, &script(GIVES_UP)).await?;

    let push = outage("git-receive-pack").times(1);
    let ended = run_with_trouble(&world, "other.txt", || world.github.faults().push(push)).await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.github.faults().pending(), 0);
    assert!(contains_base(&world));
    Ok(())
}

#[tokio::test]
async fn work_on_a_branch_that_cannot_be_pushed_or_was_changed_does_not_go_on() -> anyhow::Result<()> {
    let world = World::new(FILES, &script(GIVES_UP)).await?;
    let push = outage("git-receive-pack").always();
    let ended = run_with_trouble(&world, "other.txt", || world.github.faults().push(push)).await?;
    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert_eq!(world.failure()?.cause, FailureCause::GitHubUnavailable);

    // With a merge of Whim, and with one of the agent.
    for (file, repair) in [("other.txt", GIVES_UP), ("farewell.txt", RESOLVES)] {
        let world = World::new(FILES, &script(repair))
            .await?
            .with("REPAIR_ITERATIONS", "2");
        let ended = run_with_trouble(&world, file, || {
            let files = [("by-a-person.txt", "x\n")];
            world.github.commit_files(REPO, BRANCH, "By a person", &files);
        });
        let ended = ended.await?;
        assert_eq!(ended.code, Some(2), "{file}: {}", ended.log);
        assert_eq!(world.failure()?.cause, FailureCause::BranchMoved, "{file}");
        assert!(world.github.read_file(REPO, BRANCH, "by-a-person.txt").is_some());
    }
    Ok(())
}

#[tokio::test]
async fn a_base_that_cannot_be_fetched_or_a_merge_that_is_refused_is_said() -> anyhow::Result<()> {
    let refused = "their merge could not be pushed";
    for (is_fetch, notice) in [(true, "main could not be fetched again"), (false, refused)] {
        let world = World::new(FILES, &script(GIVES_UP)).await?;
        let ended = run_with_trouble(&world, "other.txt", || {
            if is_fetch {
                let fault = outage("git-upload-pack");
                world.github.faults().push(fault.always());
            } else {
                world.github.refuse_push(REPO);
            }
        });
        let ended = ended.await?;
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let notices = world.orchestrator.notices();
        assert!(
            notices.iter().any(|found| found.contains(notice)),
            "{notice}: {notices:?}"
        );
        assert!(!contains_base(&world));
    }
    Ok(())
}

#[tokio::test]
async fn a_conflict_without_files_or_in_a_file_with_a_special_name_is_said() -> anyhow::Result<()> {
    let files = [
        ("old/1.txt", "one\n"),
        ("old/2.txt", "two\n"),
        ("old/3.txt", "three\n"),
        ("old/4.txt", "four\n"),
    ];
    let files = [FILES, &files].concat();
    let split = "mkdir a b; git mv old/1.txt old/2.txt a; git mv old/3.txt old/4.txt b; git commit -qm Split; committed Split";
    let special = "commit 'gr\"üße.txt' ours Greet";
    for (change, file, part) in [
        (
            split,
            "old/new.txt",
            "and they conflict, for example because a directory was renamed",
        ),
        (special, "gr\"üße.txt", "both changed `gr\"üße.txt`."),
    ] {
        let script = format!("begin; greet; {change}; part; signal worked; await go; complete");
        let world = World::new(&files, &script).await?;

        run_while_base_changes(&world, file).await?;

        assert!(!contains_base(&world));
        assert!(body(&world).contains(part), "{}", body(&world));
    }
    Ok(())
}
