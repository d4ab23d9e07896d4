//! The transcript of an attempt: what the agent said, which tools it called, and what they returned.
//!
//! A worker uploads it in segments, apart from its heartbeats. People read it in pages.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::stats::WorkerStats;
use crate::{LeaseEpoch, Stage, WorkItemId, WorkerId};

/// Limit of entries in one segment.
pub const MAX_SEGMENT_ENTRIES: usize = 500;
/// Limit of a segment as JSON, before compression, in bytes.
pub const MAX_SEGMENT_BYTES: usize = 1024 * 1024;
/// Limit of one attempt's transcript as JSON, before compression, in bytes.
pub const MAX_TRANSCRIPT_BYTES: u64 = 64 * 1024 * 1024;

/// `POST /api/worker/:id/transcript`: the next entries of the transcript. The body may be compressed
/// (`Content-Encoding: zstd`).
///
/// Entries that are stored already are skipped, so a segment can be sent again. Accepted for an hour after the attempt
/// has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadTranscript {
    /// 1 to 500 entries, numbered without gaps; at most 1 MiB as JSON.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 500))]
    pub entries: Vec<TranscriptEntry>,
    /// Whether the worker sends another segment at once: subscribers are notified after the last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// The answer to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptStored {
    /// Number of the last stored entry.
    pub last_number: u64,
}

/// One entry of a transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptEntry {
    /// Position in the transcript of the attempt, from 1, without gaps.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub number: u64,
    /// By the worker's clock.
    pub occurred_at: DateTime<Utc>,
    /// The iteration; 0 before the first.
    pub iteration: u32,
    #[serde(flatten)]
    pub body: TranscriptBody,
}

/// The content of a [`TranscriptEntry`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TranscriptBody {
    IterationStarted,
    IterationDone(TranscriptIterationDone),
    /// Text of the agent, or a prompt to it.
    Message(TranscriptMessage),
    /// The agent called a tool.
    Tool(TranscriptTool),
    /// A tool returned.
    ToolResult(TranscriptToolResult),
    Commit(TranscriptCommit),
    TaskComplete(TranscriptTask),
    /// A task that was done is open again: its tick does not count.
    TaskReopened(TranscriptTask),
    /// A warning of `ralph`.
    Warning(TranscriptWarning),
    /// The worker entered a stage.
    Stage(TranscriptStage),
    /// A message of the worker.
    Notice(TranscriptNotice),
    /// Entries are missing at this place.
    Omitted(TranscriptOmitted),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptIterationDone {
    pub duration_ms: u64,
    /// Usage of this iteration.
    pub stats: WorkerStats,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptMessage {
    pub role: MessageRole,
    pub text: String,
    /// Bytes that were cut out of this entry; missing if it is whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub truncated_bytes: u64,
    /// Identifier of the tool call whose subagent this belongs to; missing for the main agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_id: Option<String>,
}

/// The author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    /// The model.
    Assistant,
    /// A prompt to the model, by `ralph` or by the main agent.
    User,
}

/// A tool call. What the agent's harness does not report is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptTool {
    pub kind: TranscriptToolKind,
    /// Identifier of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The file that is read or written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Arguments of the call, with long texts cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<std::collections::HashMap<String, Value>>))]
    pub input: Option<Map<String, Value>>,
    /// Bytes that were cut out of this entry; missing if it is whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub truncated_bytes: u64,
    /// Identifier of the tool call whose subagent this belongs to; missing for the main agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_id: Option<String>,
}

/// What a tool call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TranscriptToolKind {
    /// Changes nothing.
    Read,
    /// Changes a file.
    Write,
    /// Runs a command.
    Bash,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptToolResult {
    /// Identifier of the call.
    pub id: String,
    /// Whether the tool reported success.
    pub ok: bool,
    pub output: String,
    /// Bytes that were cut out of this entry; missing if it is whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub truncated_bytes: u64,
    /// Identifier of the tool call whose subagent this belongs to; missing for the main agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tool_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptCommit {
    pub hash: String,
    /// First line of the commit message.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptTask {
    /// Position among all tasks of the checklist, from 0.
    pub index: u32,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptWarning {
    /// Type of the warning, as in SPEC-ralph.md.
    pub warning: String,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptStage {
    pub stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptNotice {
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptOmitted {
    /// Number of missing entries.
    pub count: u64,
    /// Their size as JSON.
    pub bytes: u64,
    pub reason: OmissionReason,
}

/// Why entries are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OmissionReason {
    /// The transcript of the attempt reached its maximum size.
    Limit,
    /// The orchestrator was unreachable, and the worker's buffer was full.
    Buffer,
}

/// `GET /api/work/:id/transcript?attempt=&after=&limit=`: oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TranscriptFilter {
    /// `leaseEpoch` of the attempt. Default: the latest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1))]
    pub attempt: Option<LeaseEpoch>,
    /// Number of the entry before the page. Default: 0. `nextCursor` of the previous page continues it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Page size: 1 to 200, default 50. A page also ends at 2 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
}

/// A page of the transcript of one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptPage {
    pub work_item_id: WorkItemId,
    /// The worker of the attempt; `null` if the item has had none.
    pub worker_id: Option<WorkerId>,
    /// The attempt; `null` if the item has had none.
    pub lease_epoch: Option<LeaseEpoch>,
    /// Number of the oldest stored entry; `null` if none is stored. Above 1 if older ones are beyond the retention.
    pub first_number: Option<u64>,
    /// Number of the newest entry that was stored; 0 if none was.
    pub last_number: u64,
    pub items: Vec<TranscriptEntry>,
    /// `after` of the next page; `null` if the page ends with the newest entry.
    pub next_cursor: Option<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
