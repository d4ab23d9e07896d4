//! A response of the model API on its way to the agent: unchanged and unbuffered, and its usage recorded at the end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;

use super::usage::UsageReader;
use crate::attempts::Attempt;
use crate::metrics::{self, OpenStream};

/// The request that is answered.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) attempt: Attempt,
    pub(super) model: String,
    /// The API's id of the request.
    pub(super) id: String,
    pub(super) is_stream: bool,
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
        let (usage, is_complete) = self.reader.finish();
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
