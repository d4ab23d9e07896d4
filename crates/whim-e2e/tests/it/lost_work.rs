//! Agents that nearly lose their work: the real CLI, `ralph` and worker put it right within the attempt.

use whim_core::WorkItemStatus;
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::anthropic::{Coder, Solution};

use crate::world::{TIMEOUT, assert_no_violations, item_of, one_repository};

/// Waits for the pull request of an issue, and returns its branch.
async fn delivered(system: &System, body: &str) -> String {
    let issue = system
        .github
        .create_issue(sample::REPOSITORY, "Improve the documentation", body, &["whim"]);
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();
    let item = item_of(system, sample::REPOSITORY, issue).await;
    assert_eq!((item.status, item.retries), (WorkItemStatus::Completed, 0));
    assert_no_violations(system);
    item.branch.as_str().to_owned()
}

fn coder(task: &str, command: &str) -> Coder {
    let solution = Solution::for_task(task)
        .file("notes/guide.md", "# Guide\n")
        .command(command);
    Coder::default().solution(solution)
}

#[tokio::test]
async fn a_file_that_an_agent_left_uncommitted_is_in_the_pull_request() {
    let system = one_repository(Options::watching([sample::REPOSITORY])).await;
    // The first commit leaves a file behind.
    let command = "[ -e .git/hooked ] || { touch .git/hooked; mkdir -p .git/hooks; \
        printf '#!/bin/sh\\necho late > late.txt\\nrm -f \"$0\"\\n' > .git/hooks/post-commit; \
        chmod +x .git/hooks/post-commit; }";
    system.anthropic.set_coder(coder("guide", command));

    let branch = delivered(&system, "- Write a guide").await;

    let late = system.github.read_file(sample::REPOSITORY, &branch, "late.txt");
    assert_eq!(late.as_deref(), Some("late\n"));
    system.stop().await.unwrap();
}

#[tokio::test]
async fn work_that_an_agent_reset_away_is_in_the_pull_request() {
    let system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let command = "if [ -e .git/kept ]; then git merge -q --no-edit \"$(cat .git/kept)\"; \
        else git rev-parse HEAD > .git/kept; git reset -q --hard HEAD~1; fi";
    system.anthropic.set_coder(coder("guide", command));

    let branch = delivered(&system, "- Write an introduction\n- Write a guide").await;

    let commits = system.github.log(sample::REPOSITORY, &format!("main..{branch}"));
    for task in ["introduction", "guide"] {
        assert!(
            commits.iter().any(|commit| commit.subject.contains(task)),
            "{task}: {commits:#?}"
        );
    }
    system.stop().await.unwrap();
}

#[tokio::test]
async fn a_push_that_github_refuses_for_a_file_is_put_right_by_the_agent() {
    let system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let workflow = ".github/workflows/ci.yml";
    system.github.refuse_push_of(
        sample::REPOSITORY,
        workflow,
        "error: refusing to allow a Personal Access Token to create or update workflow without `workflow` scope",
    );
    let command = "[ -e .git/refused ] && { git reset -q --soft HEAD~1; git rm -rqf .github; } || \
        { mkdir -p .github/workflows; echo on > .github/workflows/ci.yml; touch .git/refused; }";
    system.anthropic.set_coder(coder("guide", command));

    let branch = delivered(&system, "- Write a guide").await;

    assert_eq!(
        system.github.read_file(sample::REPOSITORY, &branch, workflow),
        None
    );
    let guide = system
        .github
        .read_file(sample::REPOSITORY, &branch, "notes/guide.md");
    assert_eq!(guide.as_deref(), Some("# Guide\n"));
    system.stop().await.unwrap();
}
