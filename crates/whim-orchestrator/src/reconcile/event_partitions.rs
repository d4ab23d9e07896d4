//! The days of the history of events.

use anyhow::Context as _;
use chrono::{Days, NaiveDate};
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::events::partitions::{self, Calendar};

/// How many days ahead of today have their partitions.
const DAYS_AHEAD: u64 = 2;

/// Makes the partitions of days to come, and of days whose events landed in the default partition, and drops those of
/// days that are older than `EVENT_RETENTION_DAYS`. Several orchestrators may do so at once.
#[derive(Debug)]
pub struct EventPartitions(pub App);

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct EventPartitionsReport {
    /// Days whose partitions were made.
    pub made: Vec<NaiveDate>,
    /// Days that were dropped.
    pub dropped: Vec<NaiveDate>,
}

impl Reconciler for EventPartitions {
    type Report = EventPartitionsReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<EventPartitionsReport> {
        let Self(app) = self;
        let database = &app.work_database;
        let calendar = partitions::calendar(database)
            .await
            .context("looking which days of events there are")?;
        let mut report = EventPartitionsReport::default();
        for day in to_make(&calendar) {
            let made = partitions::make(database, day).await;
            if made.with_context(|| format!("making the partition of {day}"))? {
                report.made.push(day);
            }
        }
        // What was stranded has partitions by now, however old it is.
        let kept = calendar.kept.iter().chain(&calendar.stranded);
        for day in to_drop(kept, calendar.today, app.config.lifecycle.event_retention_days) {
            let dropped = partitions::drop_day(database, day).await;
            if dropped.with_context(|| format!("dropping the events of {day}"))? {
                report.dropped.push(day);
            }
        }
        Ok(report)
    }
}

/// Today comes first: it is where events land now.
fn to_make(calendar: &Calendar) -> Vec<NaiveDate> {
    let ahead = (0..=DAYS_AHEAD).map(|days| calendar.today + Days::new(days));
    let mut days: Vec<NaiveDate> = Vec::new();
    for day in ahead.chain(calendar.stranded.iter().copied()) {
        if !calendar.kept.contains(&day) && !days.contains(&day) {
            days.push(day);
        }
    }
    days
}

fn to_drop<'a>(
    days: impl Iterator<Item = &'a NaiveDate>,
    today: NaiveDate,
    retention_days: u32,
) -> Vec<NaiveDate> {
    let oldest = today - Days::new(retention_days.into());
    days.copied().filter(|day| *day < oldest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn today_and_the_coming_days_get_partitions_and_what_is_older_than_the_retention_goes() {
        let calendar = Calendar {
            today: day("2026-03-01"),
            kept: vec![day("2026-02-14"), day("2026-02-15"), day("2026-03-01")],
            stranded: vec![day("2026-02-28"), day("2026-03-02")],
        };
        assert_eq!(
            to_make(&calendar),
            [day("2026-03-02"), day("2026-03-03"), day("2026-02-28")]
        );
        assert_eq!(
            to_drop(calendar.kept.iter(), calendar.today, 14),
            [day("2026-02-14")]
        );
    }
}
