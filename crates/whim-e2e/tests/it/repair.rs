//! Checks that fail because of the change go back to the agent.

use whim_core::WorkItemStatus;
use whim_e2e::sample;
use whim_e2e::system::Options;
use whim_testkit::anthropic::{Coder, Solution};

use crate::world::{TIMEOUT, assert_no_violations, item_of, one_repository};

const FAILING: &str = "import { test } from \"node:test\";\ntest(\"the moon is made of cheese\", () => { throw new Error(\"it is not\"); });\n";
const FIXED: &str = "import { test } from \"node:test\";\ntest(\"the moon is far away\", () => {});\n";

#[tokio::test]
async fn a_red_first_commit_is_repaired_and_delivered_as_a_pull_request() {
    let system = one_repository(Options::watching([sample::REPOSITORY])).await;
    // Without a test command: the coder commits what is red.
    let coder = Coder::default()
        .solution(Solution::for_task("The failed checks pass").file("test/moon.test.js", FIXED))
        .solution(Solution::for_task("").file("test/moon.test.js", FAILING));
    system.anthropic.set_coder(coder);
    let issue = system.github.create_issue(
        sample::REPOSITORY,
        "Describe the moon",
        "- Say what it is made of",
        &["whim"],
    );

    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!((item.status, item.retries), (WorkItemStatus::Completed, 0));
    let branch = item.branch.as_str();
    assert_eq!(
        system
            .github
            .read_file(sample::REPOSITORY, branch, "test/moon.test.js")
            .as_deref(),
        Some(FIXED)
    );
    let pulls = system.github.pulls(sample::REPOSITORY);
    assert_eq!(pulls.len(), 1);
    let body = pulls[0].body.clone().unwrap_or_default();
    assert!(body.contains("| `node` | `npm test` | passed |"), "{body}");
    assert!(!body.contains("- [ ]"), "{body}");
    assert_no_violations(&system);
    system.stop().await.unwrap();
}
