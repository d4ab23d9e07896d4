//! The worker protocol. Every call is idempotent and repeated.

use serde::Serialize;
use serde::de::DeserializeOwned;
use whim_core::protocol::diff::{DiffStored, ReportDiff};
use whim_core::protocol::notes::Notes;
use whim_core::protocol::preflight::ReportPreflight;
use whim_core::protocol::reviews::{ReportReview, Review};
use whim_core::protocol::transcript::{TranscriptStored, UploadTranscript};
use whim_core::protocol::worker::{
    AttemptEnded, Complete, Fail, Heartbeat, LeaseRenewed, LockFiles, LocksGranted, Register, Registered,
    Stuck, UnlockFiles,
};

use crate::http::{Call, Repeat};
use crate::{ClientError, WorkerClient};

impl WorkerClient {
    /// `POST /api/worker/register`. `nonce` is the same in every call of a process.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn register(&self, nonce: &str) -> Result<Registered, ClientError> {
        let register = Register {
            worker_id: self.worker_id,
            nonce: nonce.to_owned(),
        };
        self.http
            .send(Call::post(
                ["api", "worker", "register"],
                &register,
                Repeat::Idempotent,
            ))
            .await
    }

    /// `POST /api/worker/:id/heartbeat`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<LeaseRenewed, ClientError> {
        self.send("heartbeat", heartbeat).await
    }

    /// `GET /api/worker/:id/notes`: the notes of the run, oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn run_notes(&self) -> Result<Notes, ClientError> {
        let id = self.worker_id.to_string();
        self.http.send(Call::get(["api", "worker", &id, "notes"])).await
    }

    /// `POST /api/worker/:id/lock`; if other workers hold the locks, the error has [`ClientError::lock_conflicts`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lock(&self, files: &LockFiles) -> Result<LocksGranted, ClientError> {
        self.send("lock", files).await
    }

    /// `POST /api/worker/:id/unlock`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn unlock(&self, files: &UnlockFiles) -> Result<(), ClientError> {
        let id = self.worker_id.to_string();
        let call = Call::post(["api", "worker", &id, "unlock"], files, Repeat::Idempotent);
        self.http.send_for_success(call).await?;
        Ok(())
    }

    /// `POST /api/worker/:id/preflight`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn report_preflight(&self, preflight: &ReportPreflight) -> Result<(), ClientError> {
        let id = self.worker_id.to_string();
        let call = Call::post(["api", "worker", &id, "preflight"], preflight, Repeat::Idempotent);
        self.http.send_for_success(call).await?;
        Ok(())
    }

    /// `POST /api/worker/:id/review`: returns the stored review.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn report_review(&self, review: &ReportReview) -> Result<Review, ClientError> {
        self.send("review", review).await
    }

    /// `POST /api/worker/:id/transcript`, compressed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn upload_transcript(
        &self,
        segment: &UploadTranscript,
    ) -> Result<TranscriptStored, ClientError> {
        self.send_compressed("transcript", segment).await
    }

    /// `POST /api/worker/:id/diff`, compressed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn report_diff(&self, diff: &ReportDiff) -> Result<DiffStored, ClientError> {
        self.send_compressed("diff", diff).await
    }

    /// `POST /api/worker/:id/complete`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn complete(&self, complete: &Complete) -> Result<AttemptEnded, ClientError> {
        self.send("complete", complete).await
    }

    /// `POST /api/worker/:id/fail`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fail(&self, fail: &Fail) -> Result<AttemptEnded, ClientError> {
        self.send("fail", fail).await
    }

    /// `POST /api/worker/:id/stuck`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stuck(&self, stuck: &Stuck) -> Result<AttemptEnded, ClientError> {
        self.send("stuck", stuck).await
    }

    async fn send_compressed<T: DeserializeOwned>(
        &self,
        operation: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let id = self.worker_id.to_string();
        let call = Call::post(["api", "worker", &id, operation], body, Repeat::Idempotent);
        self.http.send(call.compressed()).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        operation: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let id = self.worker_id.to_string();
        self.http
            .send(Call::post(
                ["api", "worker", &id, operation],
                body,
                Repeat::Idempotent,
            ))
            .await
    }
}
