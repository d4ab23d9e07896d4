//! Makes all calls to the orchestrator after `register`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use whim_client::{ClientError, WorkerClient};
use whim_core::protocol::worker::{AttemptEnded, Fail, Heartbeat, Stuck};
use whim_core::redact::Redactor;
use whim_service::backoff::{self, BackoffBuilder as _, ExponentialBuilder};
use whim_service::chain::chain;

use super::lease::Lease;
use super::notes::Notes;
use super::outbox::Outbox;
use crate::config::Reporting;
use crate::outcome::{FinalReport, MAX_REASON_CHARACTERS};
use crate::text::shorten;

/// While the orchestrator is unavailable.
const BACKOFF: ExponentialBuilder = backoff::exponential(Duration::from_millis(200), MAX_DELAY);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// The lease was lost, or could not be renewed in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced;

/// The final report was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Unreported {
    /// The lease was lost.
    #[error("the lease was lost")]
    Fenced,
    /// The orchestrator rejected the content of the report.
    #[error("the orchestrator rejected the final report")]
    Refused(#[source] ClientError),
}

/// Sends what the reporter buffered.
#[derive(Debug)]
pub struct Sender {
    client: WorkerClient,
    outbox: watch::Sender<Outbox>,
    lease: watch::Sender<Lease>,
    notes: Notes,
    reporting: Reporting,
    redactor: Arc<Redactor>,
    seq: u64,
    /// The unanswered heartbeat. It is sent again unchanged, because it may have arrived.
    in_flight: Option<Heartbeat>,
    next_heartbeat: Instant,
}

enum Sent<T> {
    Answered(T),
    /// No answer; the request can be repeated.
    Unanswered,
    /// Rejected for good.
    Refused(ClientError),
}

impl Sender {
    pub(super) fn new(
        client: WorkerClient,
        outbox: watch::Sender<Outbox>,
        lease: watch::Sender<Lease>,
        notes: Notes,
        reporting: Reporting,
        redactor: Arc<Redactor>,
    ) -> Self {
        Self {
            client,
            outbox,
            lease,
            notes,
            reporting,
            redactor,
            seq: 0,
            in_flight: None,
            next_heartbeat: Instant::now(),
        }
    }

    /// Sends heartbeats until the lease is lost. Cancel safe.
    pub async fn until_fenced(&mut self) -> Fenced {
        let mut delays = BACKOFF.build();
        loop {
            if self.in_flight.is_none() {
                if let Err(fenced) = self.wait_until_due().await {
                    return fenced;
                }
                self.fill_heartbeat();
            }
            match self.send_in_flight().await {
                Ok(true) => delays = BACKOFF.build(),
                Ok(false) => {
                    if let Err(fenced) = self.while_leased(sleep(delays.next().unwrap_or(MAX_DELAY))).await {
                        return fenced;
                    }
                }
                Err(fenced) => return fenced,
            }
        }
    }

    /// Sends the remaining events, then the final report.
    ///
    /// # Errors
    /// The lease was lost or could not be renewed in time, or the report was rejected.
    pub async fn finish(mut self, report: FinalReport) -> Result<AttemptEnded, Unreported> {
        self.flush().await?;
        self.submit_with_retry(&self.sanitized(report)).await
    }

    async fn flush(&mut self) -> Result<(), Unreported> {
        let mut delays = BACKOFF.build();
        loop {
            if self.in_flight.is_none() {
                if !self.outbox.borrow().is_pending() {
                    return Ok(());
                }
                self.fill_heartbeat();
            }
            if !self
                .send_in_flight()
                .await
                .map_err(|_fenced| Unreported::Fenced)?
            {
                self.wait(delays.next()).await?;
            }
        }
    }

    async fn submit_with_retry(&self, report: &FinalReport) -> Result<AttemptEnded, Unreported> {
        tracing::info!(outcome = %report, "sending the final report");
        let mut delays = BACKOFF.build();
        loop {
            let client = self.client.clone();
            let call = async {
                match report {
                    FinalReport::Complete(complete) => client.complete(complete).await,
                    FinalReport::Fail(fail) => client.fail(fail).await,
                    FinalReport::Stuck(stuck) => client.stuck(stuck).await,
                }
            };
            match self.send(call).await.map_err(|_fenced| Unreported::Fenced)? {
                Sent::Answered(ended) => return Ok(ended),
                Sent::Unanswered => self.wait(delays.next()).await?,
                Sent::Refused(error) => return Err(Unreported::Refused(error)),
            }
        }
    }

    async fn wait(&self, delay: Option<Duration>) -> Result<(), Unreported> {
        self.while_leased(sleep(delay.unwrap_or(MAX_DELAY)))
            .await
            .map_err(|_fenced| Unreported::Fenced)
    }

    /// Masks secrets and truncates the reason.
    fn sanitized(&self, report: FinalReport) -> FinalReport {
        let sanitized = |reason: &str| {
            // Postgres cannot store NUL.
            let reason = self.redactor.redact(reason).replace('\0', "");
            shorten(&reason, MAX_REASON_CHARACTERS)
        };
        match report {
            FinalReport::Complete(complete) => FinalReport::Complete(complete),
            FinalReport::Fail(fail) => FinalReport::Fail(Fail {
                reason: sanitized(&fail.reason),
                ..fail
            }),
            FinalReport::Stuck(stuck) => FinalReport::Stuck(Stuck {
                reason: sanitized(&stuck.reason),
                ..stuck
            }),
        }
    }

    /// Waits until a batch is full, its first event was held back long enough, or a periodic heartbeat is due.
    async fn wait_until_due(&self) -> Result<(), Fenced> {
        let mut outbox = self.outbox.subscribe();
        let batch = async {
            // The channel cannot be closed, as this sender owns it.
            outbox.wait_for(Outbox::is_pending).await.ok();
            timeout(self.reporting.event_batch, outbox.wait_for(Outbox::is_full))
                .await
                .ok();
        };
        let due = async {
            tokio::select! {
                () = batch => {}
                () = sleep_until(self.next_heartbeat) => {}
            }
        };
        self.while_leased(due).await
    }

    fn fill_heartbeat(&mut self) {
        self.seq += 1;
        let seq = self.seq;
        self.outbox
            .send_modify(|outbox| self.in_flight = Some(outbox.take(seq)));
    }

    /// Returns `false` if the heartbeat must be sent again.
    async fn send_in_flight(&mut self) -> Result<bool, Fenced> {
        let Some(heartbeat) = &self.in_flight else {
            return Ok(true);
        };
        let requested_at = Instant::now();
        match self.send(self.client.heartbeat(heartbeat)).await? {
            Sent::Answered(renewed) => {
                self.lease
                    .send_replace(Lease::renewed(requested_at, renewed.lease_seconds));
                self.notes.announce(renewed.note_count);
            }
            Sent::Unanswered => return Ok(false),
            // A defect of the worker. The next heartbeat may be valid, so the work continues.
            Sent::Refused(error) => {
                tracing::error!(error = %chain(&error), "the orchestrator rejected a heartbeat; it is dropped");
            }
        }
        self.in_flight = None;
        self.next_heartbeat = requested_at + self.reporting.heartbeat;
        Ok(true)
    }

    async fn send<T>(&self, call: impl Future<Output = Result<T, ClientError>>) -> Result<Sent<T>, Fenced> {
        match self.while_leased(call).await? {
            Ok(answer) => Ok(Sent::Answered(answer)),
            Err(error) if is_lease_lost(&error) => {
                tracing::warn!(error = %chain(&error), "the lease was lost");
                Err(Fenced)
            }
            Err(error) if error.is_temporary() || error.code().is_none() => {
                tracing::warn!(error = %chain(&error), "the orchestrator is unavailable");
                Ok(Sent::Unanswered)
            }
            Err(error) => Ok(Sent::Refused(error)),
        }
    }

    /// Cancels `future` when the lease expires.
    async fn while_leased<T>(&self, future: impl Future<Output = T>) -> Result<T, Fenced> {
        let expires_at = self.lease.borrow().expires_at;
        tokio::select! {
            biased;
            () = sleep_until(expires_at) => {
                tracing::warn!("the lease could not be renewed in time");
                Err(Fenced)
            }
            done = future => Ok(done),
        }
    }
}

/// Whether the orchestrator does not accept anything more from this worker: the worker is unknown, its token is invalid,
/// its lease was lost, or its protocol version is not supported.
fn is_lease_lost(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { status, .. } => matches!(status, 401 | 403 | 404 | 409 | 426),
        ClientError::Unreachable(_) | ClientError::Unexpected { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use whim_core::protocol::events::WorkerEventBody;
    use whim_core::{WorkerId, WorkerToken};

    use super::super::outbox::FULL_BATCH;
    use super::*;

    const REPORTING: Reporting = Reporting {
        heartbeat: Duration::from_secs(10),
        event_batch: Duration::from_millis(250),
    };

    /// How long the first of so many events is held back, and how many are sent with it.
    async fn hold_back(events: usize) -> (Duration, usize) {
        whim_service::telemetry::install_crypto();
        let client = WorkerClient::new(
            "http://127.0.0.1:1".parse().unwrap(),
            WorkerId::new(),
            &WorkerToken::presented("a-token"),
            whim_client::Timing::STANDARD,
        )
        .unwrap();
        let start = Instant::now();
        let outbox = watch::Sender::new(Outbox::default());
        let lease = watch::Sender::new(Lease::renewed(start, 300));
        let notes = Notes::new(client.clone(), &[]);
        let mut sender = Sender::new(client, outbox.clone(), lease, notes, REPORTING, Arc::default());
        sender.next_heartbeat = start + REPORTING.heartbeat;
        for _ in 0..events {
            let message = "something happened".to_owned();
            outbox.send_modify(|outbox| outbox.push(WorkerEventBody::Notice { message }));
        }
        sender.wait_until_due().await.unwrap();
        sender.fill_heartbeat();
        (start.elapsed(), sender.in_flight.unwrap().events.len())
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_sent_in_batches_of_a_hundred_or_after_250_milliseconds() {
        let about = |(waited, events): (Duration, usize)| (waited.as_millis() / 10 * 10, events);
        assert_eq!(about(hold_back(1).await), (250, 1));
        assert_eq!(about(hold_back(FULL_BATCH - 1).await), (250, 99));
        assert_eq!(about(hold_back(FULL_BATCH).await), (0, 100));
        assert_eq!(about(hold_back(FULL_BATCH + 20).await), (0, 100));
        assert_eq!(about(hold_back(0).await), (10_000, 0));
    }
}
