//! `POST /api/work/:id/requeue`.

use ralph_contract::SpecDocument;
use whim_core::protocol::work::{RequeueWork, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus};

use crate::app::App;
use crate::db::violates;
use crate::db::work_items::{self, LIVE_BRANCH_KEY, TaskCounts};
use crate::error::Error;

/// Begins another run of an item that has ended. Asked again for a run that has begun since, the item as it is.
///
/// A failed or cancelled item resumes with its ticks; one that completed begins anew, because with every box ticked
/// there would be nothing to do. One whose spec was never written gets it written again.
///
/// # Errors
/// There is no such item, it has not ended, another live item works on its branch, or Postgres is away.
pub async fn requeue(app: &App, id: WorkItemId, request: RequeueWork) -> Result<WorkItem, Error> {
    let mut transaction = app.database.begin().await?;
    let item = work_items::lock(&mut transaction, id)
        .await?
        .ok_or(Error::NoSuchItem(id))?;
    if request.after_run.is_some_and(|run| item.run > run) {
        return super::find(app, &mut *transaction, id).await;
    }
    let not_possible = Error::ItemState {
        now: item.status,
        asked: "requeued",
    };
    if !item.status.is_terminal() {
        return Err(not_possible);
    }
    let before = super::find(app, &mut *transaction, id).await?;
    let to = match &before.spec {
        Some(_) => WorkItemStatus::Queued,
        None => WorkItemStatus::Generating,
    };
    let fresh = (item.status == WorkItemStatus::Completed)
        .then(|| before.spec.as_deref().map(unticked))
        .flatten();
    let fresh = fresh
        .as_ref()
        .map(|document| (document.as_str(), TaskCounts::of(document)));
    match work_items::requeue(&mut transaction, id, to, fresh).await {
        Ok(true) => {}
        Ok(false) => return Err(not_possible),
        Err(error) if violates(&error, LIVE_BRANCH_KEY) => {
            transaction.rollback().await?;
            let holder = work_items::live_on_branch(&app.database, &before.repo, &before.branch).await?;
            return Err(Error::BranchInUse {
                branch: before.branch,
                holder,
            });
        }
        Err(error) => return Err(error.into()),
    }
    let requeued = super::find(app, &mut *transaction, id).await?;
    transaction.commit().await?;
    tracing::info!(work_item_id = %id, run = requeued.run, "requeued");
    Ok(requeued)
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
