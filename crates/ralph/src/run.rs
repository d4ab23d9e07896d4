//! `ralph run`: one fresh agent per iteration until every box of SPEC.md is ticked.

mod ending;
mod iteration;
mod progress;
mod rejection;

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use chrono::{SecondsFormat, Utc};
use process_tree::Subreaper;
use ralph_contract::files::RunFiles;
use ralph_contract::{Complete, Event, ExitCode, Failed, NotSubmittable, SpecDocument, Started, Stuck};
use tokio::time::Instant;

use self::ending::{Decision, Ending, Tally};
use self::iteration::Iterations;
use self::progress::Progress;
use self::rejection::Rejection;
use crate::agent::AgentOptions;
use crate::git::Git;
use crate::output::Output;
use crate::report::Reporter;
use crate::spec_file::{FileError, SpecFile, read_text};
use crate::stop::Stop;
use crate::text::{as_u32, counted};

/// Largest `stuck.md` and `correction.md` that are read, in bytes.
const LARGEST_TEXT: usize = 64 * 1024;

pub(crate) struct RunOptions {
    pub(crate) agent: AgentOptions,
    /// The path of SPEC.md, if it was given.
    pub(crate) spec: Option<String>,
    pub(crate) files: RunFiles,
    /// The repository's instructions for agents.
    pub(crate) instructions: Option<String>,
    /// The commit that the agent must keep together with its ancestors; `None` for the head at the start.
    pub(crate) keep_commit: Option<String>,
    /// The maximum; `None` for no limit.
    pub(crate) iterations: Option<u32>,
    /// Iterations in a row without progress after which the run is stuck.
    pub(crate) stuck_threshold: u32,
    /// Interval at which SPEC.md and git are read while the agent works.
    pub(crate) watch_period: Duration,
}

/// Runs the loop and reports its outcome.
pub(crate) async fn run(options: &RunOptions, output: &Output<'_>, stop: &Stop) -> ExitCode {
    let started = Instant::now();
    let ending = Box::pin(iterate(options, output, stop)).await;
    let (event, code) = match ending {
        Ok(Ending::Complete { tasks_done }) => (
            Event::Complete(Complete {
                tasks_done,
                total_duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            }),
            ExitCode::Complete,
        ),
        Ok(Ending::Stuck {
            reason,
            without_progress,
        }) => (
            Event::Stuck(Stuck {
                reason,
                iterations_without_progress: without_progress,
            }),
            ExitCode::Stuck,
        ),
        Ok(Ending::IterationsUsedUp { error }) => {
            (Event::Failed(Failed { error }), ExitCode::IterationsUsedUp)
        }
        Ok(Ending::Failed { error }) => (Event::Failed(Failed { error }), ExitCode::Error),
        Err(error) => (
            Event::Failed(Failed {
                error: format!("{error:#}"),
            }),
            ExitCode::Error,
        ),
    };
    output.event(&event);
    code
}

async fn iterate(options: &RunOptions, output: &Output<'_>, stop: &Stop) -> anyhow::Result<Ending> {
    // Before anything is started, so that every descendant is found.
    let subreaper = Subreaper::install().context("becoming a subreaper")?;
    let mut progress = begin(options).await?;
    let tasks = progress.document().tasks().len();
    if !progress.document().is_complete() {
        options.agent.check_version().await?;
    }
    output.event(&Event::Started(Started {
        spec: progress.spec_file().shown().to_owned(),
        tasks: as_u32(tasks),
        model: options.agent.model.clone(),
        harness: Some(options.agent.harness.name().to_owned()),
        timestamp: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
    }));
    let mut iterations = Iterations {
        options: &options.agent,
        files: &options.files,
        instructions: options.instructions.as_deref(),
        watch_period: options.watch_period,
        subreaper: &subreaper,
        reporter: Reporter::new(output),
        output,
        stop,
    };
    let mut tally = Tally::new(options.stuck_threshold);
    let mut correction = read_correction(options).context("reading the caller's correction")?;
    loop {
        if let Some(reason) = stop.reason() {
            return Ok(Ending::Failed {
                error: format!("interrupted by {reason}"),
            });
        }
        let Some(task) = progress.document().first_open().cloned() else {
            progress.warn_of_uncommitted_changes(output).await;
            let tasks_done = as_u32(progress.document().done_count());
            return Ok(Ending::Complete { tasks_done });
        };
        if options
            .iterations
            .is_some_and(|limit| tally.iterations() >= limit)
        {
            let limit = counted(u64::from(tally.iterations()), "iteration");
            let open = progress.document().open_tasks().count();
            return Ok(Ending::IterationsUsedUp {
                error: format!("the limit of {limit} is reached with {open} of {tasks} tasks open"),
            });
        }
        let n = tally.iterations() + 1;
        let report = Box::pin(iterations.run(n, &task, correction.as_deref(), &mut progress)).await?;
        correction = report.rejection.as_ref().map(Rejection::correction);
        if stop.reason().is_none() && !progress.document().is_complete() {
            let stuck = stuck_reason(options)?;
            let Decision { warning, ending } = tally.after(report, stuck);
            if let Some(warning) = warning {
                output.event(&Event::Warning(warning));
            }
            if let Some(ending) = ending {
                return Ok(ending);
            }
        }
    }
}

async fn begin(options: &RunOptions) -> anyhow::Result<Progress> {
    let agent = &options.agent;
    let spec_file = SpecFile::locate(&agent.directory, options.spec.as_deref());
    let shown = spec_file.shown();
    let Some(text) = spec_file.read()? else {
        bail!("{shown} does not exist; `ralph init` writes a template, `ralph spec` one from a description");
    };
    let document = SpecDocument::parse(text);
    if document.tasks().is_empty() {
        bail!("{shown} has no tasks; `ralph validate` reports what is missing");
    }
    if let Err(error @ NotSubmittable::Placeholder { .. }) = document.check_submittable() {
        return Err(anyhow!(error).context(format!("{shown} is not ready")));
    }
    let git = Git::new(&agent.directory, &agent.environment);
    if !git.is_work_tree().await.context("finding the git repository")? {
        let directory = agent.directory.display();
        bail!(
            "{directory} is not in a git working tree, which is needed to recognise commits; `git init` creates one"
        );
    }
    // The file of an earlier run does not apply to this one.
    match fs::remove_file(agent.directory.join(options.files.stuck())) {
        Err(error)
            if error.kind() != std::io::ErrorKind::NotFound
                && error.kind() != std::io::ErrorKind::NotADirectory =>
        {
            return Err(anyhow!(error).context(format!(
                "removing the {} of an earlier run",
                options.files.stuck()
            )));
        }
        Ok(()) | Err(_) => {}
    }
    Progress::begin(
        git,
        spec_file,
        document,
        &options.files,
        options.keep_commit.clone(),
    )
    .await
    .context("reading the existing commits")
}

/// The reason that the agent gave for being stuck, if it did.
fn stuck_reason(options: &RunOptions) -> anyhow::Result<Option<String>> {
    let path = options.agent.directory.join(options.files.stuck());
    let reason = match read_text(&path, LARGEST_TEXT) {
        Ok(reason) => reason,
        Err(error @ FileError::Read { .. }) => return Err(error.into()),
        // The file exists, so the agent is stuck; its reason cannot be read.
        Err(error) => Some(format!("the agent reported that it is stuck, but {error}")),
    };
    Ok(reason.and_then(non_blank))
}

/// What the caller wants put right before the first task.
fn read_correction(options: &RunOptions) -> Result<Option<String>, FileError> {
    let path = options.agent.directory.join(options.files.correction());
    Ok(read_text(&path, LARGEST_TEXT)?.and_then(non_blank))
}

fn non_blank(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
