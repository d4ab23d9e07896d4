//! A response of the model API on its way to the agent: unchanged and unbuffered, and its usage recorded at the end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use uuid::Uuid;
use whim_core::protocol::costs::{MAX_NAME_CHARACTERS, ModelRequest};

use super::usage::{Usage, UsageReader};
use super::usage_report::UsageReports;
use crate::attempts::Attempt;
use crate::metrics::{self, OpenStream};

/// Stands for a model whose name cannot be stored.
const UNNAMED: &str = "unnamed";

/// A name as reports may have it.
fn name_of(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .filter(|character| !character.is_control())
        .take(MAX_NAME_CHARACTERS)
        .collect();
    Some(name).filter(|name| !name.trim().is_empty())
}

/// The request that is answered.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) attempt: Attempt,
    pub(super) model: String,
    /// The API's id of the request.
    pub(super) id: String,
    pub(super) is_stream: bool,
    /// Size of its body.
    pub(super) bytes: usize,
    pub(super) reports: UsageReports,
}

#[derive(Debug)]
pub(super) struct Metered<S> {
    chunks: S,
    request: Request,
    reader: UsageReader,
    is_recorded: bool,
    _open: OpenStream,
}

impl<S> Metered<S> {
    pub(super) fn new(chunks: S, request: Request) -> Self {
        Self {
            chunks,
            reader: UsageReader::new(request.is_stream),
            request,
            is_recorded: false,
            _open: OpenStream::new(),
        }
    }

    fn record(&mut self) {
        if std::mem::replace(&mut self.is_recorded, true) {
            return;
        }
        let (usage, is_complete) = self.reader.finish(self.request.bytes);
        metrics::tokens_used(usage.by_kind());
        let grant = &self.request.attempt.grant;
        tracing::info!(
            work_item_id = %grant.work_item_id,
            worker_id = %grant.worker_id,
            model = self.request.model,
            request_id = self.request.id,
            input = usage.input,
            output = usage.output,
            cache_read = usage.cache_read,
            cache_write = usage.cache_write,
            is_complete,
            "the model API answered"
        );
        // Counting tokens is free.
        if usage != Usage::default() {
            self.request.reports.add(ModelRequest {
                id: Uuid::now_v7(),
                worker_id: grant.worker_id,
                model: name_of(&self.request.model).unwrap_or_else(|| UNNAMED.to_owned()),
                request_id: name_of(&self.request.id),
                tokens: usage.tokens(),
                is_reported: is_complete,
            });
        }
    }
}

impl<S> Stream for Metered<S>
where
    S: Stream<Item = Result<Bytes, reqwest::Error>> + Unpin,
{
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.chunks).poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(chunk))) => self.reader.read(chunk),
            Poll::Ready(Some(Err(_)) | None) => self.record(),
            Poll::Pending => {}
        }
        polled
    }
}

/// An agent that goes away drops the stream before its end.
impl<S> Drop for Metered<S> {
    fn drop(&mut self) {
        self.record();
    }
}
