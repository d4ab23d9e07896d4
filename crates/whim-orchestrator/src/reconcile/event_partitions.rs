//! Daily partitions of the events.

use anyhow::Context as _;
use chrono::{Days, NaiveDate};
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::events::partitions::{self, Calendar};

/// Days ahead of today that have partitions.
const DAYS_AHEAD: u64 = 2;

/// Creates the partitions of coming days and of days whose events are in the default partition, and drops those older
/// than `EVENT_RETENTION_DAYS`. Several orchestrators may do so at once.
#[derive(Debug)]
pub struct EventPartitions(pub App);

#[derive(Debug, Default, Serialize)]
pub struct EventPartitionsReport {
    /// Days whose partitions were created.
    pub created: Vec<NaiveDate>,
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
            .context("reading the days of the events")?;
        let mut report = EventPartitionsReport::default();
        for day in to_create(&calendar) {
            let created = partitions::make(database, day).await;
            if created.with_context(|| format!("creating the partition of {day}"))? {
                report.created.push(day);
            }
        }
        // Days from the default partition have partitions by now, however old they are.
        let kept = calendar.kept.iter().chain(&calendar.stranded);
        for day in to_drop(kept, calendar.today, app.config.retention.event_days) {
            let dropped = partitions::drop_day(database, day).await;
            if dropped.with_context(|| format!("dropping the events of {day}"))? {
                report.dropped.push(day);
            }
        }
        Ok(report)
    }
}

/// Today comes first: new events belong there.
fn to_create(calendar: &Calendar) -> Vec<NaiveDate> {
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
    fn today_and_the_coming_days_get_partitions_and_days_beyond_the_retention_are_dropped() {
        let calendar = Calendar {
            today: day("2026-03-01"),
            kept: vec![day("2026-02-14"), day("2026-02-15"), day("2026-03-01")],
            stranded: vec![day("2026-02-28"), day("2026-03-02")],
        };
        assert_eq!(
            to_create(&calendar),
            [day("2026-03-02"), day("2026-03-03"), day("2026-02-28")]
        );
        assert_eq!(
            to_drop(calendar.kept.iter(), calendar.today, 14),
            [day("2026-02-14")]
        );
    }
}
