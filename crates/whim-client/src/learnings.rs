//! Learnings.

use whim_core::protocol::learnings::{
    CreateLearning, Learning, LearningDetails, LearningFilter, LearningPage, LearningsPreview,
    LearningsUplift, PreviewLearnings, QuarantineDecision, QuarantinePage, Quarantined, UpdateLearning,
};
use whim_core::{LearningId, WorkItemId};

use crate::http::{Call, Repeat};
use crate::work::query_of;
use crate::{Client, ClientError};

impl Client {
    /// `GET /api/learnings`: one page, newest first, or the best matches.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn learnings(&self, filter: &LearningFilter) -> Result<LearningPage, ClientError> {
        let mut call = Call::get(["api", "learnings"]);
        call.query = query_of(filter);
        self.http.send(call).await
    }

    /// `POST /api/learnings`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_learning(&self, learning: &CreateLearning) -> Result<Learning, ClientError> {
        // The same text is one learning.
        let call = Call::post(["api", "learnings"], learning, Repeat::Idempotent);
        self.http.send(call).await
    }

    /// `GET /api/learnings/:id`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_learning(&self, id: LearningId) -> Result<LearningDetails, ClientError> {
        self.http
            .send(Call::get(["api", "learnings", &id.to_string()]))
            .await
    }

    /// `PATCH /api/learnings/:id`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_learning(
        &self,
        id: LearningId,
        change: &UpdateLearning,
    ) -> Result<Learning, ClientError> {
        let call = Call::patch(["api", "learnings", &id.to_string()], change);
        self.http.send(call).await
    }

    /// `DELETE /api/learnings/:id`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_learning(&self, id: LearningId) -> Result<(), ClientError> {
        let call = Call::delete(["api", "learnings", &id.to_string()]);
        self.http.send_for_success(call).await.map(drop)
    }

    /// `POST /api/learnings/preview`: what a spec would get.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn preview_learnings(
        &self,
        request: &PreviewLearnings,
    ) -> Result<LearningsPreview, ClientError> {
        let call = Call::post(["api", "learnings", "preview"], request, Repeat::Idempotent);
        self.http.send(call).await
    }

    /// `GET /api/learnings/uplift`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn learnings_uplift(&self) -> Result<LearningsUplift, ClientError> {
        self.http.send(Call::get(["api", "learnings", "uplift"])).await
    }

    /// `GET /api/learnings/quarantine`: items whose pull request decides about learnings.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn learnings_quarantine(&self) -> Result<QuarantinePage, ClientError> {
        self.http
            .send(Call::get(["api", "learnings", "quarantine"]))
            .await
    }

    /// `PUT /api/learnings/quarantine/:id`: what became of an item's pull request.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn decide_quarantine(
        &self,
        item: WorkItemId,
        decision: QuarantineDecision,
    ) -> Result<Quarantined, ClientError> {
        let call = Call::put(["api", "learnings", "quarantine", &item.to_string()], &decision);
        self.http.send(call).await
    }
}
