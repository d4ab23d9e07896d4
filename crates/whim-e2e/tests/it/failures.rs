//! Issues that end without a pull request, with the reason in a comment.

use whim_core::{FailureCause, WorkItemStatus};
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::anthropic::AgentScript;
use whim_testkit::wait::wait_until;

use crate::world::{
    TIMEOUT, assert_no_violations, breaks_the_tests, item_of, one_repository, whims_comments,
};

const TITLE: &str = "Improve the documentation";
const BODY: &str = "- Describe how to install it";

fn options() -> Options {
    Options::watching([sample::REPOSITORY]).setting("STUCK_THRESHOLD", "2")
}

async fn failed_issue(system: &System) -> (u64, String) {
    let issue = system
        .github
        .create_issue(sample::REPOSITORY, TITLE, BODY, &["whim"]);
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-failed", TIMEOUT)
        .await
        .unwrap();
    wait_until("the labels to be updated", TIMEOUT, async || {
        let labels = system.github.issue(sample::REPOSITORY, issue).labels;
        if labels == ["whim", "ai-failed"] {
            Ok(())
        } else {
            Err(format!("{labels:?}"))
        }
    })
    .await
    .unwrap();
    let pulls = system.github.pulls(sample::REPOSITORY);
    assert!(pulls.iter().all(|pull| pull.draft), "{pulls:?}");
    let mut comments = whims_comments(system, sample::REPOSITORY, issue);
    assert_eq!(comments.len(), 1, "{comments:#?}");
    (issue, comments.remove(0))
}

#[tokio::test]
async fn an_agent_without_progress_is_stuck_and_the_issue_has_the_reason() {
    let system = one_repository(options()).await;
    system.anthropic.when_agent_reads("", AgentScript::NeverFinishes);
    let (issue, comment) = failed_issue(&system).await;

    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!(
        (item.status, item.failure_cause),
        (WorkItemStatus::Failed, Some(FailureCause::Stuck))
    );
    assert_eq!(item.retries, 1, "a stuck attempt is retried once");
    let reason = item.error.unwrap();
    assert!(reason.contains("2 iterations"), "{reason}");
    assert!(comment.contains(&reason), "{comment}");
    assert_no_violations(&system);
    system.stop().await.unwrap();
}

// docs/faults.md, row 14.
#[tokio::test]
async fn an_agent_that_repeats_one_command_is_stuck_and_one_that_runs_different_ones_is_not() {
    let options = Options::watching([sample::REPOSITORY])
        .setting("MAX_WORKERS", "2")
        .setting("PROGRESS_DEADLINE_SECONDS", "15");
    let system = one_repository(options).await;
    for (title, command) in [
        ("Repeat one command", "sleep 0.2"),
        ("Run different commands", "sleep 0.2; echo $turn"),
    ] {
        let script = AgentScript::Repeats(command.to_owned());
        system.anthropic.when_agent_reads(title, script);
    }
    let open = |title| {
        system
            .github
            .create_issue(sample::REPOSITORY, title, BODY, &["whim"])
    };
    let (repeating, other) = (open("Repeat one command"), open("Run different commands"));

    system
        .wait_for_label(sample::REPOSITORY, repeating, "ai-failed", TIMEOUT)
        .await
        .unwrap();

    let stuck = item_of(&system, sample::REPOSITORY, repeating).await;
    assert_eq!(
        (stuck.failure_cause, stuck.retries),
        (Some(FailureCause::Stuck), 1)
    );
    let busy = item_of(&system, sample::REPOSITORY, other).await;
    assert_eq!(
        (busy.status, busy.retries),
        (WorkItemStatus::InProgress, 0),
        "{busy:#?}"
    );
    assert_no_violations(&system);
    system.stop().await.unwrap();
}

#[tokio::test]
async fn the_note_of_an_agent_that_gives_up_is_quoted_on_the_issue() {
    let system = one_repository(options()).await;
    let reason = "The licence of the font is unclear; a person has to decide that first.";
    system
        .anthropic
        .when_agent_reads("", AgentScript::GivesUp(reason.to_owned()));
    let (issue, comment) = failed_issue(&system).await;

    assert_eq!(
        item_of(&system, sample::REPOSITORY, issue).await.failure_cause,
        Some(FailureCause::Stuck)
    );
    assert!(comment.contains(reason), "{comment}");
    assert_no_violations(&system);
    system.stop().await.unwrap();
}

#[tokio::test]
async fn failed_tests_lead_to_a_draft_and_the_issue_shows_the_failing_test() {
    let system = one_repository(options()).await;
    system.anthropic.set_coder(breaks_the_tests());
    let (issue, comment) = failed_issue(&system).await;

    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!(
        (item.status, item.failure_cause),
        (WorkItemStatus::Failed, Some(FailureCause::TestsFailed))
    );
    assert!(comment.contains("the moon is made of cheese"), "{comment}");
    assert!(
        comment.contains(item.branch.as_str()),
        "the comment does not name the branch: {comment}"
    );
    assert!(
        system
            .github
            .branch_head(sample::REPOSITORY, item.branch.as_str())
            .is_some(),
        "the branch was deleted"
    );
    let pulls = system.github.pulls(sample::REPOSITORY);
    assert!(pulls.len() == 1 && pulls[0].draft, "{pulls:?}");
    let link = format!("/pull/{}", pulls[0].number);
    assert!(comment.contains(&link), "{comment}");
    assert_no_violations(&system);
    system.stop().await.unwrap();
}

#[tokio::test]
async fn removing_the_failed_label_starts_another_run() {
    let system = one_repository(options()).await;
    system.anthropic.set_coder(breaks_the_tests());
    let (issue, _) = failed_issue(&system).await;
    let item = item_of(&system, sample::REPOSITORY, issue).await;

    // As a person does: fix the branch, then remove the label.
    system.github.commit_files(
        sample::REPOSITORY,
        item.branch.as_str(),
        "Remove the failing test",
        &[(
            "test/moon.test.js",
            "import { test } from \"node:test\";\ntest(\"the moon is far away\", () => {});\n",
        )],
    );
    system.github.remove_label(sample::REPOSITORY, issue, "ai-failed");
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    let again = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!(
        (again.id, again.run, again.status),
        (item.id, 2, WorkItemStatus::Completed)
    );
    assert_eq!(
        whims_comments(&system, sample::REPOSITORY, issue).len(),
        1,
        "expected one comment for all runs"
    );
    assert_eq!(system.github.pulls(sample::REPOSITORY).len(), 1);
    system.stop().await.unwrap();
}
