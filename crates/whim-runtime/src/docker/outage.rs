//! When the engine was unavailable, and which workers ended because of it.
//!
//! An engine that is stopped, restarted or updated ends its containers, and so does a machine that is switched off. These
//! exits say nothing about the workers (`docs/faults.md`, row 6).

use chrono::{DateTime, TimeDelta, Utc};

/// Largest difference between the engine's clock and this program's.
const TOLERANCE: TimeDelta = TimeDelta::seconds(2);
/// An engine that is stopped ends its containers first, which may take this long.
const STOPPING: TimeDelta = TimeDelta::seconds(20);

/// A lost connection is restored sooner than an engine is restarted.
const SHORTEST_RESTART: TimeDelta = TimeDelta::seconds(1);

/// Exit code of `whim-worker` after SIGINT or SIGTERM.
const INTERRUPTED: i64 = 5;
/// Exit codes of a container that the engine sends SIGTERM, then SIGKILL.
const STOPPED: [i64; 3] = [INTERRUPTED, 143, 137];
/// Exit code that the engine records for a container whose exit it did not observe, as after a power failure.
const UNSEEN: i64 = 255;

/// The outages of the engine that this program observed.
#[derive(Debug)]
pub(super) struct Outage {
    /// When this program began to observe.
    opened_at: DateTime<Utc>,
    /// The connection failed then, and there was no answer since.
    since: Option<DateTime<Utc>>,
    /// A new connection failed as well since then.
    confirmed: bool,
    /// The last outage that has ended.
    last: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Outage {
    pub(super) fn new(opened_at: DateTime<Utc>) -> Self {
        Self {
            opened_at,
            since: None,
            confirmed: false,
            last: None,
        }
    }

    /// A connection failed: the engine may be unavailable.
    pub(super) fn suspect(&mut self, since: DateTime<Utc>) {
        self.since.get_or_insert(since);
    }

    /// A new connection or a request failed: the engine is unavailable.
    pub(super) fn confirm(&mut self, now: DateTime<Utc>) {
        self.suspect(now);
        self.confirmed = true;
    }

    /// The engine answered. Returns whether this ends an outage.
    pub(super) fn end(&mut self, now: DateTime<Utc>) -> bool {
        let confirmed = std::mem::take(&mut self.confirmed);
        match self.since.take() {
            Some(since) if confirmed || now - since >= SHORTEST_RESTART => {
                self.last = Some((since, now));
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether a container that ended with this code at this time was ended by the engine.
    ///
    /// For exits before this program started, only the code decides: an orchestrator in a container of the same engine
    /// is stopped with it.
    pub(super) fn explains(&self, code: i64, at: DateTime<Utc>) -> bool {
        let current = self.since.map(|since| (since, DateTime::<Utc>::MAX_UTC));
        let within = |(from, to): (DateTime<Utc>, DateTime<Utc>)| {
            // A container may be stopped with the engine, before the connection fails, or have crashed before.
            let from = if STOPPED.contains(&code) {
                from - STOPPING
            } else {
                from
            };
            at >= from && at <= to.checked_add_signed(TOLERANCE).unwrap_or(to)
        };
        current.into_iter().chain(self.last).any(within)
            || (at < self.opened_at && matches!(code, INTERRUPTED | UNSEEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn exits_during_an_outage_are_explained_by_it_and_others_are_not() {
        let mut outage = Outage::new(at(0));
        assert!(!outage.explains(137, at(100)));

        outage.suspect(at(100));
        outage.suspect(at(105));
        assert!(outage.explains(137, at(100)), "the outage has not ended yet");
        assert!(outage.explains(143, at(90)), "it was stopped with its engine");
        assert!(!outage.explains(139, at(90)), "it crashed before");
        assert!(!outage.explains(137, at(70)));

        assert!(outage.end(at(110)));
        assert!(!outage.end(at(111)), "the outage had ended already");
        assert!(outage.explains(5, at(104)));
        assert!(!outage.explains(5, at(120)), "an agent may send signals too");
        assert!(!outage.explains(137, at(70)));
    }

    #[test]
    fn a_short_loss_of_the_connection_explains_nothing() {
        let mut outage = Outage::new(at(0));
        outage.suspect(at(100));
        assert!(!outage.end(at(100) + TimeDelta::milliseconds(300)));
        assert!(!outage.explains(137, at(100)));

        outage.confirm(at(200));
        assert!(outage.end(at(200) + TimeDelta::milliseconds(300)));
        assert!(outage.explains(137, at(200)));
    }

    #[test]
    fn exits_before_this_program_started_are_explained_by_their_code() {
        let outage = Outage::new(at(100));
        assert!(outage.explains(5, at(50)));
        assert!(outage.explains(255, at(50)));
        assert!(!outage.explains(137, at(50)), "it was killed");
        assert!(!outage.explains(5, at(150)));
    }
}
