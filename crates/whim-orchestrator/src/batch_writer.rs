//! Writes requests of many callers in one statement.
//!
//! The requests that arrive while a batch is written form the next batch: none waits for a timer, and the more there are,
//! the fewer transactions each costs. One batch is written at a time, so requests keep their order.

use std::sync::OnceLock;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use whim_service::chain::chain;

use crate::db::acquire;

/// Requests beyond this are written one by one, where they wait for a connection.
const QUEUE_LENGTH: usize = 4096;

/// Time without requests after which the connection is returned to the pool.
const CONNECTION_IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// A request in the queue. `written` is dropped without a message when it could not be written in a batch.
#[derive(Debug)]
pub(crate) struct Queued<T, R> {
    pub(crate) request: T,
    pub(crate) written: oneshot::Sender<R>,
}

/// Writes requests `T`, which are answered with `R`.
pub(crate) trait WriteBatch<T, R>: Sync {
    /// Writes a batch, and answers the requests that it has written.
    fn write_batch(
        &self,
        db: &mut PgConnection,
        batch: &mut Vec<Queued<T, R>>,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// The queue of requests `T` that are answered with `R`.
#[derive(Debug)]
pub(crate) struct BatchQueue<T, R> {
    /// Empty until [`BatchQueue::open`] is called.
    sender: OnceLock<mpsc::Sender<Queued<T, R>>>,
}

impl<T, R> Default for BatchQueue<T, R> {
    fn default() -> Self {
        Self {
            sender: OnceLock::new(),
        }
    }
}

impl<T: Send, R: Send> BatchQueue<T, R> {
    /// # Errors
    /// It is open.
    fn open(&self) -> anyhow::Result<mpsc::Receiver<Queued<T, R>>> {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        let opened = self.sender.set(sender);
        anyhow::ensure!(opened.is_ok(), "the batches of this queue are written already");
        Ok(receiver)
    }

    /// Waits until the request was written in a batch. `None` when it was not: the queue is closed or full, the batch
    /// failed, or the request was left out of it. Writing it alone then shows the reason.
    pub(crate) async fn write(&self, request: T) -> Option<R> {
        let queue = self.sender.get()?;
        let (written, answer) = oneshot::channel();
        queue.try_send(Queued { request, written }).ok()?;
        answer.await.ok()
    }

    /// Writes batches of at most `size` requests until `stop`, and then what is queued.
    ///
    /// # Errors
    /// It was called before for this queue.
    pub(crate) async fn run(
        &self,
        writer: &impl WriteBatch<T, R>,
        pool: &PgPool,
        size: usize,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut queue = self.open()?;
        let mut batch = Vec::with_capacity(size);
        // Kept between busy batches: acquiring and returning a connection are round trips too.
        let mut connection = None;
        loop {
            let received = tokio::select! {
                biased;
                () = stop.cancelled(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
                received = queue.recv_many(&mut batch, size) => received,
                () = tokio::time::sleep(CONNECTION_IDLE_TIMEOUT), if connection.is_some() => {
                    connection = None;
                    continue;
                }
            };
            if received == 0 {
                return Ok(());
            }
            let written = async {
                let db = match &mut connection {
                    Some(connection) => connection,
                    None => connection.insert(acquire(pool).await?),
                };
                writer.write_batch(db, &mut batch).await
            };
            if let Err(error) = written.await {
                let error = chain(&error);
                tracing::warn!(%error, requests = received, "a batch failed; its requests are written one by one");
                connection = None;
            }
            // Their callers write them alone.
            batch.clear();
        }
    }
}
