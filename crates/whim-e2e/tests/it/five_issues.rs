//! Several issues at once.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use whim_core::protocol::status::Worker;
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::anthropic::Coder;

use crate::world::{TIMEOUT, assert_no_violations, item_of, pulls_closing, whims_comments};

const REPOSITORIES: [&str; 2] = ["acme/wordsmith", "acme/typesetter"];
const MAX_WORKERS: usize = 2;

#[tokio::test]
async fn five_issues_on_two_repositories_become_five_pull_requests_two_workers_at_a_time() {
    let options = Options::watching(REPOSITORIES).setting("MAX_WORKERS", MAX_WORKERS.to_string());
    let mut system = System::prepare(options).await.unwrap();
    for repository in REPOSITORIES {
        system
            .github
            .create_repository_from(repository, &sample::directory());
    }
    system
        .anthropic
        .set_coder(Coder::default().test_command("npm test"));
    let mut issues = Vec::new();
    for (number, repository) in [0, 1, 0, 1, 0].into_iter().enumerate() {
        let repository = REPOSITORIES[repository];
        let title = format!("Improve the documentation, part {number}");
        let body = "- Describe how to install it\n- Describe how to take part";
        issues.push((
            repository,
            system.github.create_issue(repository, &title, body, &["whim"]),
            title,
        ));
    }
    system.start_programs().await.unwrap();

    for (repository, issue, _) in &issues {
        system
            .wait_for_label(repository, *issue, "ai-pr-ready", TIMEOUT * 3)
            .await
            .unwrap();
    }

    let mut heads = BTreeSet::new();
    for (repository, issue, title) in &issues {
        let pulls = pulls_closing(&system, repository, *issue);
        assert_eq!(pulls.len(), 1, "{repository}#{issue}: {pulls:#?}");
        assert_eq!(&pulls[0].title, title);
        assert!(
            heads.insert((*repository, pulls[0].head.clone())),
            "two pull requests have the same branch"
        );
        let added = system.github.log(repository, &format!("main..{}", pulls[0].head));
        assert_eq!(added.len(), 2, "expected one commit per task: {added:#?}");
        assert_eq!(
            system.github.read_file(repository, &pulls[0].head, "SPEC.md"),
            None,
            "the checklist was committed"
        );

        let labels = system.github.issue(repository, *issue).labels;
        assert_eq!(labels, ["whim", "ai-pr-ready"], "{repository}#{issue}");
        let comments = whims_comments(&system, repository, *issue);
        assert_eq!(comments.len(), 1, "{repository}#{issue}: {comments:#?}");
        assert!(
            comments[0].contains(&format!("#{}", pulls[0].number)),
            "{}",
            comments[0]
        );
        assert_eq!(item_of(&system, repository, *issue).await.retries, 0);
    }
    let all_pulls: usize = REPOSITORIES
        .iter()
        .map(|repository| system.github.pulls(repository).len())
        .sum();
    assert_eq!(all_pulls, issues.len());

    let workers = system.client().unwrap().workers().await.unwrap().workers;
    assert_eq!(workers.len(), issues.len(), "expected one attempt per issue");
    assert!(max_concurrent(&workers) <= MAX_WORKERS);
    assert_no_violations(&system);
    system.stop().await.unwrap();
}

/// The maximum number of workers that ran at the same time.
fn max_concurrent(workers: &[Worker]) -> usize {
    let running_at = |time: DateTime<Utc>| {
        workers
            .iter()
            .filter(|worker| worker.started_at <= time && worker.ended_at.is_none_or(|end| end > time))
            .count()
    };
    workers
        .iter()
        .map(|worker| running_at(worker.started_at))
        .max()
        .unwrap_or(0)
}
