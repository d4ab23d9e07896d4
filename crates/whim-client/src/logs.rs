//! Live worker logs.

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use reqwest::header::HeaderMap;
use whim_core::WorkerId;

use crate::error::unreachable;
use crate::http::Call;
use crate::{Client, ClientError};

impl Client {
    /// `GET /api/workers/:id/logs?follow=true`: the last `lines` lines, or the server's default, and then new output until
    /// the worker ends. Chunks may end within a character.
    ///
    /// # Errors
    /// See [`ClientError`]. The stream ends with an error when the connection is lost.
    pub async fn follow_worker_logs(
        &self,
        id: WorkerId,
        lines: Option<u32>,
    ) -> Result<impl Stream<Item = Result<Bytes, ClientError>> + Send + use<>, ClientError> {
        let mut call = Call::get(["api", "workers", &id.to_string(), "logs"]);
        call.query.push(("follow".to_owned(), "true".to_owned()));
        call.query
            .extend(lines.map(|lines| ("lines".to_owned(), lines.to_string())));
        let response = self.http.open(&call, HeaderMap::new()).await?;
        Ok(response.bytes_stream().map_err(unreachable))
    }
}
