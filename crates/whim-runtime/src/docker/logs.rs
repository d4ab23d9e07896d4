//! What workers printed. The engine keeps it, capped, as long as the container is there.

use anyhow::Context as _;
use bollard::query_parameters::LogsOptionsBuilder;
use futures::stream::StreamExt as _;
use whim_core::WorkerId;

use super::engine::refusal;
use super::inner::Inner;
use crate::runtime::{LogStream, RuntimeError};

/// The engine counts lines; a line of a log is rarely shorter than this.
const BYTES_A_LINE: u64 = 64;
const FEWEST_LINES: u64 = 100;

impl Inner {
    /// The last `bytes` bytes; `None` when there is no such container, or no more.
    pub(super) async fn logs(&self, worker: WorkerId, bytes: u64) -> anyhow::Result<Option<String>> {
        let docker = self.engine.connected().await?;
        let Some(id) = self.container_of(docker, worker).await? else {
            return Ok(None);
        };
        let lines = (bytes / BYTES_A_LINE).max(FEWEST_LINES);
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let most = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut log = Vec::new();
        let mut output = docker.logs(&id, Some(options)).boxed();
        while let Some(line) = output.next().await {
            match line {
                Ok(line) => log.extend_from_slice(&line.into_bytes()),
                Err(error) if refusal(&error) == Some(404) => return Ok(None),
                Err(error) => return Err(error).context("reading what the engine kept"),
            }
            // Lines may be long: what is too old goes before it is too much, and not with every line.
            if log.len() / 2 > most {
                log.drain(..log.len() - most);
            }
        }
        let tail = &log[log.len().saturating_sub(most)..];
        Ok(Some(String::from_utf8_lossy(tail).into_owned()))
    }

    /// The last `lines` lines, and what comes after them until the container ends; `None` as above.
    pub(super) async fn follow(&self, worker: WorkerId, lines: usize) -> anyhow::Result<Option<LogStream>> {
        let docker = self.engine.connected().await?;
        let Some(id) = self.container_of(docker, worker).await? else {
            return Ok(None);
        };
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .follow(true)
            .build();
        let output = docker.logs(&id, Some(options)).map(move |output| match output {
            Ok(output) => Ok(output.into_bytes()),
            Err(error) => Err(failed(worker, error)),
        });
        Ok(Some(output.boxed()))
    }
}

/// The log of a worker cannot be read.
pub(super) fn failed(worker: WorkerId, error: impl Into<anyhow::Error>) -> RuntimeError {
    RuntimeError::new(format!("reading the log of the worker {worker}"), error)
}
