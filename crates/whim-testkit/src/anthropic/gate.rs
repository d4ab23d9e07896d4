//! Holds the model's answer at a chosen point, so that a test can act there.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

/// A point in the run of the agents whose conversations contain the gate's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After this many commits, before the box of the last one is ticked.
    AfterCommits(usize),
    /// After this many ticked boxes, before the run of the last one ends.
    AfterTicks(usize),
    /// The run of this number begins, counted from 1.
    BeforeRun(usize),
}

/// Holds the answers from its point on, until it is opened or dropped.
#[derive(Debug)]
pub struct Gate {
    reached: watch::Receiver<bool>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// Waits until an agent is held.
    ///
    /// # Errors
    /// No agent is held in time.
    pub async fn reached(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let reached = tokio::time::timeout(timeout, self.reached.wait_for(|reached| *reached));
        reached
            .await
            .context("no agent reached the gate in time")?
            .context("the model fake was stopped")?;
        Ok(())
    }

    /// Lets the agents pass, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

/// The fake's side of a gate.
#[derive(Debug)]
pub(super) struct Barrier {
    contains: String,
    moment: Moment,
    commits: HashSet<String>,
    ticks: HashSet<String>,
    runs: HashSet<String>,
    reached: watch::Sender<bool>,
    open: watch::Receiver<bool>,
}

/// The work so far, as a request shows it.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    pub(super) text: &'a str,
    pub(super) session: &'a str,
    /// The ids of the tool uses that made a commit.
    pub(super) commits: &'a [String],
    pub(super) ticks: &'a [String],
}

impl Barrier {
    pub(super) fn new(contains: String, moment: Moment) -> (Self, Gate) {
        let (reached_sender, reached) = watch::channel(false);
        let (open, open_receiver) = watch::channel(false);
        let barrier = Self {
            contains,
            moment,
            commits: HashSet::new(),
            ticks: HashSet::new(),
            runs: HashSet::new(),
            reached: reached_sender,
            open: open_receiver,
        };
        (barrier, Gate { reached, open })
    }

    /// Records a request; returns what it must wait for, if anything.
    pub(super) fn note(&mut self, progress: &Progress<'_>) -> Option<watch::Receiver<bool>> {
        if !progress.text.contains(&self.contains) {
            return None;
        }
        self.commits.extend(progress.commits.iter().cloned());
        self.ticks.extend(progress.ticks.iter().cloned());
        self.runs.insert(progress.session.to_owned());
        let is_reached = match self.moment {
            Moment::AfterCommits(count) => self.commits.len() >= count,
            Moment::AfterTicks(count) => self.ticks.len() >= count,
            Moment::BeforeRun(number) => self.runs.len() >= number,
        };
        if !is_reached {
            return None;
        }
        self.reached.send_replace(true);
        Some(self.open.clone())
    }
}

/// Waits until the gate is opened or dropped.
pub(super) async fn pass(mut open: watch::Receiver<bool>) {
    // An error means that the test dropped the gate.
    if open.wait_for(|open| *open).await.is_err() {
        tracing::debug!("a gate of the model fake was dropped");
    }
}
