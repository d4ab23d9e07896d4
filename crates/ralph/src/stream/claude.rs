//! Claude Code's `--output-format stream-json`, checked against real captures in `tests/captures`.

mod user;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ralph_contract::{IterationStats, ToolKind, without_lone_surrogates};
use serde::Deserialize;
use serde_json::{Map, Value};

use self::user::user;
use super::{AgentMessage, AgentResult, Decoder, Signal, ToolUse};
use crate::provider::Trouble;
use crate::text::shortened;

/// Known kinds of events that are ignored: they concern the harness itself, or repeat other events.
const UNINTERESTING: [&str; 14] = [
    "stream_event",
    "tool_progress",
    "tool_use_summary",
    "prompt_suggestion",
    "conversation_reset",
    "command_lifecycle",
    "transcript_mirror",
    "auth_status",
    "active_goal",
    "autocompact_state",
    "keep_alive",
    "control_request",
    "control_response",
    "control_cancel_request",
];

/// Longest excerpt of a misfit, in bytes.
const SHOWN_OF_A_MISFIT: usize = 200;
/// Longest excerpt of a command, in bytes.
const SHOWN_OF_A_COMMAND: usize = 120;

/// Decodes the lines of one run of Claude Code.
#[derive(Debug)]
pub(crate) struct ClaudeDecoder {
    /// Paths inside of it are reported relative to it.
    directory: PathBuf,
    /// Code of the last error that the harness reported as a message of the model, such as `billing_error`.
    last_error: Option<String>,
    /// Reset time of the limit for which the last request was refused.
    limit_resets_at: Option<DateTime<Utc>>,
    usage_so_far: IterationStats,
    /// One message is split into several events, each with the usage of the whole message.
    counted_messages: HashSet<String>,
}

impl ClaudeDecoder {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            last_error: None,
            limit_resets_at: None,
            usage_so_far: IterationStats::default(),
            counted_messages: HashSet::new(),
        }
    }

    fn assistant(&mut self, event: AssistantEvent) -> Vec<Signal> {
        if event.error.is_some() {
            self.last_error = event.error;
        }
        if let (Some(id), Some(usage)) = (event.message.id, event.message.usage)
            && self.counted_messages.insert(id)
        {
            self.usage_so_far += usage.into_stats(None);
        }
        let parent = event.parent_tool_use_id;
        // A message of the harness in the name of the model, such as an error of the model API.
        let is_synthetic = event.message.model.as_deref() == Some("<synthetic>");
        let blocks = event.message.content.into_iter();
        blocks
            .filter_map(|block| match block {
                ContentBlock::ToolUse { id, name, input } => {
                    Some(Signal::Tool(self.tool_use(id, name, input, parent.clone())))
                }
                ContentBlock::Text { text } if is_synthetic => Some(Signal::Text(text)),
                ContentBlock::Text { text } => Some(Signal::Message(AgentMessage {
                    text,
                    is_prompt: false,
                    parent_tool_id: parent.clone(),
                })),
                ContentBlock::Other => None,
            })
            .collect()
    }

    fn tool_use(&self, id: Option<String>, name: String, input: Value, parent: Option<String>) -> ToolUse {
        let field = |key: &str| input.get(key).and_then(Value::as_str);
        let path = |key: &str| field(key).map(|path| self.relative(path));
        let (kind, path, detail) = match name.as_str() {
            "Write" | "Edit" | "MultiEdit" => (ToolKind::Write, path("file_path"), None),
            "NotebookEdit" => (ToolKind::Write, path("notebook_path"), None),
            "Bash" => (ToolKind::Bash, None, field("command")),
            "Read" => (ToolKind::Read, path("file_path"), None),
            // Searches, lists, notes of the agent to itself, and tools of later versions. None of them edits a file of the
            // workspace, because the allowed tools are listed one by one.
            other => (
                ToolKind::Read,
                path("path"),
                Some(field("pattern").unwrap_or(other)),
            ),
        };
        let detail = detail.map(|text| shortened(text, SHOWN_OF_A_COMMAND));
        ToolUse {
            id,
            kind,
            path,
            detail,
            name,
            input: match input {
                Value::Object(fields) => fields,
                other @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)) => Map::from_iter([("input".to_owned(), other)]),
            },
            parent_tool_id: parent,
        }
    }

    fn relative(&self, path: &str) -> String {
        match Path::new(path).strip_prefix(&self.directory).map(Path::to_str) {
            Ok(Some("")) => ".".to_owned(),
            Ok(Some(inside)) => inside.to_owned(),
            Ok(None) | Err(_) => path.to_owned(),
        }
    }

    fn result(&self, event: ResultEvent) -> AgentResult {
        let is_error = event.is_error;
        let text = match event.result {
            Some(Value::String(text)) => text,
            Some(other) if !other.is_null() => other.to_string(),
            _ => errors(event.errors.as_ref())
                .or(event.subtype)
                .unwrap_or_default(),
        };
        let text = match event.startup_failure_reason {
            Some(reason) if is_error => format!("{text} (Claude Code did not start: {reason})"),
            Some(_) | None => text,
        };
        let code = event.api_error.or_else(|| self.last_error.clone());
        let trouble = is_error
            .then(|| Trouble::of_error(event.api_error_status, code.as_deref(), &text))
            .flatten()
            .map(|trouble| trouble.ending_at(self.limit_resets_at));
        AgentResult {
            is_error,
            text,
            trouble,
            usage: event.usage.unwrap_or_default().into_stats(event.total_cost_usd),
            denied: event
                .permission_denials
                .unwrap_or_default()
                .into_iter()
                .map(|denial| self.denied(denial))
                .collect(),
        }
    }

    /// A tool call that needed a permission, such as `Bash: touch .git/config`.
    fn denied(&self, denial: PermissionDenial) -> String {
        let PermissionDenial {
            tool_name,
            tool_input,
        } = denial;
        let tool = self.tool_use(None, tool_name, tool_input, None);
        match tool.path.or(tool.detail).filter(|what| *what != tool.name) {
            Some(what) => format!("{}: {what}", tool.name),
            None => tool.name,
        }
    }
}

impl Decoder for ClaudeDecoder {
    fn decode(&mut self, line: &str) -> Vec<Signal> {
        if line.trim().is_empty() {
            return Vec::new();
        }
        let misfit = |kind: &str, error: &dyn std::fmt::Display| {
            vec![Signal::Misfit {
                kind: kind.to_owned(),
                error: error.to_string(),
                start: shortened(line, SHOWN_OF_A_MISFIT),
            }]
        };
        let value: Value = match read_json(line) {
            Ok(value) => value,
            // Programs that Claude Code starts may print to its standard output.
            Err(_) if !line.trim_start().starts_with('{') => return vec![Signal::Text(line.to_owned())],
            Err(error) => return misfit("line", &error),
        };
        let Some(kind) = value.get("type").and_then(Value::as_str).map(str::to_owned) else {
            return misfit("line", &"there is no `type`");
        };
        match kind.as_str() {
            "assistant" => match serde_json::from_value(value) {
                Ok(event) => self.assistant(event),
                Err(error) => misfit(&kind, &error),
            },
            "user" => match serde_json::from_value(value) {
                Ok(event) => user(event),
                Err(error) => misfit(&kind, &error),
            },
            "result" => match serde_json::from_value(value) {
                Ok(event) => vec![Signal::Result(self.result(event))],
                Err(error) => misfit(&kind, &error),
            },
            "system" => match serde_json::from_value::<SystemEvent>(value) {
                Ok(SystemEvent::ApiRetry(retry)) => vec![retry.into()],
                Ok(SystemEvent::Other) => Vec::new(),
                Err(error) => misfit(&kind, &error),
            },
            "rate_limit_event" => match serde_json::from_value::<RateLimitEvent>(value) {
                Ok(RateLimitEvent {
                    rate_limit_info: info,
                }) => {
                    // One that allows the request comes before each answered request.
                    self.limit_resets_at = info
                        .resets_at
                        .filter(|_| info.status == "rejected")
                        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
                    Vec::new()
                }
                Err(error) => misfit(&kind, &error),
            },
            known if UNINTERESTING.contains(&known) => Vec::new(),
            _ => vec![Signal::Unknown { kind }],
        }
    }

    fn usage_so_far(&self) -> IterationStats {
        self.usage_so_far
    }
}

fn read_json(line: &str) -> serde_json::Result<Value> {
    serde_json::from_str(line).or_else(|error| match without_lone_surrogates(line) {
        Cow::Owned(fixed) => serde_json::from_str(&fixed),
        Cow::Borrowed(_) => Err(error),
    })
}

#[derive(Deserialize)]
struct AssistantEvent {
    message: Message,
    error: Option<String>,
    parent_tool_use_id: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    model: Option<String>,
    content: Vec<ContentBlock>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentBlock {
    ToolUse {
        id: Option<String>,
        name: String,
        input: Value,
    },
    Text {
        text: String,
    },
    /// Thinking, and types of later versions.
    #[serde(other)]
    Other,
}

/// Token counts; any of them may be missing or `null`.
#[derive(Default, Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

impl Usage {
    fn into_stats(self, cost_usd: Option<f64>) -> IterationStats {
        IterationStats {
            tokens_in: self.input_tokens.unwrap_or_default(),
            tokens_out: self.output_tokens.unwrap_or_default(),
            cache_read: self.cache_read_input_tokens.unwrap_or_default(),
            cache_write: self.cache_creation_input_tokens.unwrap_or_default(),
            cost_usd: cost_usd.unwrap_or_default(),
            ..IterationStats::default()
        }
    }
}

/// The texts in a list.
fn errors(list: Option<&Value>) -> Option<String> {
    let texts: Vec<&str> = list?.as_array()?.iter().filter_map(Value::as_str).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// Everything but the type may be missing: whatever else is wrong with it, this event ends the iteration.
#[derive(Deserialize)]
struct ResultEvent {
    #[serde(default)]
    is_error: bool,
    subtype: Option<String>,
    result: Option<Value>,
    api_error_status: Option<u16>,
    api_error: Option<String>,
    /// A name for why the program ended before its first request; `errors` says it in words.
    startup_failure_reason: Option<String>,
    errors: Option<Value>,
    permission_denials: Option<Vec<PermissionDenial>>,
    usage: Option<Usage>,
    total_cost_usd: Option<f64>,
}

#[derive(Deserialize)]
struct PermissionDenial {
    #[serde(default)]
    tool_name: String,
    #[serde(default)]
    tool_input: Value,
}

/// The state of a plan's limits.
#[derive(Deserialize)]
struct RateLimitEvent {
    rate_limit_info: RateLimitInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RateLimitInfo {
    /// `allowed`, `allowed_warning` or `rejected`.
    status: String,
    /// Seconds since 1970.
    resets_at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
enum SystemEvent {
    ApiRetry(ApiRetry),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct ApiRetry {
    #[serde(default)]
    retry_delay_ms: f64,
    error_status: Option<u16>,
    error: Option<String>,
}

impl From<ApiRetry> for Signal {
    fn from(retry: ApiRetry) -> Self {
        let delay = Duration::try_from_secs_f64(retry.retry_delay_ms / 1000.0).unwrap_or(Duration::MAX);
        let status = retry.error_status.map(|status| status.to_string());
        let message = format!(
            "the model API answers {}, and would be asked again in {} s",
            status.as_deref().or(retry.error.as_deref()).unwrap_or("nothing"),
            delay.as_secs()
        );
        // A delay this long was requested by the provider.
        let resets_at = TimeDelta::from_std(delay)
            .ok()
            .and_then(|delay| Utc::now().checked_add_signed(delay));
        Self::ProviderRetry {
            trouble: Trouble::of_error(retry.error_status, retry.error.as_deref(), &message)
                .map(|trouble| trouble.ending_at(resets_at)),
            delay,
        }
    }
}

#[cfg(test)]
mod tests;
