//! Captured log lines.

use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use whim_service::telemetry::{Style, subscriber};

/// The log lines of this thread, which runs the whole intake in a test.
pub(crate) struct Logs {
    bytes: Arc<RwLock<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Logs {
    pub(crate) fn capture() -> Self {
        let bytes = Arc::new(RwLock::new(Vec::new()));
        let writer = Writer(Arc::clone(&bytes));
        let style = Style::Json { service: "test" };
        let (subscriber, _levels) =
            subscriber(style, "info,whim_service=debug", move || writer.clone()).unwrap();
        Self {
            bytes,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The lines of these levels.
    pub(crate) fn of_levels(&self, levels: &[&str]) -> Vec<Value> {
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        let lines = std::str::from_utf8(&bytes).unwrap().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| levels.iter().any(|level| line["level"] == *level))
            .collect()
    }

    pub(crate) fn warnings(&self) -> Vec<Value> {
        self.of_levels(&["WARN", "ERROR"])
    }

    /// The number of polls of a repository that ended with or without an error.
    pub(crate) fn count_polls(&self, repo: &str) -> usize {
        let task = format!("repository:{repo}");
        let lines = self.of_levels(&["DEBUG", "WARN"]);
        lines.iter().filter(|line| line["task"] == task.as_str()).count()
    }
}

#[derive(Clone)]
struct Writer(Arc<RwLock<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
