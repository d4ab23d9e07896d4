//! A model reviews the change, and the agent acts on what it finds.

use ralph_contract::{Review, ReviewFinding, ReviewSeverity};
use whim_core::WorkItemStatus;
use whim_core::protocol::costs::{CostFilter, CostKey};
use whim_e2e::sample;
use whim_e2e::system::Options;
use whim_testkit::anthropic::{Coder, RequestKind, ReviewScript, Solution};
use whim_testkit::wait::wait_until;

use crate::world::{TIMEOUT, assert_no_violations, item_of, one_repository};

#[tokio::test]
async fn a_finding_of_the_review_is_fixed_before_the_pull_request_is_opened() {
    let system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let coder = Coder::default()
        .solution(
            Solution::for_task("The findings of the review").file("notes/guide.md", "# A longer guide\n"),
        )
        .solution(Solution::for_task("guide").file("notes/guide.md", "# Guide\n"));
    system.anthropic.set_coder(coder);
    let finding = ReviewFinding {
        severity: ReviewSeverity::Error,
        task: Some(1),
        file: Some("notes/guide.md".to_owned()),
        line: Some(1),
        message: "The guide is empty".to_owned(),
        suggestion: None,
    };
    let found = Review {
        findings: vec![finding],
        ..Review::default()
    };
    let resolved = Review {
        description: "Adds a guide for newcomers.".to_owned(),
        ..Review::default()
    };
    let reviews = ReviewScript::Reviews(vec![found, resolved]);
    system.anthropic.when_review_contains("Write a guide", reviews);
    let issue = system.github.create_issue(
        sample::REPOSITORY,
        "Improve the documentation",
        "- Write a guide",
        &["whim"],
    );

    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!((item.status, item.retries), (WorkItemStatus::Completed, 0));
    let guide = system
        .github
        .read_file(sample::REPOSITORY, item.branch.as_str(), "notes/guide.md");
    assert_eq!(guide.as_deref(), Some("# A longer guide\n"));
    let pulls = system.github.pulls(sample::REPOSITORY);
    let body = pulls[0].body.clone().unwrap_or_default();
    assert!(body.starts_with("Adds a guide for newcomers."), "{body}");
    // The reviewer has nothing to write with, and does not see what the agent said.
    let requests = system.anthropic.requests();
    let reviews = requests
        .iter()
        .filter(|request| request.kind == RequestKind::Review);
    let mut count = 0;
    for review in reviews {
        count += 1;
        let tools: Vec<_> = review.body["tools"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        for writing in ["Bash", "Edit", "Write", "NotebookEdit"] {
            assert!(!tools.contains(&writing), "{tools:?}");
        }
        assert!(review.text.contains("+++ b/notes/guide.md"), "{}", review.text);
    }
    assert_eq!(count, 2);

    // Each request of the agents is in the ledger, once.
    let sent = requests
        .iter()
        .filter(|request| request.kind != RequestKind::Spec)
        .count();
    let filter = CostFilter {
        by: Some(CostKey::Stage),
        work_item_id: Some(item.id),
        ..CostFilter::default()
    };
    let client = system.client().unwrap();
    let counted = wait_until("the costs of every request", TIMEOUT, async || {
        let report = client.costs(&filter).await.map_err(|error| error.to_string())?;
        let counted: u64 = report.rows.iter().map(|row| row.requests).sum();
        if usize::try_from(counted) == Ok(sent) {
            Ok(report)
        } else {
            Err(format!("{sent} requests: {report:?}"))
        }
    });
    let report = counted.await.unwrap();
    let stages: Vec<&str> = report.rows.iter().map(|row| row.key.as_str()).collect();
    assert!(
        stages.contains(&"work") && stages.contains(&"review"),
        "{report:?}"
    );
    assert!(report.rows.iter().all(|row| row.micro_dollars > 0), "{report:?}");
    assert_no_violations(&system);
    system.stop().await.unwrap();
}
