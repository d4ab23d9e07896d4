//! Sends segments of the transcript and the diff.

use std::convert::Infallible;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use whim_client::{ClientError, WorkerClient};
use whim_core::protocol::diff::ReportDiff;
use whim_core::protocol::transcript::UploadTranscript;
use whim_service::backoff::{self, BackoffBuilder as _, ExponentialBuilder};
use whim_service::chain::chain;

use super::buffer::Buffer;

/// How long the first entry of a segment is held back for others. Bounds the rate of requests and of notifications.
const HOLD_BACK: Duration = Duration::from_secs(1);

/// While the orchestrator is unavailable.
const BACKOFF: ExponentialBuilder = backoff::exponential(Duration::from_millis(200), MAX_DELAY);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// Sends what the recorder buffered.
#[derive(Debug)]
pub struct Uploader {
    client: WorkerClient,
    buffer: watch::Sender<Buffer>,
    /// The unanswered upload. It is sent again unchanged, because it may have arrived.
    in_flight: Option<Upload>,
    /// The orchestrator does not accept anything more from this worker.
    is_refused: bool,
}

#[derive(Debug)]
enum Upload {
    Transcript(UploadTranscript),
    Diff(ReportDiff),
}

impl Uploader {
    pub(super) fn new(client: WorkerClient, buffer: watch::Sender<Buffer>) -> Self {
        Self {
            client,
            buffer,
            in_flight: None,
            is_refused: false,
        }
    }

    /// Uploads as the attempt goes on. Cancel safe.
    pub async fn run(&mut self) -> Infallible {
        let mut delays = BACKOFF.build();
        loop {
            if self.is_refused {
                return std::future::pending().await;
            }
            if self.in_flight.is_none() {
                self.wait_until_due().await;
                self.fill();
            }
            if self.send().await {
                delays = BACKOFF.build();
            } else {
                sleep(delays.next().unwrap_or(MAX_DELAY)).await;
            }
        }
    }

    /// Uploads what is left, for at most `limit`. Returns whether nothing is left. Cancel safe.
    pub async fn flush(&mut self, limit: Duration) -> bool {
        let flush = async {
            self.buffer.send_modify(|buffer| buffer.close(Utc::now()));
            let mut delays = BACKOFF.build();
            while !self.is_refused {
                if self.in_flight.is_none() && !self.fill() {
                    return;
                }
                if !self.send().await {
                    sleep(delays.next().unwrap_or(MAX_DELAY)).await;
                }
            }
        };
        timeout(limit, flush).await.is_ok()
    }

    async fn wait_until_due(&self) {
        let mut buffer = self.buffer.subscribe();
        // The channel cannot be closed, as this uploader owns it.
        buffer.wait_for(Buffer::is_pending).await.ok();
        timeout(HOLD_BACK, buffer.wait_for(Buffer::is_full)).await.ok();
    }

    /// Returns `false` if there is nothing to send.
    fn fill(&mut self) -> bool {
        let mut next = None;
        self.buffer.send_modify(|buffer| {
            next = buffer
                .diff
                .take()
                .map(Upload::Diff)
                .or_else(|| buffer.take_segment().map(Upload::Transcript));
        });
        self.in_flight = next;
        self.in_flight.is_some()
    }

    /// Returns `false` if the upload must be sent again.
    async fn send(&mut self) -> bool {
        let sent = match &self.in_flight {
            Some(Upload::Transcript(segment)) => self.client.upload_transcript(segment).await.map(drop),
            Some(Upload::Diff(diff)) => self.client.report_diff(diff).await.map(drop),
            None => return true,
        };
        match sent {
            Ok(()) => {}
            Err(error) if error.is_temporary() || error.code().is_none() => {
                tracing::debug!(error = %chain(&error), "the transcript cannot be uploaded now");
                return false;
            }
            Err(error) => {
                let is_transcript = matches!(self.in_flight, Some(Upload::Transcript(_)));
                self.is_refused = is_final(&error) || (is_transcript && error.status() == Some(413));
                tracing::warn!(error = %chain(&error), "the orchestrator rejected a part of the transcript; it is dropped");
            }
        }
        self.in_flight = None;
        true
    }
}

/// Whether the orchestrator will reject everything else, too.
fn is_final(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { status, .. } => matches!(status, 401 | 403 | 404 | 426),
        ClientError::Unreachable(_) | ClientError::Unexpected { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use whim_core::protocol::transcript::TranscriptBody;
    use whim_core::{WorkerId, WorkerToken};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_transcript_is_given_up_at_the_limit() {
        whim_service::telemetry::install_crypto();
        let client = WorkerClient::new(
            "http://127.0.0.1:1".parse().unwrap(),
            WorkerId::new(),
            &WorkerToken::presented("a-token"),
            whim_client::Timing {
                retries: 0,
                ..whim_client::Timing::STANDARD
            },
        )
        .unwrap();
        let buffer = watch::Sender::new(Buffer::default());
        let mut uploader = Uploader::new(client, buffer.clone());
        assert!(
            uploader.flush(Duration::from_secs(5)).await,
            "there is nothing to send"
        );
        buffer.send_modify(|buffer| buffer.push(Utc::now(), TranscriptBody::IterationStarted));
        let start = Instant::now();
        assert!(!uploader.flush(Duration::from_secs(5)).await);
        assert_eq!(start.elapsed().as_secs(), 5);
        assert!(uploader.in_flight.is_some(), "it is sent by the next flush");
    }
}
