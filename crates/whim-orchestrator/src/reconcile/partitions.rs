//! Daily partitions of events and transcripts.

use anyhow::Context as _;
use chrono::{Days, NaiveDate};
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::partitions::{self, Calendar, Partitioned};

/// Days ahead of today that have partitions.
const DAYS_AHEAD: u64 = 2;

/// Creates the partitions of coming days and of days whose rows are in the default partition, and drops those older than
/// `EVENT_RETENTION_DAYS` and `TRANSCRIPT_RETENTION_DAYS`. Several orchestrators may do so at once.
#[derive(Debug)]
pub struct Partitions(pub App);

#[derive(Debug, Default, Serialize)]
pub struct PartitionsReport {
    pub events: TableReport,
    pub transcripts: TableReport,
}

#[derive(Debug, Default, Serialize)]
pub struct TableReport {
    /// Days whose partitions were created.
    pub created: Vec<NaiveDate>,
    pub dropped: Vec<NaiveDate>,
}

impl Reconciler for Partitions {
    type Report = PartitionsReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<PartitionsReport> {
        let Self(app) = self;
        let retention = &app.config.retention;
        let events = reconcile_table(app, Partitioned::Events, retention.event_days)
            .await
            .context("the partitions of the events")?;
        let transcripts = reconcile_table(app, Partitioned::TranscriptSegments, retention.transcript_days)
            .await
            .context("the partitions of the transcripts")?;
        Ok(PartitionsReport { events, transcripts })
    }
}

async fn reconcile_table(app: &App, table: Partitioned, retention_days: u32) -> anyhow::Result<TableReport> {
    let database = &app.work_database;
    let calendar = partitions::calendar(database, table)
        .await
        .context("reading the days")?;
    let mut report = TableReport::default();
    for day in to_create(&calendar) {
        let created = partitions::make(database, table, day).await;
        if created.with_context(|| format!("creating the partition of {day}"))? {
            report.created.push(day);
        }
    }
    // Days from the default partition have partitions by now, however old they are.
    let kept = calendar.kept.iter().chain(&calendar.stranded);
    for day in to_drop(kept, calendar.today, retention_days) {
        let dropped = partitions::drop_day(database, table, day).await;
        if dropped.with_context(|| format!("dropping the rows of {day}"))? {
            report.dropped.push(day);
        }
    }
    Ok(report)
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
