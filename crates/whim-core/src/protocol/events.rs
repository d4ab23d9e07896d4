//! What a worker tells on the way.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::worker::TestReport;
use crate::{CommitHash, IssueNumber, Stage};

/// One event of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerEvent {
    /// When it happened, by the worker's clock.
    pub at: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub body: WorkerEventBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum WorkerEventBody {
    /// The worker went on to another stage.
    Stage {
        /// The stage.
        stage: Stage,
    },
    /// An event of `ralph`, as it came; kinds that this version does not know included.
    Ralph {
        /// The JSON object that `ralph` printed.
        event: Value,
    },
    /// Commits were pushed.
    Pushed {
        /// The new head of the branch.
        head_sha: CommitHash,
    },
    /// The project's own tests ran.
    Tests {
        /// What they said.
        report: TestReport,
    },
    /// The pull request is open.
    PullRequest {
        /// Its page.
        url: String,
        /// Its number.
        #[cfg_attr(feature = "openapi", schema(value_type = u64, minimum = 1))]
        number: IssueNumber,
    },
    /// Something that a person may want to know.
    Notice {
        /// The text.
        message: String,
    },
}
