//! The attempts of an item, from workers, reviews and the event log.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use ralph_contract::{Event, IterationDone, IterationPhase, Line, parse_line};
use sqlx::types::Json;
use whim_core::protocol::events::{RalphEvent, WorkerEventBody};
use whim_core::protocol::notes::Note;
use whim_core::protocol::reviews::Review;
use whim_core::protocol::timeline::{
    TimelineAttempt, TimelineCommit, TimelineCost, TimelineIteration, TimelinePullRequest, TimelinePush,
    TimelineStage,
};
use whim_core::{LeaseEpoch, WorkItemId, WorkerId};

use crate::app::App;
use crate::db::timeline::{self, AttemptRow, Milestone};
use crate::db::{notes, reviews, work_items};
use crate::error::Error;

/// Stages, iterations, commits and pushes that are read of one attempt.
const MAX_MILESTONES: i64 = 1000;

/// At most `limit` attempts of an item below the epoch `cursor`, newest first.
///
/// # Errors
/// The item does not exist, or Postgres is unavailable.
pub async fn timeline(
    app: &App,
    item: WorkItemId,
    cursor: Option<LeaseEpoch>,
    limit: i64,
) -> Result<Vec<TimelineAttempt>, Error> {
    let (db, retention) = (&app.database, app.config.retention.event_days);
    let rows = timeline::attempts(db, item, cursor, limit, retention).await?;
    if rows.is_empty() && !work_items::exists(db, item).await? {
        return Err(Error::NoSuchItem(item));
    }
    let workers: Vec<WorkerId> = rows.iter().map(|row| row.worker).collect();
    // One more than the limit reveals that some are missing.
    let milestones = timeline::milestones(db, &workers, MAX_MILESTONES + 1).await?;
    let mut milestones = by_worker(milestones, |milestone| milestone.worker);
    let reviews = reviews::of_workers(db, &workers).await?;
    let mut reviews = by_worker(reviews, |review| review.worker_id);
    let notes = notes::of_workers(db, &workers).await?;
    let mut notes = by_worker(notes, |(worker, _)| *worker);
    Ok(rows
        .into_iter()
        .map(|row| {
            let milestones = milestones.remove(&row.worker).unwrap_or_default();
            let reviews = reviews.remove(&row.worker).unwrap_or_default();
            let notes = notes.remove(&row.worker).unwrap_or_default();
            let notes = notes.into_iter().map(|(_, note)| note).collect();
            attempt(row, milestones, reviews, notes)
        })
        .collect())
}

fn by_worker<T>(rows: Vec<T>, worker: impl Fn(&T) -> WorkerId) -> HashMap<WorkerId, Vec<T>> {
    let mut grouped: HashMap<WorkerId, Vec<T>> = HashMap::new();
    for row in rows {
        grouped.entry(worker(&row)).or_default().push(row);
    }
    grouped
}

fn attempt(
    row: AttemptRow,
    mut milestones: Vec<Milestone>,
    reviews: Vec<Review>,
    notes: Vec<Note>,
) -> TimelineAttempt {
    let AttemptRow {
        worker,
        lease_epoch,
        status,
        started_at,
        registered_at,
        ended_at,
        failure_cause,
        error,
        max_iterations,
        tests,
        stats: Json(stats),
        transcript_entries,
        is_beyond_retention,
    } = row;
    let is_cut = milestones.len() as i64 > MAX_MILESTONES;
    milestones.truncate(MAX_MILESTONES as usize);
    let mut course = Course::default();
    for milestone in &milestones {
        course.add(milestone);
    }
    if let (Some(stage), Some(ended_at)) = (course.stages.last_mut(), ended_at) {
        stage.ended_at = Some(ended_at);
    }
    let reviewing_usd = reviews.iter().map(|review| review.cost_usd).sum();
    TimelineAttempt {
        lease_epoch,
        worker_id: worker,
        status,
        started_at,
        registered_at,
        ended_at,
        failure_cause,
        error,
        max_iterations: max_iterations.cast_unsigned(),
        stages: course.stages,
        iterations: course.iterations,
        commits: course.commits,
        pushes: course.pushes,
        tests: tests.map(|Json(tests)| tests),
        reviews,
        notes,
        pull_request: course.pull_request,
        stats,
        cost: TimelineCost {
            working_usd: stats.cost_usd,
            reviewing_usd,
            total_usd: stats.cost_usd + reviewing_usd,
        },
        transcript_entries: transcript_entries.cast_unsigned(),
        is_incomplete: is_cut || is_beyond_retention,
    }
}

/// What a worker reported, in order.
#[derive(Debug, Default)]
struct Course {
    stages: Vec<TimelineStage>,
    iterations: Vec<TimelineIteration>,
    commits: Vec<TimelineCommit>,
    pushes: Vec<TimelinePush>,
    pull_request: Option<TimelinePullRequest>,
}

impl Course {
    /// What this release cannot read is left out, as in the stream of events.
    fn add(&mut self, milestone: &Milestone) {
        let occurred_at = milestone.occurred_at;
        match serde_json::from_str(&milestone.body) {
            Ok(WorkerEventBody::Stage { stage }) => {
                if let Some(previous) = self.stages.last_mut() {
                    previous.ended_at = Some(occurred_at);
                }
                self.stages.push(TimelineStage {
                    stage,
                    started_at: occurred_at,
                    ended_at: None,
                });
            }
            Ok(WorkerEventBody::Pushed { head_sha }) => self.pushes.push(TimelinePush {
                head_sha,
                occurred_at,
            }),
            Ok(WorkerEventBody::PullRequest { url, number }) => {
                self.pull_request = Some(TimelinePullRequest {
                    url,
                    number,
                    occurred_at,
                });
            }
            Ok(WorkerEventBody::Ralph { event }) => self.add_ralph(&event, occurred_at),
            Ok(
                WorkerEventBody::TestsRunning { .. }
                | WorkerEventBody::Tests { .. }
                | WorkerEventBody::Notice { .. },
            )
            | Err(_) => {}
        }
    }

    fn add_ralph(&mut self, event: &RalphEvent, occurred_at: DateTime<Utc>) {
        let Ok(line) = serde_json::to_string(event) else {
            return;
        };
        let Line::Event(event) = parse_line(&line) else {
            return;
        };
        if let Event::Iteration(iteration) = &event
            && iteration.phase == IterationPhase::Starting
        {
            self.iterations.push(TimelineIteration {
                number: iteration.n,
                started_at: Some(occurred_at),
                ended_at: None,
                duration_ms: None,
                stats: None,
            });
        }
        if let Event::IterationDone(done) = &event {
            self.finish_iteration(done, occurred_at);
        }
        if let Event::Commit(commit) = event {
            self.commits.push(TimelineCommit {
                hash: commit.hash,
                message: commit.message,
                occurred_at,
            });
        }
    }

    fn finish_iteration(&mut self, done: &IterationDone, occurred_at: DateTime<Utc>) {
        let started = self.iterations.pop_if(|iteration| iteration.number == done.n);
        let duration = i64::try_from(done.duration_ms)
            .ok()
            .and_then(TimeDelta::try_milliseconds);
        let started_at = match started {
            Some(started) => started.started_at,
            None => duration.and_then(|duration| occurred_at.checked_sub_signed(duration)),
        };
        self.iterations.push(TimelineIteration {
            number: done.n,
            started_at,
            ended_at: Some(occurred_at),
            duration_ms: Some(done.duration_ms),
            stats: Some(done.stats.into()),
        });
    }
}
