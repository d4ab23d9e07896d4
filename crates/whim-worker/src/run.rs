//! An attempt: its registration, its phases beside the reports about them, and the final report.

mod phases;
mod register;
mod tools;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;
use whim_client::{Timing, WorkerClient};

use self::phases::Registered;
use self::register::register;
use self::tools::{AgentFiles, Tools};
use crate::config::Config;
use crate::credentials::Credentials;
use crate::locks::LockClient;
use crate::mcp::McpServers;
use crate::outcome::{Ending, FinalReport};
use crate::report::{self, Fenced, Unreported};
use crate::workspace::{Layout, NewLearnings};

/// The sender does its own retries while the lease lasts.
const TIMING: Timing = Timing {
    connect: Duration::from_secs(5),
    attempt: Duration::from_secs(10),
    retries: 0,
    first_delay: Duration::from_millis(200),
    longest_delay: Duration::from_secs(5),
};

/// How long the final report waits for the end of the transcript.
const FLUSH_BEFORE_REPORT: Duration = Duration::from_secs(5);
/// How long the worker exits later for it. Less than the time that the orchestrator leaves it.
const FLUSH_AFTER_REPORT: Duration = Duration::from_secs(10);

/// Runs the attempt from registration to the final report.
///
/// # Errors
/// The worker could not register, or its final report was rejected.
pub async fn run_attempt(config: &Config, credentials: Credentials) -> anyhow::Result<Ending> {
    let mcp_servers = match &config.agent.mcp_config {
        Some(file) => McpServers::read(file).map_err(anyhow::Error::msg)?,
        None => McpServers::default(),
    };
    let paths = Layout::shown_paths(&config.workspace_dir, config.repair_iterations);
    let others = mcp_servers.secrets().map(str::to_owned);
    let others = others.chain(config.child_env.proxy_passwords());
    let redactor = Arc::new(credentials.redactor(others).hiding(paths));
    let client = WorkerClient::new(
        config.orchestrator_url.clone(),
        config.worker_id,
        &credentials.worker_token,
        TIMING,
    )
    .context("creating the orchestrator client")?;
    let requested_at = Instant::now();
    let Some(answer) = register(&client).await? else {
        return Ok(Ending::Fenced);
    };
    let (reporter, mut sender, mut uploader) = report::open(
        client.clone(),
        &answer,
        requested_at,
        config.reporting,
        Arc::clone(&redactor),
    );
    let notes = reporter.notes().clone();
    let new_learnings = Arc::new(OnceLock::<NewLearnings>::new());
    let registered = Registered {
        tools: Tools {
            config,
            worker_token: credentials.worker_token,
            github_token: credentials.github_token,
            model: credentials.model,
            redactor: Arc::clone(&redactor),
            client: client.clone(),
            lock_client: LockClient::new(client, reporter.clone(), config.agent.lock_wait_timeout),
            reporter: reporter.clone(),
            mcp_servers,
            agent_files: AgentFiles::default(),
            new_learnings: Arc::clone(&new_learnings),
        },
        answer,
    };
    let result = tokio::select! {
        // The sender first: a worker that was suspended detects a lost lease before it does anything else.
        biased;
        Fenced = sender.until_fenced() => return Ok(Ending::Fenced),
        result = Box::pin(phases::run(registered)) => result,
        never = uploader.run() => match never {},
        never = notes.follow() => match never {},
    };
    // The final report does not depend on the transcript.
    tokio::select! {
        biased;
        Fenced = sender.until_fenced() => return Ok(Ending::Fenced),
        _is_complete = uploader.flush(FLUSH_BEFORE_REPORT) => {}
    }
    let learnings = new_learnings
        .get()
        .map(|file| file.read(&redactor))
        .unwrap_or_default();
    let report = FinalReport::new(result, reporter.totals(), learnings);
    let ending: fn(_) -> _ = match &report {
        FinalReport::Complete(_) => Ending::Completed,
        FinalReport::Fail(_) => Ending::Failed,
        FinalReport::Stuck(_) => Ending::Stuck,
    };
    match sender.finish(report).await {
        Ok(ended) => {
            // The orchestrator answers again, if it did not before.
            if !uploader.flush(FLUSH_AFTER_REPORT).await {
                tracing::warn!("the end of the transcript could not be uploaded");
            }
            Ok(ending(ended))
        }
        Err(Unreported::Fenced) => Ok(Ending::Fenced),
        Err(error @ Unreported::Refused(_)) => Err(error.into()),
    }
}
