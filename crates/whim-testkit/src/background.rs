//! Background tasks on a separate runtime.

use std::future::Future;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

/// A future on a separate thread and runtime: it continues while a test blocks its thread. On drop, it and the tasks
/// that it spawned are cancelled.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub(crate) fn start(
        name: &'static str,
        work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = work => ended,
                    _ = stopped => Ok(()),
                }
            });
            if let Err(error) = ended {
                tracing::error!(name, "ended early: {error:#}");
            }
        })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a background thread of the testkit panicked");
        }
    }
}
