//! The one place that calls the orchestrator after `register`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use whim_client::{ClientError, WorkerClient};
use whim_core::protocol::worker::{AttemptEnded, Fail, Heartbeat, Stuck};
use whim_core::redact::Redactor;
use whim_service::chain::chain;

use super::lease::Lease;
use super::outbox::Outbox;
use crate::config::Reporting;
use crate::outcome::{FinalReport, MAX_REASON_CHARACTERS};
use crate::text::shorten;

/// Between two attempts while the orchestrator is away.
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// The item was taken away, or the lease could not be renewed in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced;

/// The last report was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Unreported {
    /// The item is not this worker's any more.
    #[error("the item was taken away")]
    Fenced,
    /// The orchestrator refused the report itself.
    #[error("the orchestrator refused the report")]
    Refused(#[source] ClientError),
}

/// Sends what the [`super::Reporter`] took note of.
#[derive(Debug)]
pub struct Sender {
    client: WorkerClient,
    outbox: watch::Sender<Outbox>,
    lease: watch::Sender<Lease>,
    reporting: Reporting,
    redactor: Arc<Redactor>,
    seq: u64,
    /// The heartbeat that has not been answered: sent again as it is, because it may have arrived.
    in_flight: Option<Heartbeat>,
    next_beat: Instant,
}

/// What became of one attempt to send something.
enum Sent<T> {
    Answered(T),
    /// Not answered; the same may be sent again.
    Unanswered,
    /// The orchestrator does not want this, now or later.
    Refused(ClientError),
}

impl Sender {
    pub(super) fn new(
        client: WorkerClient,
        outbox: watch::Sender<Outbox>,
        lease: watch::Sender<Lease>,
        reporting: Reporting,
        redactor: Arc<Redactor>,
    ) -> Self {
        Self {
            client,
            outbox,
            lease,
            reporting,
            redactor,
            seq: 0,
            in_flight: None,
            next_beat: Instant::now(),
        }
    }

    /// Sends heartbeats until the item is not this worker's any more. Dropping the call loses nothing.
    pub async fn until_fenced(&mut self) -> Fenced {
        let mut delays = Delays::new();
        loop {
            if self.in_flight.is_none() {
                if let Err(fenced) = self.wait_for_something_to_send().await {
                    return fenced;
                }
                self.fill();
            }
            match self.send_in_flight().await {
                Ok(true) => delays = Delays::new(),
                Ok(false) => {
                    if let Err(fenced) = self.while_leased(sleep(delays.next())).await {
                        return fenced;
                    }
                }
                Err(fenced) => return fenced,
            }
        }
    }

    /// Sends what is left, then the last report, each until it is answered.
    ///
    /// # Errors
    /// The item was taken away or the lease could not be renewed in time, or the report itself was refused.
    pub async fn finish(mut self, report: FinalReport) -> Result<AttemptEnded, Unreported> {
        let mut delays = Delays::new();
        loop {
            if self.in_flight.is_none() {
                if !self.outbox.borrow().has_news() {
                    break;
                }
                self.fill();
            }
            if !self
                .send_in_flight()
                .await
                .map_err(|_fenced| Unreported::Fenced)?
            {
                self.pause(delays.next()).await?;
            }
        }
        let report = self.presentable(report);
        tracing::info!(?report, "reporting how the attempt ended");
        let mut delays = Delays::new();
        loop {
            let client = self.client.clone();
            let call = async {
                match &report {
                    FinalReport::Complete(complete) => client.complete(complete).await,
                    FinalReport::Fail(fail) => client.fail(fail).await,
                    FinalReport::Stuck(stuck) => client.stuck(stuck).await,
                }
            };
            match self.send(call).await.map_err(|_fenced| Unreported::Fenced)? {
                Sent::Answered(ended) => return Ok(ended),
                Sent::Unanswered => self.pause(delays.next()).await?,
                Sent::Refused(error) => return Err(Unreported::Refused(error)),
            }
        }
    }

    async fn pause(&self, delay: Duration) -> Result<(), Unreported> {
        self.while_leased(sleep(delay))
            .await
            .map_err(|_fenced| Unreported::Fenced)
    }

    /// Masks secrets and bounds what a person reads.
    fn presentable(&self, report: FinalReport) -> FinalReport {
        let presentable = |reason: &str| {
            // NUL is the one character that the database cannot store.
            let reason = self.redactor.redact(reason).replace('\0', "");
            shorten(&reason, MAX_REASON_CHARACTERS)
        };
        match report {
            FinalReport::Complete(complete) => FinalReport::Complete(complete),
            FinalReport::Fail(fail) => FinalReport::Fail(Fail {
                reason: presentable(&fail.reason),
                ..fail
            }),
            FinalReport::Stuck(stuck) => FinalReport::Stuck(Stuck {
                reason: presentable(&stuck.reason),
                ..stuck
            }),
        }
    }

    /// Until a batch is full, its first event has waited long enough, or the timer is due.
    async fn wait_for_something_to_send(&self) -> Result<(), Fenced> {
        let mut outbox = self.outbox.subscribe();
        let batch = async {
            // Errors mean that nobody writes any more, which cannot be: this sender keeps the channel open.
            let _first = outbox.wait_for(Outbox::has_news).await.map(drop);
            let _full = timeout(self.reporting.event_batch, outbox.wait_for(Outbox::is_full))
                .await
                .map(|full| full.map(drop));
        };
        let something = async {
            tokio::select! {
                () = batch => {}
                () = sleep_until(self.next_beat) => {}
            }
        };
        self.while_leased(something).await
    }

    fn fill(&mut self) {
        self.seq += 1;
        let seq = self.seq;
        self.outbox
            .send_modify(|outbox| self.in_flight = Some(outbox.take(seq)));
    }

    /// `true` when the heartbeat is off the hands of this worker.
    async fn send_in_flight(&mut self) -> Result<bool, Fenced> {
        let Some(heartbeat) = &self.in_flight else {
            return Ok(true);
        };
        let asked_at = Instant::now();
        match self.send(self.client.heartbeat(heartbeat)).await? {
            Sent::Answered(renewed) => {
                self.lease
                    .send_replace(Lease::renewed(asked_at, renewed.lease_seconds));
            }
            Sent::Unanswered => return Ok(false),
            // A defect of ours; the next heartbeat may be better, and the work goes on.
            Sent::Refused(error) => {
                tracing::error!(error = %chain(&error), "the orchestrator refused a heartbeat, which is dropped");
            }
        }
        self.in_flight = None;
        self.next_beat = asked_at + self.reporting.heartbeat;
        Ok(true)
    }

    async fn send<T>(&self, call: impl Future<Output = Result<T, ClientError>>) -> Result<Sent<T>, Fenced> {
        match self.while_leased(call).await? {
            Ok(answer) => Ok(Sent::Answered(answer)),
            Err(error) if takes_the_item_away(&error) => {
                tracing::warn!(error = %chain(&error), "the item was taken away");
                Err(Fenced)
            }
            Err(error) if error.is_temporary() || error.code().is_none() => {
                tracing::warn!(error = %chain(&error), "the orchestrator is away");
                Ok(Sent::Unanswered)
            }
            Err(error) => Ok(Sent::Refused(error)),
        }
    }

    /// Runs something as long as the lease lasts.
    async fn while_leased<T>(&self, something: impl Future<Output = T>) -> Result<T, Fenced> {
        let ends = self.lease.borrow().ends;
        tokio::select! {
            biased;
            () = sleep_until(ends) => {
                tracing::warn!("the lease could not be renewed in time");
                Err(Fenced)
            }
            done = something => Ok(done),
        }
    }
}

/// Answers after which nothing that this worker does counts any more: it is not known, its token is not accepted, the
/// item is somebody else's, or the orchestrator does not speak its protocol.
fn takes_the_item_away(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { status, .. } => matches!(status, 401 | 403 | 404 | 409 | 426),
        ClientError::Unreachable(_) | ClientError::Unexpected { .. } => false,
    }
}

struct Delays(Duration);

impl Delays {
    fn new() -> Self {
        Self(FIRST_DELAY)
    }

    fn next(&mut self) -> Duration {
        let delay = self.0;
        self.0 = (delay * 2).min(LONGEST_DELAY);
        delay
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

    /// How long something waits to be sent, and with how many others it goes.
    async fn waits(events: usize) -> (Duration, usize) {
        whim_service::telemetry::install_crypto();
        let client = WorkerClient::new(
            "http://127.0.0.1:1".parse().unwrap(),
            WorkerId::new(),
            &WorkerToken::presented("a-token"),
            whim_client::Timing::STANDARD,
        )
        .unwrap();
        let begin = Instant::now();
        let outbox = watch::Sender::new(Outbox::default());
        let lease = watch::Sender::new(Lease::renewed(begin, 300));
        let mut sender = Sender::new(client, outbox.clone(), lease, REPORTING, Arc::default());
        sender.next_beat = begin + REPORTING.heartbeat;
        for _ in 0..events {
            let message = "something happened".to_owned();
            outbox.send_modify(|outbox| outbox.push(WorkerEventBody::Notice { message }));
        }
        sender.wait_for_something_to_send().await.unwrap();
        sender.fill();
        (begin.elapsed(), sender.in_flight.unwrap().events.len())
    }

    #[tokio::test(start_paused = true)]
    async fn events_go_in_batches_of_a_hundred_or_of_250_milliseconds() {
        let about = |(waited, events): (Duration, usize)| (waited.as_millis() / 10 * 10, events);
        assert_eq!(about(waits(1).await), (250, 1));
        assert_eq!(about(waits(FULL_BATCH - 1).await), (250, 99));
        assert_eq!(about(waits(FULL_BATCH).await), (0, 100));
        assert_eq!(about(waits(FULL_BATCH + 20).await), (0, 100));
        assert_eq!(about(waits(0).await), (10_000, 0));
    }
}
