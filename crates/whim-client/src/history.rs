//! What happened to an item: transcript, diff, timeline, and everything in one archive.

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use reqwest::header::HeaderMap;
use whim_core::WorkItemId;
use whim_core::protocol::diff::Diff;
use whim_core::protocol::timeline::{Timeline, TimelineFilter};
use whim_core::protocol::transcript::{TranscriptFilter, TranscriptPage};

use crate::error::unreachable;
use crate::http::Call;
use crate::work::query_of;
use crate::{Client, ClientError};

impl Client {
    /// `GET /api/work/:id/transcript`: one page of one attempt, oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_transcript(
        &self,
        id: WorkItemId,
        filter: &TranscriptFilter,
    ) -> Result<TranscriptPage, ClientError> {
        let mut call = Call::get(["api", "work", &id.to_string(), "transcript"]);
        call.query = query_of(filter);
        self.http.send(call).await
    }

    /// `GET /api/work/:id/diff`: the changes of the latest push.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_diff(&self, id: WorkItemId) -> Result<Diff, ClientError> {
        self.http
            .send(Call::get(["api", "work", &id.to_string(), "diff"]))
            .await
    }

    /// `GET /api/work/:id/timeline`: one page of attempts, newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_timeline(
        &self,
        id: WorkItemId,
        filter: &TimelineFilter,
    ) -> Result<Timeline, ClientError> {
        let mut call = Call::get(["api", "work", &id.to_string(), "timeline"]);
        call.query = query_of(filter);
        self.http.send(call).await
    }

    /// `GET /api/work/:id/export`: a tar archive, compressed with zstd.
    ///
    /// # Errors
    /// See [`ClientError`]. The stream ends with an error if the archive is not complete.
    pub async fn export_work(
        &self,
        id: WorkItemId,
    ) -> Result<impl Stream<Item = Result<Bytes, ClientError>> + Send + use<>, ClientError> {
        let call = Call::get(["api", "work", &id.to_string(), "export"]);
        let response = self.http.open(&call, HeaderMap::new()).await?;
        Ok(response.bytes_stream().map_err(unreachable))
    }
}
