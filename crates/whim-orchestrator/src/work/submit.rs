//! `POST /api/work`.

use std::sync::Arc;

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument};
use whim_core::protocol::work::{CreateWork, WorkItem, WorkMetadata};
use whim_core::{BranchName, BranchPrefix, SourceName, WorkItemId, WorkItemStatus};

use super::approval::check_approval;
use super::item::{self, MAX_DESCRIPTION_CHARACTERS};
use super::submission_batch::submit_in_batch;
use crate::app::App;
use crate::db::work_items::{self, Inserted, LIVE_BRANCH_KEY, NewItem, TaskCounts};
use crate::db::{in_transaction, violates};
use crate::error::Error;
use crate::metrics;
use crate::validate;

const MAX_SOURCE_REF_CHARACTERS: usize = 200;
const MAX_METADATA_BYTES: usize = 64 * 1024;
/// Refused at submission. The worker also refuses the repository's own default branch.
const USUAL_DEFAULT_BRANCHES: [&str; 2] = ["main", "master"];

/// Result of a submission.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    New(WorkItem),
    /// An item of the same repository, source and reference existed, in any state; nothing changed.
    Existing(WorkItem),
}

/// Creates an item, unless one with the same repository, source and reference exists.
///
/// # Errors
/// A field is invalid, another live item works on the branch, or Postgres is unavailable.
pub async fn submit(app: &App, request: CreateWork) -> Result<Submitted, Error> {
    let (item, warnings) = plan(request, &app.config.branch_prefix)?;
    let item = Arc::new(item);
    let submitted = match submit_in_batch(app, &item).await {
        Some(created_at) => {
            let item = Arc::unwrap_or_clone(item);
            Submitted::New(item.into_item(created_at, item::max_retries(app)))
        }
        None => submit_alone(app, &item).await?,
    };
    Ok(match submitted {
        Submitted::New(mut item) => {
            metrics::transition(item.status);
            if item.status == WorkItemStatus::Queued {
                app.wakers.queued();
            }
            item.warnings = warnings;
            Submitted::New(item)
        }
        existing @ Submitted::Existing(_) => existing,
    })
}

/// Inserts one item in a transaction of its own.
async fn submit_alone(app: &App, item: &NewItem) -> Result<Submitted, Error> {
    let submitted = in_transaction(&app.database, async |db| {
        Ok(match work_items::insert(db, item).await? {
            Inserted::New => Submitted::New(item::find(app, db, item.id).await?),
            Inserted::Existing(id) => Submitted::Existing(item::find(app, db, id).await?),
        })
    });
    match submitted.await {
        Err(Error::Database(error)) if violates(&error, LIVE_BRANCH_KEY) => {
            Err(item::branch_in_use(app, &item.repo, item.branch.clone()).await?)
        }
        other => other,
    }
}

/// Validates a request; returns the new item, and a warning for each convention that its checklist violates.
fn plan(request: CreateWork, branch_prefix: &BranchPrefix) -> Result<(NewItem, Vec<String>), Error> {
    let CreateWork {
        repo,
        branch,
        spec,
        description,
        priority,
        source,
        source_ref,
        requested_by,
        max_iterations,
        metadata,
    } = request;
    if let Some(description) = &description {
        validate::text("description", description, MAX_DESCRIPTION_CHARACTERS)?;
    }
    if let Some(source_ref) = &source_ref {
        check_source_ref(source_ref)?;
    }
    check_metadata(&metadata)?;
    if let Some(approval) = &metadata.approval {
        check_approval("metadata.approval", approval, description.as_deref())?;
    }
    if let Some(branch) = &branch {
        check_branch(branch, &metadata)?;
    }
    let id = WorkItemId::new();
    let document = spec.as_deref().map(parse_spec).transpose()?;
    let status = match (&document, &description) {
        (Some(_), None) => WorkItemStatus::Queued,
        (None, Some(_)) => WorkItemStatus::Generating,
        (Some(_), Some(_)) => {
            return Err(Error::invalid(
                "spec",
                "expected either spec or description, not both",
            ));
        }
        (None, None) => return Err(Error::invalid("spec", "expected either spec or description")),
    };
    let title = metadata
        .issue_title
        .as_deref()
        .or_else(|| document.as_ref().and_then(SpecDocument::title))
        .or_else(|| description.as_deref().and_then(|text| text.trim().lines().next()))
        .unwrap_or_default();
    let branch =
        branch.unwrap_or_else(|| BranchName::for_item(branch_prefix, id, metadata.issue_number, title));
    let violations = document
        .as_ref()
        .map(SpecDocument::violations)
        .unwrap_or_default();
    let item = NewItem {
        id,
        repo,
        branch,
        status,
        priority,
        source: source.unwrap_or_else(SourceName::api),
        source_ref,
        requested_by,
        // The column is signed; a larger limit is no limit.
        max_iterations: max_iterations.map(|limit| i32::try_from(limit.get()).unwrap_or(i32::MAX)),
        tasks: document.as_ref().map(TaskCounts::of).unwrap_or_default(),
        spec,
        description,
        metadata,
    };
    Ok((item, violations.iter().map(ToString::to_string).collect()))
}

/// # Errors
/// It is blank, too long, or contains a NUL character.
pub(crate) fn check_source_ref(source_ref: &str) -> Result<(), Error> {
    validate::text("sourceRef", source_ref, MAX_SOURCE_REF_CHARACTERS)
}

fn parse_spec(spec: &str) -> Result<SpecDocument, Error> {
    // Before parsing: the limit bounds its cost.
    validate::text("spec", spec, MAX_SPEC_BYTES)?;
    let document = SpecDocument::parse(spec);
    document
        .check_submittable()
        .map_err(|problem| Error::invalid("spec", problem.to_string()))?;
    Ok(document)
}

fn check_branch(branch: &BranchName, metadata: &WorkMetadata) -> Result<(), Error> {
    if metadata.base.as_ref() == Some(branch) {
        return Err(Error::invalid(
            "branch",
            "is the base branch of the pull request; name another branch for the work",
        ));
    }
    if USUAL_DEFAULT_BRANCHES.contains(&branch.as_str()) {
        return Err(Error::invalid(
            "branch",
            format!("{branch} is a default branch; name another branch for the work"),
        ));
    }
    Ok(())
}

fn check_metadata(metadata: &WorkMetadata) -> Result<(), Error> {
    let stored = serde_json::to_string(metadata)
        .map_err(|error| Error::invalid("metadata", format!("cannot be stored: {error}")))?;
    let bytes = stored.len();
    if bytes > MAX_METADATA_BYTES {
        let problem = format!("has {bytes} bytes; at most {MAX_METADATA_BYTES} are accepted");
        return Err(Error::invalid("metadata", problem));
    }
    // JSON escapes the NUL character, and `jsonb` refuses the escape.
    if stored.contains("\\u0000") {
        return Err(Error::invalid("metadata", "contains a NUL character"));
    }
    Ok(())
}
