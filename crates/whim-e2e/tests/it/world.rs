//! Shared by the tests.

use std::path::Path;
use std::time::Duration;

use whim_core::protocol::work::WorkItem;
use whim_core::source::parse_comment_marker;
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_service::process::{ProcessIdentity, find_by_environment};
use whim_testkit::anthropic::{Coder, Solution};
use whim_testkit::github::Pull;

/// For one issue on a slow machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// A system with the sample repository, whose tests run in Node.js.
pub(crate) async fn one_repository(options: Options) -> System {
    let mut system = System::prepare(options).await.unwrap();
    system
        .github
        .create_repository_from(sample::REPOSITORY, &sample::directory());
    system
        .anthropic
        .set_coder(Coder::default().test_command("npm test"));
    system.start_programs().await.unwrap();
    system
}

/// The pull requests whose body closes an issue.
pub(crate) fn pulls_closing(system: &System, repository: &str, issue: u64) -> Vec<Pull> {
    let closes = format!("Closes #{issue}");
    let is_closing = |pull: &Pull| {
        pull.body
            .as_deref()
            .unwrap_or_default()
            .lines()
            .any(|line| line == closes)
    };
    system
        .github
        .pulls(repository)
        .into_iter()
        .filter(is_closing)
        .collect()
}

/// Whim's comments on an issue.
pub(crate) fn whims_comments(system: &System, repository: &str, issue: u64) -> Vec<String> {
    let comments = system.github.issue(repository, issue).comments;
    comments
        .into_iter()
        .map(|comment| comment.body)
        .filter(|body| parse_comment_marker(body).is_some())
        .collect()
}

pub(crate) async fn item_of(system: &System, repository: &str, issue: u64) -> WorkItem {
    system.item_of(repository, issue).await.unwrap().unwrap()
}

/// The process of the worker of a work item.
pub(crate) async fn worker_process(system: &System, item: &WorkItem) -> ProcessIdentity {
    let item = system.client().unwrap().get_work(item.id).await.unwrap();
    let worker = item.worker_id.unwrap().to_string();
    let is_worker = |process: &ProcessIdentity| {
        let program = std::fs::read_link(format!("/proc/{}/exe", process.pid)).unwrap_or_default();
        program.file_name() == Path::new("whim-worker").file_name()
    };
    let found = find_by_environment("WHIM_ATTEMPT", &worker).unwrap();
    found.into_iter().find(is_worker).unwrap()
}

/// Adds a failing test for every task.
pub(crate) fn breaks_the_tests() -> Coder {
    let failing = "import { test } from \"node:test\";\ntest(\"the moon is made of cheese\", () => { throw new Error(\"it is not\"); });\n";
    Coder::default().solution(Solution::for_task("").file("test/moon.test.js", failing))
}

/// Fails if a fake received an invalid request.
pub(crate) fn assert_no_violations(system: &System) {
    system.github.assert_no_violations();
    assert_eq!(system.anthropic.violations(), [] as [String; 0]);
}
