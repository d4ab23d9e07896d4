//! When the engine was away, and which workers ended because of it.
//!
//! An engine that is stopped, restarted or updated takes its containers down, and a machine that is switched off takes
//! all of them. That is nobody's fault who works in one (`FAULTS.md`, row 6).

use chrono::{DateTime, TimeDelta, Utc};

/// The engine's clock and this program's may differ so much.
const TOLERANCE: TimeDelta = TimeDelta::seconds(2);
/// An engine that is stopped ends its containers first, which may take so long.
const STOPPING: TimeDelta = TimeDelta::seconds(20);

/// One that was only cut off answers sooner than one that was started again.
const STARTING: TimeDelta = TimeDelta::seconds(1);

/// With what `whim-worker` ends when somebody interrupts it.
const INTERRUPTED: i64 = 5;
/// With what somebody ends whom the engine sends SIGTERM, and then SIGKILL.
const STOPPED: [i64; 3] = [INTERRUPTED, 143, 137];
/// With what the engine notes a container of which it did not see the end: the machine stood still.
const UNSEEN: i64 = 255;

/// When the engine was away, as far as this program saw it.
#[derive(Debug)]
pub(super) struct Outage {
    /// When this program began to look.
    opened_at: DateTime<Utc>,
    /// The connection broke then, and nothing answered after.
    since: Option<DateTime<Utc>>,
    /// Nobody was let in since then.
    refused: bool,
    /// The last time that it was away and came back.
    last: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Outage {
    pub(super) fn new(opened_at: DateTime<Utc>) -> Self {
        Self {
            opened_at,
            since: None,
            refused: false,
            last: None,
        }
    }

    /// The connection broke at this time: the engine may be away.
    pub(super) fn begin(&mut self, since: DateTime<Utc>) {
        self.since.get_or_insert(since);
    }

    /// The engine was asked and did not answer.
    pub(super) fn refused(&mut self, now: DateTime<Utc>) {
        self.begin(now);
        self.refused = true;
    }

    /// It answers; says whether it was away until now.
    pub(super) fn end(&mut self, now: DateTime<Utc>) -> bool {
        let refused = std::mem::take(&mut self.refused);
        match self.since.take() {
            Some(since) if refused || now - since >= STARTING => {
                self.last = Some((since, now));
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether a container that ended with this code at this time did so because the engine was stopped.
    ///
    /// What ended before this program began to look is told by the code alone: an orchestrator in a container of the
    /// same engine goes down with it.
    pub(super) fn explains(&self, code: i64, at: DateTime<Utc>) -> bool {
        let seen = self.since.map(|since| (since, DateTime::<Utc>::MAX_UTC));
        let within = |(from, to): (DateTime<Utc>, DateTime<Utc>)| {
            // Before, it can have been stopped with the engine, or have crashed by itself.
            let from = if STOPPED.contains(&code) {
                from - STOPPING
            } else {
                from
            };
            at >= from && at <= to.checked_add_signed(TOLERANCE).unwrap_or(to)
        };
        seen.into_iter().chain(self.last).any(within)
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
    fn what_ends_while_the_engine_is_away_is_explained_by_that_and_nothing_else_is() {
        let mut away = Outage::new(at(0));
        assert!(!away.explains(137, at(100)));

        away.begin(at(100));
        away.begin(at(105));
        assert!(
            away.explains(137, at(100)),
            "while nobody knows when it comes back"
        );
        assert!(away.explains(143, at(90)), "it was stopped with its engine");
        assert!(!away.explains(139, at(90)), "it crashed before");
        assert!(!away.explains(137, at(70)));

        assert!(away.end(at(110)));
        assert!(!away.end(at(111)), "it was back already");
        assert!(away.explains(5, at(104)));
        assert!(!away.explains(5, at(120)), "an agent may send signals too");
        assert!(!away.explains(137, at(70)));
    }

    #[test]
    fn a_connection_that_is_cut_and_made_again_explains_nothing() {
        let mut away = Outage::new(at(0));
        away.begin(at(100));
        assert!(!away.end(at(100) + TimeDelta::milliseconds(300)));
        assert!(!away.explains(137, at(100)));

        away.refused(at(200));
        assert!(away.end(at(200) + TimeDelta::milliseconds(300)));
        assert!(away.explains(137, at(200)));
    }

    #[test]
    fn before_this_program_looked_the_code_tells() {
        let away = Outage::new(at(100));
        assert!(away.explains(5, at(50)));
        assert!(away.explains(255, at(50)));
        assert!(!away.explains(137, at(50)), "somebody killed it");
        assert!(!away.explains(5, at(150)));
    }
}
