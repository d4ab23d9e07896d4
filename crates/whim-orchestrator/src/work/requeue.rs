//! `POST /api/work/:id/requeue`.

use ralph_contract::SpecDocument;
use sqlx::PgConnection;
use whim_core::protocol::work::{RequeueWork, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus};

use super::submit::MAX_DESCRIPTION_CHARACTERS;
use crate::app::App;
use crate::db::work_items::{self, LIVE_BRANCH_KEY, NextRun, TaskCounts};
use crate::db::{in_transaction, violates};
use crate::error::Error;
use crate::metrics;
use crate::validate;

/// Begins another run of an item that has ended. Asked again for a run that has begun since, the item as it is.
///
/// A failed or cancelled item resumes with its ticks; one that completed begins anew, because with every box ticked
/// there would be nothing to do. One whose spec was never written, or was written from another description, gets a new
/// one; its branch stays.
///
/// # Errors
/// The description is too long, there is no such item, it has not ended, another live item works on its branch, or
/// Postgres is away.
pub async fn requeue(app: &App, id: WorkItemId, request: RequeueWork) -> Result<WorkItem, Error> {
    if let Some(description) = &request.description {
        validate::text("description", description, MAX_DESCRIPTION_CHARACTERS)?;
    }
    let requeued = in_transaction(&app.database, async |db| begin_run(app, db, id, request).await).await;
    match requeued {
        Ok(Begun::Now(item)) => {
            metrics::transition(item.status);
            Ok(item)
        }
        Ok(Begun::Before(item)) => Ok(item),
        Err(Error::Database(error)) if violates(&error, LIVE_BRANCH_KEY) => {
            let item = super::find(app, &app.database, id).await?;
            Err(super::branch_in_use(app, &item.repo, item.branch).await?)
        }
        Err(error) => Err(error),
    }
}

enum Begun {
    Now(WorkItem),
    Before(WorkItem),
}

async fn begin_run(
    app: &App,
    db: &mut PgConnection,
    id: WorkItemId,
    request: RequeueWork,
) -> Result<Begun, Error> {
    let item = work_items::lock(db, id).await?.ok_or(Error::NoSuchItem(id))?;
    let before = super::find(app, &mut *db, id).await?;
    if request.after_run.is_some_and(|run| item.run > run) {
        return Ok(Begun::Before(before));
    }
    let reworded = request
        .description
        .filter(|text| before.description.as_ref() != Some(text));
    let unticked = before
        .spec
        .as_deref()
        .filter(|_| item.status == WorkItemStatus::Completed)
        .map(unticked);
    let next = match (&reworded, &unticked) {
        (Some(description), _) => NextRun::Rewritten { description },
        (None, _) if before.spec.is_none() => NextRun::Written,
        (None, Some(spec)) => NextRun::Anew {
            spec: spec.as_str(),
            tasks: TaskCounts::of(spec),
        },
        (None, None) => NextRun::Resumed,
    };
    if !work_items::requeue(db, id, &next, request.requested_by.as_ref()).await? {
        return Err(Error::ItemState {
            now: item.status,
            asked: "requeued",
        });
    }
    let requeued = super::find(app, db, id).await?;
    tracing::info!(work_item_id = %id, run = requeued.run, "requeued");
    Ok(Begun::Now(requeued))
}

/// The checklist with every box open.
fn unticked(spec: &str) -> SpecDocument {
    let document = SpecDocument::parse(spec);
    let done: Vec<usize> = document
        .tasks()
        .iter()
        .filter(|task| task.done)
        .map(|task| task.line)
        .collect();
    let mut text = String::with_capacity(spec.len());
    for (index, line) in spec.split_inclusive('\n').enumerate() {
        if done.contains(&(index + 1)) {
            // The first brackets of a task's line are its box.
            text.push_str(&line.replacen("[x]", "[ ]", 1).replacen("[X]", "[ ]", 1));
        } else {
            text.push_str(line);
        }
    }
    SpecDocument::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unticking_opens_the_boxes_and_changes_nothing_else() {
        let spec = "# T\r\n\r\n- [x] one [x]\n  - [ ] detail [x]\n- [ ] two\n* [X] three";
        let document = unticked(spec);
        assert_eq!(
            document.as_str(),
            "# T\r\n\r\n- [ ] one [x]\n  - [ ] detail [x]\n- [ ] two\n* [ ] three"
        );
        assert_eq!(document.done_count(), 0);
    }
}
