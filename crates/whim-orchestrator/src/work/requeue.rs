//! `POST /api/work/:id/requeue`.

use ralph_contract::SpecDocument;
use sqlx::PgConnection;
use whim_core::protocol::work::{RequeueWork, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus};

use super::approval::check_approval;
use super::item::{self, MAX_DESCRIPTION_CHARACTERS};
use crate::app::App;
use crate::db::work_items::{self, LIVE_BRANCH_KEY, Locked, NextRun, TaskCounts};
use crate::db::{in_transaction, violates};
use crate::error::Error;
use crate::metrics;
use crate::validate;

/// Starts another run of an item that has ended. With an `afterRun` that is followed by another run already, the item
/// is returned unchanged.
///
/// A failed or cancelled item resumes with its ticks. A completed one restarts with every box open. An item without a
/// spec, or with a new description, gets a new spec. The branch stays the same.
///
/// # Errors
/// A field is invalid, there is no such item, it has not ended, another live item works on its branch, or Postgres is
/// unavailable.
pub async fn requeue(app: &App, id: WorkItemId, request: RequeueWork) -> Result<WorkItem, Error> {
    if let Some(description) = &request.description {
        validate::text("description", description, MAX_DESCRIPTION_CHARACTERS)?;
    }
    let requeued = in_transaction(&app.database, async |db| start_run(app, db, id, request).await).await;
    match requeued {
        Ok(Requeued::New(item)) => {
            metrics::transition(item.status);
            Ok(item)
        }
        Ok(Requeued::Before(item)) => Ok(item),
        Err(Error::Database(error)) if violates(&error, LIVE_BRANCH_KEY) => {
            let item = item::find(app, &app.database, id).await?;
            Err(item::branch_in_use(app, &item.repo, item.branch).await?)
        }
        Err(error) => Err(error),
    }
}

enum Requeued {
    New(WorkItem),
    /// The run after `afterRun` had started before.
    Before(WorkItem),
}

async fn start_run(
    app: &App,
    db: &mut PgConnection,
    id: WorkItemId,
    request: RequeueWork,
) -> Result<Requeued, Error> {
    let locked = work_items::lock(db, id).await?.ok_or(Error::NoSuchItem(id))?;
    let item = item::find(app, &mut *db, id).await?;
    if let Some(after_run) = request.after_run {
        check_after_run(&locked, after_run)?;
        if locked.run > after_run {
            return Ok(Requeued::Before(item));
        }
    }
    let new_description = request
        .description
        .clone()
        .filter(|text| item.description.as_ref() != Some(text));
    if let Some(approval) = &request.approval {
        let description = new_description.as_ref().or(item.description.as_ref());
        check_approval("approval", approval, description.map(String::as_str))?;
    }
    let restarted = item
        .spec
        .as_deref()
        .filter(|_| locked.status == WorkItemStatus::Completed)
        .map(|spec| SpecDocument::parse(spec).with_all_open());
    let next = match (&new_description, &restarted) {
        (Some(description), _) => NextRun::ReplaceDescription { description },
        (None, _) if item.spec.is_none() => NextRun::GenerateSpec,
        (None, Some(spec)) => NextRun::Restart {
            spec: spec.as_str(),
            tasks: TaskCounts::of(spec),
        },
        (None, None) => NextRun::Resume,
    };
    if !work_items::requeue(db, id, &next, request.requested_by.as_ref()).await? {
        return Err(Error::ItemState {
            now: locked.status,
            asked: "requeued",
        });
    }
    if let Some(approval) = &request.approval {
        work_items::set_approval(db, id, approval).await?;
    }
    let requeued = item::find(app, db, id).await?;
    tracing::info!(work_item_id = %id, run = requeued.run, "requeued");
    Ok(Requeued::New(requeued))
}

/// A caller cannot have seen the end of a run that has not started.
fn check_after_run(item: &Locked, after_run: u32) -> Result<(), Error> {
    if (1..=item.run).contains(&after_run) {
        return Ok(());
    }
    let problem = format!(
        "is {after_run}, but the item is in run {run}; expected 1 to {run}",
        run = item.run
    );
    Err(Error::invalid("afterRun", problem))
}
