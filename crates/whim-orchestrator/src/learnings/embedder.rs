//! The child process that turns texts into vectors: started when it is needed, ended when it is idle.
//!
//! The orchestrator has no HTTP client and no model in memory: both are in `whim-embedder`.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use whim_core::embedder::{DIMENSIONS, EmbedRequest, EmbedResponse, EmbedderReady, EmbedderSource};
use whim_service::lines::Lines;

use crate::config::LearningsConfig;

/// Time for loading the model and for one batch.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it is not asked again after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// A batch of 64 vectors has about 300 kB.
const MAX_LINE_BYTES: usize = 16 << 20;

/// Why texts were not embedded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EmbedFailed(String);

/// The handle of the child process. Clones share it.
#[derive(Clone, Debug)]
pub struct Embedder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: LearningsConfig,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    failure: Option<(Instant, EmbedFailed)>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    requests: ChildStdin,
    responses: Lines<ChildStdout>,
    used_at: Instant,
}

impl Embedder {
    pub fn new(config: LearningsConfig) -> Self {
        Self(Arc::new(Shared {
            config,
            state: Mutex::default(),
        }))
    }

    /// Name of the model, stored with each vector.
    pub fn model(&self) -> String {
        self.0.config.embedding.model_name()
    }

    /// One vector of length 1 per text.
    ///
    /// # Errors
    /// The child cannot be started, did not answer in time, or answered that it failed.
    pub async fn embed(&self, texts: &[String], limit: Duration) -> Result<Vec<Vec<f32>>, EmbedFailed> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + limit;
        let Ok(mut state) = timeout_at(deadline, self.0.state.lock()).await else {
            // Another call uses the child. Nothing is known to be wrong with it.
            return Err(EmbedFailed(format!(
                "the embedder was busy for {} s",
                limit.as_secs_f64()
            )));
        };
        if let Some((at, failure)) = &state.failure
            && at.elapsed() < PAUSE_AFTER_FAILURE
        {
            return Err(failure.clone());
        }
        // Taken: a call that ends early leaves no child with half an answer.
        let running = state.running.take();
        let asked = timeout_at(deadline, self.ask(running, texts)).await;
        let (running, result) = asked.unwrap_or_else(|_| {
            let failure = EmbedFailed(format!("no vectors within {} s", limit.as_secs_f64()));
            (None, Err(failure))
        });
        state.running = running;
        state.failure = result
            .as_ref()
            .err()
            .map(|failure| (Instant::now(), failure.clone()));
        result
    }

    /// Asks the child, which is started if there is none. It comes back if it can be asked again.
    async fn ask(
        &self,
        running: Option<Running>,
        texts: &[String],
    ) -> (Option<Running>, Result<Vec<Vec<f32>>, EmbedFailed>) {
        let mut running = match running {
            Some(running) => running,
            None => match self.start().await {
                Ok(running) => running,
                Err(failure) => return (None, Err(failure)),
            },
        };
        let request = EmbedRequest {
            texts: texts.to_vec(),
        };
        let response = running.ask(&request).await;
        running.used_at = Instant::now();
        match response {
            Ok(EmbedResponse::Vectors(vectors)) if is_complete(&vectors, texts.len()) => {
                (Some(running), Ok(vectors))
            }
            Ok(EmbedResponse::Vectors(_)) => {
                let failure = "the embedder returned vectors of another number or length";
                (None, Err(EmbedFailed(failure.to_owned())))
            }
            Ok(EmbedResponse::Error(error)) => (Some(running), Err(EmbedFailed(error))),
            Err(error) => (None, Err(EmbedFailed(format!("the embedder ended: {error}")))),
        }
    }

    async fn start(&self) -> Result<Running, EmbedFailed> {
        let config = &self.0.config.embedding;
        let program = config.program();
        let mut child = Command::new(&program)
            .env_clear()
            .env("RAYON_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| not_started(&program, &error))?;
        let (Some(requests), Some(responses)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(EmbedFailed("the embedder has no pipes".to_owned()));
        };
        let mut running = Running {
            child,
            requests,
            responses: Lines::new(responses, MAX_LINE_BYTES),
            used_at: Instant::now(),
        };
        let source = config.source();
        let started = timeout(
            START_TIMEOUT,
            running.ask::<EmbedderSource, EmbedderReady>(&source),
        )
        .await;
        match started {
            Ok(Ok(EmbedderReady::Ready)) => Ok(running),
            Ok(Ok(EmbedderReady::Error(error))) => Err(EmbedFailed(error)),
            Ok(Err(error)) => Err(EmbedFailed(format!("the embedder did not start: {error}"))),
            Err(_) => Err(EmbedFailed(format!(
                "the embedder did not start within {} s",
                START_TIMEOUT.as_secs()
            ))),
        }
    }

    /// Ends the child if it has not been used for the idle time. Returns whether it is running.
    pub async fn end_if_idle(&self) -> bool {
        let Ok(mut state) = self.0.state.try_lock() else {
            return true;
        };
        let idle = |running: &Running| running.used_at.elapsed() >= self.0.config.embedding.idle_timeout;
        if state.running.as_ref().is_some_and(idle)
            && let Some(mut running) = state.running.take()
        {
            // It ends at the end of its input; if not, dropping it kills it.
            drop(running.requests);
            let _timed_out = timeout(Duration::from_secs(2), running.child.wait()).await;
        }
        state.running.is_some()
    }

    /// The latest failure, until something was embedded.
    pub async fn failure(&self) -> Option<EmbedFailed> {
        // While it works, nothing is wrong that is known.
        let state = timeout(Duration::from_millis(200), self.0.state.lock())
            .await
            .ok()?;
        state.failure.as_ref().map(|(_, failure)| failure.clone())
    }
}

impl Running {
    async fn ask<Request: serde::Serialize, Response: serde::de::DeserializeOwned>(
        &mut self,
        request: &Request,
    ) -> io::Result<Response> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests.write_all(&line).await?;
        self.requests.flush().await?;
        let line = self
            .responses
            .next()
            .await?
            .filter(|line| !line.is_truncated())
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        Ok(serde_json::from_slice(&line.bytes)?)
    }
}

fn is_complete(vectors: &[Vec<f32>], count: usize) -> bool {
    vectors.len() == count
        && vectors
            .iter()
            .all(|vector| vector.len() == DIMENSIONS && vector.iter().all(|number| number.is_finite()))
}

fn not_started(program: &Path, error: &io::Error) -> EmbedFailed {
    EmbedFailed(format!(
        "{} cannot be started: {error}; set EMBEDDER_PROGRAM to the path of whim-embedder",
        program.display()
    ))
}
