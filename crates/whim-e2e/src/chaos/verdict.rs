//! Whether everything is as it has to be once the faults are over.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};
use whim_core::WorkItemStatus;
use whim_core::protocol::work::WorkItem;

use super::rig::{Asked, Rig};
use super::{TOLD_EVERY, work};

/// For the next of the items that are still open to end: the longest wait of an item, on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(2);

impl Rig {
    /// Waits until every item has ended and nothing runs any more, and answers with everything that is wrong then.
    pub(super) async fn settle(
        &mut self,
        mut tell: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<String>> {
        let mut violations = Vec::new();
        let (mut fewest, mut since) = (usize::MAX, Instant::now());
        loop {
            self.submit_what_is_not_accepted().await?;
            let open = self.what_is_open().await;
            if open.is_empty() {
                break;
            }
            if open.len() < fewest {
                (fewest, since) = (open.len(), Instant::now());
            } else if since.elapsed() >= PATIENCE {
                violations.extend(open.into_iter().map(|what| format!("not settled: {what}")));
                break;
            }
            tell(&self.summary().await)?;
            sleep(TOLD_EVERY).await;
        }
        tell(&self.summary().await)?;
        for (asked, item) in self.items().await.context("asking for the items at the end")? {
            violations.extend(self.what_is_wrong_with(asked, &item));
        }
        violations.extend(
            self.invariants
                .check()
                .await
                .err()
                .map(|error| format!("{error:#}")),
        );
        let patience = 2 * TOLD_EVERY;
        let locks = self
            .invariants
            .wait_for_locks(self.redis.url(), self.redis.prefix(), patience)
            .await;
        violations.extend(locks.err().map(|error| format!("{error:#}")));
        Ok(violations)
    }

    /// Stops the orchestrators in order.
    pub(super) async fn stop(&mut self) -> anyhow::Result<Vec<String>> {
        let mut violations = Vec::new();
        for node in &mut self.nodes {
            match node.stop().await {
                Ok(true) => {}
                Ok(false) => violations.push("an orchestrator did not stop in order".to_owned()),
                Err(error) => violations.push(format!("{error:#}")),
            }
            violations.extend(node.panics()?);
        }
        Ok(violations)
    }

    /// What has not ended yet.
    async fn what_is_open(&self) -> Vec<String> {
        let mut open = match self.items().await {
            Ok(items) => {
                let live = items.into_iter().filter(|(_, item)| !item.status.is_terminal());
                live.map(|(asked, item)| told(asked, &item)).collect()
            }
            Err(error) => vec![format!("{error:#}")],
        };
        let processes = self.nodes.iter().flat_map(|node| node.worker_processes());
        open.extend(processes.map(|process| format!("process {} of a worker runs", process.pid)));
        open
    }

    fn what_is_wrong_with(&self, asked: &Asked, item: &WorkItem) -> Option<String> {
        let pulls = self.github.pulls(work::REPOSITORY);
        let pulls = pulls
            .iter()
            .filter(|pull| pull.head == item.branch.as_str())
            .count();
        let enough = if item.status == WorkItemStatus::Completed {
            1
        } else {
            0
        };
        if !asked.may_end_as(item.status) {
            return Some(format!("{} should not have ended so", told(asked, item)));
        }
        // One that was requeued or cancelled at its very end may have a pull request all the same.
        (pulls > 1 || pulls < enough).then(|| format!("{} has {pulls} pull requests", told(asked, item)))
    }
}

fn told(asked: &Asked, item: &WorkItem) -> String {
    format!(
        "item {} ({}, {:?}, run {}, epoch {}, {} retries) is {}: {}",
        asked.number,
        item.id,
        asked.mood,
        item.run,
        item.lease_epoch,
        item.retries,
        item.status,
        item.error.as_deref().unwrap_or("no reason")
    )
}
