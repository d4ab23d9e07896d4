//! The checks after the faults.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};
use whim_core::WorkItemStatus;
use whim_core::protocol::work::WorkItem;

use super::rig::{Rig, Submission};
use super::work;

/// Between two lines of output.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// How long the number of open work items may stay the same.
const TIMEOUT: Duration = Duration::from_mins(2);

impl Rig {
    /// Waits until every work item has ended and no worker is running. Returns the violations.
    pub(super) async fn settle(
        &mut self,
        mut print: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<String>> {
        let mut violations = Vec::new();
        let (mut fewest, mut since) = (usize::MAX, Instant::now());
        loop {
            self.submit_pending().await?;
            let open = self.open_work().await;
            if open.is_empty() {
                break;
            }
            if open.len() < fewest {
                (fewest, since) = (open.len(), Instant::now());
            } else if since.elapsed() >= TIMEOUT {
                violations.extend(open.into_iter().map(|what| format!("not settled: {what}")));
                break;
            }
            print(&self.summary().await)?;
            sleep(REPORT_INTERVAL).await;
        }
        print(&self.summary().await)?;
        for (submission, item) in self.items().await.context("reading the items at the end")? {
            violations.extend(self.violation_of(submission, &item));
        }
        violations.extend(
            self.invariants
                .check()
                .await
                .err()
                .map(|error| format!("{error:#}")),
        );
        let timeout = 2 * REPORT_INTERVAL;
        let locks = self
            .invariants
            .wait_for_locks(self.redis.url(), self.redis.prefix(), timeout)
            .await;
        violations.extend(locks.err().map(|error| format!("{error:#}")));
        Ok(violations)
    }

    /// Stops the orchestrators gracefully.
    pub(super) async fn stop(&mut self) -> anyhow::Result<Vec<String>> {
        let mut violations = Vec::new();
        for node in &mut self.nodes {
            match node.stop().await {
                Ok(true) => {}
                Ok(false) => violations.push("an orchestrator exited with an error".to_owned()),
                Err(error) => violations.push(format!("{error:#}")),
            }
            violations.extend(node.panics()?);
        }
        Ok(violations)
    }

    /// Descriptions of work items and processes that have not ended.
    async fn open_work(&self) -> Vec<String> {
        let mut open = match self.items().await {
            Ok(items) => {
                let live = items.into_iter().filter(|(_, item)| !item.status.is_terminal());
                live.map(|(submission, item)| describe(submission, &item))
                    .collect()
            }
            Err(error) => vec![format!("{error:#}")],
        };
        let processes = self.nodes.iter().flat_map(|node| node.worker_processes());
        open.extend(processes.map(|process| format!("process {} of a worker is running", process.pid)));
        open
    }

    fn violation_of(&self, submission: &Submission, item: &WorkItem) -> Option<String> {
        let pulls = self.github.pulls(work::REPOSITORY);
        let pulls = pulls
            .iter()
            .filter(|pull| pull.head == item.branch.as_str())
            .count();
        let expected = if item.status == WorkItemStatus::Completed {
            1
        } else {
            0
        };
        if !submission.can_end_as(item.status) {
            return Some(format!("unexpected final status: {}", describe(submission, item)));
        }
        // A work item cancelled or requeued during its delivery may have a pull request.
        (pulls > 1 || pulls < expected)
            .then(|| format!("{} has {pulls} pull requests", describe(submission, item)))
    }
}

fn describe(submission: &Submission, item: &WorkItem) -> String {
    format!(
        "item {} ({}, {:?}, run {}, epoch {}, {} retries) is {}: {}",
        submission.number,
        item.id,
        submission.behavior,
        item.run,
        item.lease_epoch,
        item.retries,
        item.status,
        item.error.as_deref().unwrap_or("no error")
    )
}
