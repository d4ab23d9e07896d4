//! `ralph review`: has an agent compare a change with its checklist.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use process_tree::Subreaper;
use ralph_contract::{Event, ExitCode, IterationStats, Review, ReviewComplete, ReviewFailed, SpecDocument};

use crate::agent::AgentOptions;
use crate::ask::ask;
use crate::harness::Purpose;
use crate::output::Output;
use crate::prompt::ReviewPrompt;
use crate::report::Reporter;
use crate::spec_file::{SpecFile, read_text};
use crate::stop::Stop;
use crate::text::shortened;

/// Answers that are requested before the review fails.
const ROUNDS: u32 = 2;
/// Largest diff that is read, and how much of it goes into a prompt, in bytes. The agent can read the files themselves.
const LARGEST_DIFF: usize = 16 * 1024 * 1024;
const DIFF_IN_PROMPT: usize = 192 * 1024;
/// How much printed output is kept, in bytes, for harnesses that report no result.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

pub(crate) struct ReviewOptions {
    pub(crate) agent: AgentOptions,
    /// The path of the checklist, if it was given.
    pub(crate) spec: Option<String>,
    /// The file with the change, in the format of `git diff`.
    pub(crate) diff: PathBuf,
}

/// Reviews and reports the outcome.
pub(crate) async fn review(options: &ReviewOptions, output: &Output<'_>, stop: &Stop) -> ExitCode {
    let started = Instant::now();
    let mut stats = IterationStats::default();
    let result = Box::pin(ask_for_review(options, output, stop, &mut stats)).await;
    match result {
        Ok(review) => {
            output.event(&Event::ReviewComplete(ReviewComplete {
                review,
                duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                stats,
            }));
            ExitCode::Complete
        }
        Err(error) => {
            output.event(&Event::ReviewFailed(ReviewFailed {
                error: format!("{error:#}"),
                stats,
            }));
            ExitCode::Error
        }
    }
}

async fn ask_for_review(
    options: &ReviewOptions,
    output: &Output<'_>,
    stop: &Stop,
    stats: &mut IterationStats,
) -> anyhow::Result<Review> {
    let agent = &options.agent;
    let subreaper = Subreaper::install().context("becoming a subreaper")?;
    let spec_file = SpecFile::locate(&agent.directory, options.spec.as_deref());
    let Some(spec) = spec_file.read()? else {
        bail!("{} does not exist", spec_file.shown());
    };
    let spec = SpecDocument::parse(spec);
    let path = agent.directory.join(&options.diff);
    let Some(diff) = read_text(&path, LARGEST_DIFF)?.filter(|diff| !diff.trim().is_empty()) else {
        bail!(
            "{} is missing or empty: there is nothing to review",
            options.diff.display()
        );
    };
    agent.check_version().await?;
    let diff = shortened(&diff, DIFF_IN_PROMPT);
    let mut reporter = Reporter::new(output);
    let mut refused = None;
    for _ in 0..ROUNDS {
        let prompt = ReviewPrompt {
            spec: spec.as_str(),
            diff: &diff,
            refused: refused.as_deref(),
        };
        let answer = ask(
            agent,
            Purpose::Review,
            &prompt.render(),
            MAX_ANSWER_BYTES,
            &subreaper,
            &mut reporter,
            stop,
        )
        .await?;
        *stats += answer.stats;
        match Review::parse(&answer.text?) {
            Ok(review) => return Ok(review),
            Err(error) => {
                output.remark(&format!("refused: {error}"));
                refused = Some(error.to_string());
            }
        }
    }
    let reason = refused.unwrap_or_default();
    bail!("none of {ROUNDS} answers was a review: {reason}")
}
