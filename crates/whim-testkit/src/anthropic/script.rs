//! Who answers: the scripts, and for which conversations.

use std::time::Duration;

use super::answer::{Block, Ending};
use super::coder::{self, Coder};
use super::conversation::{Conversation, Turn};
use super::spec_writer;

/// A model for a coding agent.
#[derive(Debug, Clone)]
pub enum AgentScript {
    /// Does the tasks.
    Coder(Coder),
    /// Reads and takes notes, and neither commits nor ticks a box: the run makes no progress.
    NeverFinishes,
    /// Runs this shell command again and again, for ever; `$turn` in it is another number each time.
    Repeats(String),
    /// Writes this reason to `.ai/stuck.md` and stops.
    GivesUp(String),
    /// Does not answer as it should.
    Fault(Fault),
}

/// A model that writes specs.
#[derive(Debug, Clone)]
pub enum SpecScript {
    /// A spec that keeps all conventions, with a task for each list item of the issue.
    FromIssue,
    /// These texts, one for each request in turn; the last one again and again.
    Texts(Vec<String>),
    /// Declines with these words.
    Refuses(String),
    /// Does not answer as it should.
    Fault(Fault),
}

/// What a model API can do instead of answering.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Takes the request and never answers.
    NoAnswer,
    /// Begins to answer and then falls silent; only requests for a stream are answered so, others get no answer.
    SilenceMidAnswer,
    /// Begins to answer and then closes the connection; others than requests for a stream get no answer.
    CutMidAnswer,
    /// Refuses with an error.
    Error(ApiError),
    /// Answers late, as the next rule that fits says.
    Delay(Duration),
}

/// An error that the API answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiError {
    /// For example 429 (rate limit) or 529 (overloaded).
    pub status: u16,
    /// How many requests are refused before the next rule that fits answers; None: all.
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

/// What one rule makes of one request.
#[derive(Debug)]
pub(super) enum Outcome {
    Turn(Turn),
    Content(Block),
    Error(ApiError),
    NoAnswer,
    /// A good answer that breaks off.
    Broken(Ending),
    /// Wait, and ask the next rule.
    Delay(Duration),
    /// Ask the next rule.
    Pass,
}

/// A script for the requests that contain a text.
#[derive(Debug)]
pub(super) struct Rule<S> {
    pub(super) contains: String,
    pub(super) script: S,
    /// How many requests it was asked about before.
    pub(super) asked: u32,
}

impl Rule<AgentScript> {
    pub(super) fn outcome(&self, conversation: &Conversation) -> Outcome {
        match &self.script {
            AgentScript::Coder(coder) => Outcome::Turn(coder.next(conversation)),
            AgentScript::NeverFinishes => Outcome::Turn(coder::never_finish(conversation)),
            AgentScript::Repeats(command) => Outcome::Turn(coder::repeat(command, conversation)),
            AgentScript::GivesUp(reason) => Outcome::Turn(coder::give_up(reason, conversation)),
            AgentScript::Fault(fault) => fault.outcome(self.asked),
        }
    }
}

impl Rule<SpecScript> {
    pub(super) fn outcome(&self, request_text: &str) -> Outcome {
        match &self.script {
            SpecScript::FromIssue => Outcome::Content(Block::Text(spec_writer::spec_from(request_text))),
            SpecScript::Texts(texts) => {
                let asked = usize::try_from(self.asked).unwrap_or(usize::MAX);
                let text = texts.get(asked).or(texts.last()).cloned().unwrap_or_default();
                Outcome::Content(Block::Text(text))
            }
            SpecScript::Refuses(words) => Outcome::Content(Block::Refusal(words.clone())),
            SpecScript::Fault(fault) => fault.outcome(self.asked),
        }
    }
}

impl Fault {
    fn outcome(&self, asked: u32) -> Outcome {
        match self {
            Self::NoAnswer => Outcome::NoAnswer,
            Self::SilenceMidAnswer => Outcome::Broken(Ending::Silence),
            Self::CutMidAnswer => Outcome::Broken(Ending::Cut),
            Self::Error(error) if error.times.is_some_and(|times| asked >= times) => Outcome::Pass,
            Self::Error(error) => Outcome::Error(*error),
            Self::Delay(delay) => Outcome::Delay(*delay),
        }
    }
}
