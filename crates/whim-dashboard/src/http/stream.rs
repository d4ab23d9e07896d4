//! Bodies without an end that is known beforehand: event streams, logs that are followed, archives.

use std::time::Duration;

use axum::BoxError;
use axum::body::Bytes;
use futures::{Stream, StreamExt as _, stream};

use crate::metrics::OpenStream;

/// Longest silence of an event stream. The orchestrator sends a comment every 15 seconds.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Server-sent events: a browser connects again after any end.
    Events,
    /// What is cut off must not seem complete.
    Download,
}

impl Kind {
    /// Only an event stream is never silent for long.
    async fn silence(self) {
        match self {
            Self::Events => tokio::time::sleep(SILENCE_LIMIT).await,
            Self::Download => std::future::pending().await,
        }
    }

    /// What follows the last chunk if the stream is ended from here.
    fn cut(self) -> Option<Result<Bytes, BoxError>> {
        match self {
            Self::Events => None,
            Self::Download => Some(Err("the dashboard ended the response".into())),
        }
    }
}

/// The chunks up to `end`.
pub(super) fn until<Failure: Into<BoxError>>(
    end: impl Future<Output = ()> + Send + 'static,
    chunks: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static,
    kind: Kind,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send {
    let counted = (kind == Kind::Events).then(OpenStream::new);
    let open = (Box::pin(chunks), Box::pin(end), counted);
    stream::unfold(Some(open), move |open| async move {
        let (mut chunks, mut end, counted) = open?;
        let last = tokio::select! {
            chunk = chunks.next() => match chunk {
                Some(Ok(chunk)) => return Some((Ok(chunk), Some((chunks, end, counted)))),
                Some(Err(error)) => Some(Err(error.into())),
                None => None,
            },
            () = &mut end => kind.cut(),
            () = kind.silence() => kind.cut(),
        };
        last.map(|last| (last, None))
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::sync::oneshot;

    use super::*;

    /// One chunk, and then nothing more.
    fn endless() -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        stream::iter([Ok(Bytes::from_static(b"first"))]).chain(stream::pending())
    }

    fn until_sent(kind: Kind) -> (oneshot::Sender<()>, impl Stream<Item = Result<Bytes, BoxError>>) {
        let (sender, receiver) = oneshot::channel();
        let end = async move { receiver.await.unwrap_or_default() };
        (sender, until(end, endless(), kind))
    }

    #[tokio::test]
    async fn a_stream_of_events_just_ends_and_a_download_is_broken_off() {
        for (kind, is_error) in [(Kind::Events, false), (Kind::Download, true)] {
            let (end, stream) = until_sent(kind);
            let mut stream = Box::pin(stream);
            assert_eq!(stream.next().await.unwrap().unwrap(), "first");
            end.send(()).unwrap();
            let rest: Vec<_> = stream.collect().await;
            assert_eq!(rest.len(), usize::from(is_error));
            assert!(rest.iter().all(Result::is_err));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_of_events_is_ended_and_a_silent_log_is_not() {
        let (_end, events) = until_sent(Kind::Events);
        assert_eq!(events.count().await, 1);
        let (_end, log) = until_sent(Kind::Download);
        let waiting = tokio::time::timeout(Duration::from_hours(1), log.count()).await;
        assert!(waiting.is_err());
    }
}
