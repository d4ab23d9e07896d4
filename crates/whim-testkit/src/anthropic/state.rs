//! The stored requests and scripts.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use ralph_contract::Review;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::answer::Block;
use super::coder::Coder;
use super::conversation::{Conversation, Purpose, ToolCall};
use super::gate::{Barrier, Progress};
use super::refusal::Refusal;
use super::reviewer;
use super::script::{AgentScript, Outcome, ReviewScript, Rule, SpecScript};
use super::spec_writer::spec_from;

/// The kind of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// A coding agent: it offers tools.
    Agent,
    /// A program that wants a SPEC.md.
    Spec,
    /// A program that wants a review of a change.
    Review,
    /// Anything else, such as Claude Code's question for a title.
    Side,
}

/// An accepted request.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    pub kind: RequestKind,
    /// Claude Code's id of the run.
    pub session: Option<String>,
    /// The requested model.
    pub model: String,
    /// The prompt and the tool results, without the system prompt.
    pub text: String,
    /// The whole body.
    pub body: Value,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) api_key: String,
    inner: RwLock<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) coder: Coder,
    pub(super) agent_rules: Rules<AgentScript>,
    pub(super) spec_rules: Rules<SpecScript>,
    pub(super) review_rules: Rules<ReviewScript>,
    pub(super) barriers: Vec<Barrier>,
    pub(super) latency: Duration,
    /// The error of the current outage.
    pub(super) outage: Option<Refusal>,
    pub(super) requests: Vec<RecordedRequest>,
    pub(super) violations: Vec<String>,
    /// The tool uses that were returned, by id.
    issued: HashMap<String, Purpose>,
}

#[derive(Debug)]
pub(super) struct Rules<S>(Vec<Rule<S>>);

impl<S> Default for Rules<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S> Rules<S> {
    pub(super) fn push(&mut self, contains: impl Into<String>, script: S) {
        self.0.push(Rule {
            contains: contains.into(),
            script,
            applied: 0,
        });
    }

    /// The first rule from number `from` on that matches `text`, with its number.
    fn ask(
        &mut self,
        from: usize,
        text: &str,
        outcome: impl Fn(&Rule<S>) -> Outcome,
    ) -> Option<(Outcome, usize)> {
        let (number, rule) = self
            .0
            .iter_mut()
            .enumerate()
            .skip(from)
            .find(|(_, rule)| text.contains(&rule.contains))?;
        let answer = outcome(rule);
        rule.applied += 1;
        Some((answer, number))
    }
}

impl State {
    pub(super) fn new(api_key: String) -> Self {
        let inner = Inner {
            coder: Coder::default(),
            agent_rules: Rules::default(),
            spec_rules: Rules::default(),
            review_rules: Rules::default(),
            barriers: Vec::new(),
            latency: Duration::ZERO,
            outage: None,
            requests: Vec::new(),
            violations: Vec::new(),
            issued: HashMap::new(),
        };
        Self {
            api_key,
            inner: RwLock::new(inner),
        }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, request: RecordedRequest) {
        self.write().requests.push(request);
    }

    pub(super) fn was_issued(&self, id: &str) -> bool {
        self.read().issued.contains_key(id)
    }

    /// Assigns a unique id to a tool call: Claude Code would treat a repeated id as the earlier call.
    pub(super) fn issue(&self, call: ToolCall) -> Block {
        let ToolCall { name, input, purpose } = call;
        let id = format!("toolu_{}", Uuid::new_v4().simple());
        self.write().issued.insert(id.clone(), purpose);
        Block::ToolUse { id, name, input }
    }

    /// The outcome of the agent's rules from number `from` on, with the number of the rule; else that of the coder.
    pub(super) fn agent_outcome(&self, conversation: &Conversation, from: usize) -> (Outcome, usize) {
        let mut inner = self.write();
        let ruled = inner
            .agent_rules
            .ask(from, &conversation.text, |rule| rule.outcome(conversation));
        ruled.unwrap_or_else(|| (Outcome::Turn(inner.coder.next(conversation)), from))
    }

    /// The outcome of the spec rules from number `from` on, with the number of the rule; else a spec from the issue.
    pub(super) fn spec_outcome(&self, text: &str, from: usize) -> (Outcome, usize) {
        let ruled = self.write().spec_rules.ask(from, text, |rule| rule.outcome(text));
        ruled.unwrap_or_else(|| (Outcome::Content(Block::Text(spec_from(text))), from))
    }

    /// The outcome of the review rules from number `from` on, with the number of the rule; else a review without findings.
    pub(super) fn review_outcome(&self, text: &str, from: usize) -> (Outcome, usize) {
        let ruled = self
            .write()
            .review_rules
            .ask(from, text, Rule::<ReviewScript>::outcome);
        ruled.unwrap_or_else(|| (Outcome::Turn(reviewer::answer(&Review::default())), from))
    }

    /// The gates at which this request waits.
    pub(super) fn stops_at(
        &self,
        conversation: &Conversation,
        session: Option<&str>,
    ) -> Vec<watch::Receiver<bool>> {
        let mut inner = self.write();
        let done = |wanted: Purpose| -> Vec<String> {
            let results = conversation.results.iter().filter(|result| !result.is_error);
            results
                .filter(|result| inner.issued.get(&result.tool_use_id) == Some(&wanted))
                .map(|result| result.tool_use_id.clone())
                .collect()
        };
        let (commits, ticks) = (done(Purpose::Commit), done(Purpose::Tick));
        let session = session.unwrap_or_default();
        let progress = Progress {
            text: &conversation.text,
            session,
            commits: &commits,
            ticks: &ticks,
        };
        inner
            .barriers
            .iter_mut()
            .filter_map(|barrier| barrier.note(&progress))
            .collect()
    }

    pub(super) fn without_key(&self, text: &str) -> String {
        text.replace(&self.api_key, "[the API key]")
    }

    pub(super) fn without_key_in(&self, body: &Value) -> Value {
        match body {
            Value::String(text) => Value::String(self.without_key(text)),
            Value::Array(items) => items.iter().map(|item| self.without_key_in(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.clone(), self.without_key_in(value)))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => body.clone(),
        }
    }
}
