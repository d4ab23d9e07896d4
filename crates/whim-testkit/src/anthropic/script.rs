//! Scripts and the conversations that they answer.

use std::time::Duration;

use ralph_contract::Review;

use super::answer::{Block, Ending};
use super::coder::{self, Coder};
use super::conversation::{Conversation, Turn};
use super::{reviewer, spec_writer};

/// A model for a coding agent.
#[derive(Debug, Clone)]
pub enum AgentScript {
    /// Does the tasks.
    Coder(Coder),
    /// Reads and takes notes, and neither commits nor ticks a box: the run makes no progress.
    NeverFinishes,
    /// Repeats this shell command forever; `$turn` in it is a different number each time.
    Repeats(String),
    /// Writes this reason to `stuck.md` and stops.
    GivesUp(String),
    /// Misbehaves.
    Fault(Fault),
}

/// A model that writes specs.
#[derive(Debug, Clone)]
pub enum SpecScript {
    /// A spec that keeps all conventions, with a task for each list item of the issue.
    FromIssue,
    /// These texts, one per request; the last one is repeated.
    Texts(Vec<String>),
    /// Declines with this text.
    Refuses(String),
    /// Misbehaves.
    Fault(Fault),
}

/// A model that reviews changes.
#[derive(Debug, Clone)]
pub enum ReviewScript {
    /// These reviews, one per request; the last one is repeated.
    Reviews(Vec<Review>),
    /// Misbehaves.
    Fault(Fault),
}

/// Faults of a model API.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Accepts the request and never answers.
    NoAnswer,
    /// Begins to answer and then stalls; requests without streaming get no answer.
    SilenceMidAnswer,
    /// Begins to answer and then closes the connection; requests without streaming get no answer.
    CutMidAnswer,
    /// Refuses with an error.
    Error(ApiError),
    /// Delays the answer of the next matching rule.
    Delay(Duration),
}

/// An error response of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiError {
    /// For example 429 (rate limit) or 529 (overloaded).
    pub status: u16,
    /// Number of refused requests before the next matching rule applies; `None` refuses all.
    pub times: Option<u32>,
    /// The `retry-after` header, in whole seconds.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// Refuses every request with `status`.
    pub fn always(status: u16) -> Self {
        Self {
            status,
            times: None,
            retry_after: None,
        }
    }
}

/// The outcome of a rule for a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Turn(Turn),
    Content(Block),
    Error(ApiError),
    NoAnswer,
    /// A valid answer that breaks off.
    Broken(Ending),
    /// Wait, then apply the next rule.
    Delay(Duration),
    /// Apply the next rule.
    Pass,
}

/// A script for the requests that contain a text.
#[derive(Debug)]
pub(super) struct Rule<S> {
    pub(super) contains: String,
    pub(super) script: S,
    /// Number of requests that it was applied to.
    pub(super) applied: u32,
}

impl Rule<AgentScript> {
    pub(super) fn outcome(&self, conversation: &Conversation) -> Outcome {
        match &self.script {
            AgentScript::Coder(coder) => Outcome::Turn(coder.next(conversation)),
            AgentScript::NeverFinishes => Outcome::Turn(coder::never_finish(conversation)),
            AgentScript::Repeats(command) => Outcome::Turn(coder::repeat(command, conversation)),
            AgentScript::GivesUp(reason) => Outcome::Turn(coder::give_up(reason, conversation)),
            AgentScript::Fault(fault) => fault.outcome(self.applied),
        }
    }
}

impl Rule<SpecScript> {
    pub(super) fn outcome(&self, request_text: &str) -> Outcome {
        match &self.script {
            SpecScript::FromIssue => Outcome::Content(Block::Text(spec_writer::spec_from(request_text))),
            SpecScript::Texts(texts) => {
                let applied = usize::try_from(self.applied).unwrap_or(usize::MAX);
                let text = texts.get(applied).or(texts.last()).cloned().unwrap_or_default();
                Outcome::Content(Block::Text(text))
            }
            SpecScript::Refuses(words) => Outcome::Content(Block::Refusal(words.clone())),
            SpecScript::Fault(fault) => fault.outcome(self.applied),
        }
    }
}

impl Rule<ReviewScript> {
    pub(super) fn outcome(&self) -> Outcome {
        match &self.script {
            ReviewScript::Reviews(reviews) => {
                let applied = usize::try_from(self.applied).unwrap_or(usize::MAX);
                let review = reviews.get(applied).or(reviews.last()).cloned();
                Outcome::Turn(reviewer::answer(&review.unwrap_or_default()))
            }
            ReviewScript::Fault(fault) => fault.outcome(self.applied),
        }
    }
}

impl Fault {
    fn outcome(&self, applied: u32) -> Outcome {
        match self {
            Self::NoAnswer => Outcome::NoAnswer,
            Self::SilenceMidAnswer => Outcome::Broken(Ending::Silence),
            Self::CutMidAnswer => Outcome::Broken(Ending::Cut),
            Self::Error(error) if error.times.is_some_and(|times| applied >= times) => Outcome::Pass,
            Self::Error(error) => Outcome::Error(*error),
            Self::Delay(delay) => Outcome::Delay(*delay),
        }
    }
}
