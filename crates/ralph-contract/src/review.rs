//! Reviews of a change: what `ralph review` asks a model for, and how its answer is read.

use serde::{Deserialize, Serialize};

/// The JSON schema of a [`Review`], which a harness can hold the model to.
pub const REVIEW_SCHEMA: &str = include_str!("review.schema.json");

/// Limit of the description and the summary, in bytes.
const MAX_TEXT_BYTES: usize = 8 * 1024;
/// Limit of findings; of more, the most severe are kept.
const MAX_FINDINGS: usize = 50;
/// Limit of a finding's message and suggestion, in bytes.
const MAX_FINDING_BYTES: usize = 2 * 1024;

/// A review of a change, compared with its checklist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// What the change does and why, for the reader of a pull request. Plain sentences.
    pub description: String,
    /// The result of the review, in a few sentences.
    pub summary: String,
    /// The most severe first.
    #[serde(default)]
    pub findings: Vec<ReviewFinding>,
}

/// A problem of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewFinding {
    pub severity: ReviewSeverity,
    /// Number of the task in the checklist, from 1; missing if it concerns none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<u32>,
    /// Relative to the repository; missing if it concerns no file, as missing work does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// In the changed file, from 1; missing if it concerns the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewSeverity {
    /// A task is not fulfilled, or the change is defective.
    Error,
    /// It should be better, and can be delivered.
    Warning,
    Note,
}

/// Why an answer is no review.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error("the answer contains no JSON object")]
    NoObject,
    #[error("the JSON object is no review: {0}")]
    Invalid(#[from] serde_json::Error),
    #[error("`{0}` is empty")]
    Empty(&'static str),
}

impl Review {
    /// Reads the answer of a model: a JSON object of [`REVIEW_SCHEMA`], with or without other text and a code fence around it.
    /// Long texts are cut, a line without a file and numbers below 1 are left out.
    ///
    /// # Errors
    /// There is no such object.
    pub fn parse(answer: &str) -> Result<Self, ReviewError> {
        let start = answer.find('{').ok_or(ReviewError::NoObject)?;
        let end = answer.rfind('}').ok_or(ReviewError::NoObject)?;
        let object = answer.get(start..=end).ok_or(ReviewError::NoObject)?;
        let mut review: Self = serde_json::from_str(object)?;
        for (name, text) in [
            ("description", &mut review.description),
            ("summary", &mut review.summary),
        ] {
            cut(text, MAX_TEXT_BYTES);
            if text.is_empty() {
                return Err(ReviewError::Empty(name));
            }
        }
        for finding in &mut review.findings {
            finding.tidy()?;
        }
        review.findings.sort_by_key(|finding| finding.severity);
        review.findings.truncate(MAX_FINDINGS);
        Ok(review)
    }
}

impl ReviewFinding {
    fn tidy(&mut self) -> Result<(), ReviewError> {
        cut(&mut self.message, MAX_FINDING_BYTES);
        if self.message.is_empty() {
            return Err(ReviewError::Empty("message"));
        }
        if let Some(suggestion) = &mut self.suggestion {
            cut(suggestion, MAX_FINDING_BYTES);
        }
        self.suggestion = self.suggestion.take().filter(|text| !text.is_empty());
        self.file = self.file.take().filter(|file| !file.trim().is_empty());
        self.line = self.line.filter(|&line| line > 0 && self.file.is_some());
        self.task = self.task.filter(|&task| task > 0);
        Ok(())
    }
}

/// Trims, and cuts at a character boundary.
fn cut(text: &mut String, limit: usize) {
    let trimmed = text.trim();
    let mut end = trimmed.len().min(limit);
    while !trimmed.is_char_boundary(end) {
        end -= 1;
    }
    let is_cut = end < trimmed.len();
    let mut kept = trimmed[..end].to_owned();
    if is_cut {
        kept.push('…');
    }
    *text = kept;
}
