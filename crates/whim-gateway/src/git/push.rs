//! Pushes: the commands are read and checked before the pack is forwarded.

use std::sync::Arc;
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use whim_core::{CommitHash, RepoName};

use super::pack::PackScanner;
use super::push_request::{MAX_BYTES, PushRequest};
use super::report_reader::ReportReader;
use super::rule::{self, Allowed};
use super::{Git, Service, pass_on_and_read, report};
use crate::attempts::Attempt;
use crate::metrics::Part;
use crate::refusal::Refusal;

/// Time to receive the commands.
const COMMANDS_TIMEOUT: Duration = Duration::from_mins(1);
/// A client reads the answer only when it has sent its pack. What is refused is read to its end, for so long and up to
/// so many bytes more than are allowed.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(2);
const MAX_DRAINED_BYTES: u64 = 64 * 1024 * 1024;

type Chunk = Result<Bytes, axum::Error>;

impl Git {
    /// Answers a push, with GitHub's report or the gateway's own.
    pub(super) async fn push(
        &self,
        repo: &RepoName,
        request: Request,
        attempt: &Attempt,
    ) -> Result<Response, Refusal> {
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            return Err(Refusal::invalid("expected a push without content encoding"));
        }
        let mut body = request.into_body().into_data_stream();
        let (push, rest) = read_commands(&mut body).await?;
        if push.commands.is_empty() {
            return Ok(report::nothing_to_do());
        }
        if !push.reads_report() {
            return Err(Refusal::invalid(
                "expected a client that reads git's report-status",
            ));
        }
        let rest = stream::iter([Ok(rest)]).chain(body).boxed();
        let allowed = match self.check(&push, attempt).await? {
            Ok(allowed) => allowed,
            Err(reason) => {
                drain(rest, self.max_push_bytes + MAX_DRAINED_BYTES).await;
                return Ok(refuse(&push, &reason, attempt));
            }
        };
        let (failed, mut failure) = oneshot::channel();
        let pack = Pack {
            chunks: rest,
            held: Bytes::new(),
            left: self.max_push_bytes,
            proof: allowed.must_descend_from.map(|old| Proof {
                scanner: PackScanner::new(),
                new: allowed.new.clone(),
                old,
            }),
            failed,
        };
        let commands = stream::iter([Ok::<_, axum::Error>(Bytes::from(push.write()))]);
        let forwarded = reqwest::Body::wrap_stream(commands.chain(pack.into_stream()));
        let answer = self
            .send(repo, Service::ReceivePack, HeaderMap::new(), forwarded)
            .await;
        if let Ok(Failure { reason, rest }) = failure.try_recv() {
            drain(rest, self.max_push_bytes + MAX_DRAINED_BYTES).await;
            return Ok(refuse(&push, &reason, attempt));
        }
        let mut report = ReportReader::new(&push, &allowed.reference);
        let (state, mut new) = (Arc::clone(&attempt.state), Some(allowed.new));
        pass_on_and_read(self.received(repo, answer)?, move |chunk| {
            report.read(chunk);
            if report.is_accepted()
                && let Some(new) = new.take()
            {
                state.pushed(new);
            }
        })
    }

    /// A head that is not known may have become known meanwhile.
    async fn check(&self, push: &PushRequest, attempt: &Attempt) -> Result<Result<Allowed, String>, Refusal> {
        let check = |attempt: &Attempt| {
            rule::check(push, &attempt.grant, |head: &CommitHash| {
                attempt.state.has_pushed(head)
            })
        };
        match check(attempt) {
            Ok(Allowed {
                must_descend_from: Some(_),
                ..
            }) => Ok(check(&self.attempts.refresh(attempt).await?)),
            checked => Ok(checked),
        }
    }
}

fn refuse(push: &PushRequest, reason: &str, attempt: &Attempt) -> Response {
    let command = push.commands.first();
    let what = command.map_or("", |command| command.reference.as_str());
    Refusal::forbidden("push", reason).record(Part::Git, Some(attempt), what);
    report::refused(push, &format!("Whim: {reason}"))
}

/// The commands, and what was received of the pack.
async fn read_commands(body: &mut BodyDataStream) -> Result<(PushRequest, Bytes), Refusal> {
    let read = async {
        let mut received = BytesMut::new();
        loop {
            let parsed = PushRequest::parse(received.get(..MAX_BYTES).unwrap_or(&received))
                .map_err(|invalid| Refusal::invalid(invalid.to_string()))?;
            if let Some((push, length)) = parsed {
                return Ok((push, received.split_off(length).freeze()));
            }
            let chunk = body
                .next()
                .await
                .ok_or_else(|| Refusal::invalid("the push ends before its commands do"))?
                .map_err(|_broken| Refusal::invalid("the push broke off"))?;
            received.extend_from_slice(&chunk);
        }
    };
    timeout(COMMANDS_TIMEOUT, read)
        .await
        .map_err(|_elapsed| Refusal::invalid("the commands of the push did not arrive in time"))?
}

async fn drain(mut chunks: impl Stream<Item = Chunk> + Unpin, max_bytes: u64) {
    let drained = async {
        let mut left = max_bytes;
        while let Some(Ok(chunk)) = chunks.next().await {
            left = match left.checked_sub(chunk.len() as u64) {
                Some(left) => left,
                None => return,
            };
        }
    };
    // A client that sends more gets no answer that it reads.
    let _elapsed = timeout(DRAIN_TIMEOUT, drained).await;
}

type Chunks = stream::BoxStream<'static, Chunk>;

/// Why a pack was not forwarded to its end, and the rest of it.
struct Failure {
    reason: String,
    rest: Chunks,
}

/// That the push is a fast-forward.
struct Proof {
    scanner: PackScanner,
    new: CommitHash,
    old: CommitHash,
}

impl Proof {
    /// For a pack that was read to its end.
    fn check(&self) -> Result<(), String> {
        self.scanner.end().map_err(|invalid| invalid.to_string())?;
        if self.scanner.proves_descent(&self.new, &self.old) {
            return Ok(());
        }
        Err(format!(
            "the branch is at {}, which Whim did not push: the push must be a fast-forward",
            self.old
        ))
    }
}

/// A pack on its way to GitHub. Its last piece is held back until the whole is known to be allowed: GitHub changes nothing for a
/// pack that is not complete.
struct Pack {
    chunks: Chunks,
    held: Bytes,
    left: u64,
    proof: Option<Proof>,
    failed: oneshot::Sender<Failure>,
}

/// The body of the request breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the push is refused")]
struct Refused;

impl Pack {
    fn into_stream(self) -> impl Stream<Item = Chunk> + Send {
        stream::try_unfold(Some(self), Self::next)
    }

    async fn next(state: Option<Self>) -> Result<Option<(Bytes, Option<Self>)>, axum::Error> {
        let Some(mut pack) = state else {
            return Ok(None);
        };
        loop {
            match pack.chunks.try_next().await? {
                Some(chunk) if chunk.is_empty() => {}
                Some(chunk) => {
                    if let Err(reason) = pack.check(&chunk) {
                        return Err(pack.fail(reason));
                    }
                    let ready = std::mem::replace(&mut pack.held, chunk);
                    if !ready.is_empty() {
                        return Ok(Some((ready, Some(pack))));
                    }
                }
                None => {
                    if let Some(Err(reason)) = pack.proof.as_ref().map(Proof::check) {
                        return Err(pack.fail(reason));
                    }
                    let last = std::mem::take(&mut pack.held);
                    return Ok((!last.is_empty()).then_some((last, None)));
                }
            }
        }
    }

    fn check(&mut self, chunk: &[u8]) -> Result<(), String> {
        self.left = self
            .left
            .checked_sub(chunk.len() as u64)
            .ok_or("the pack is larger than allowed (GATEWAY_MAX_PUSH_MEGABYTES)")?;
        match &mut self.proof {
            Some(proof) => proof.scanner.read(chunk).map_err(|invalid| invalid.to_string()),
            None => Ok(()),
        }
    }

    fn fail(self, reason: String) -> axum::Error {
        let failure = Failure {
            reason,
            rest: self.chunks,
        };
        // Without a receiver, the client is gone.
        let _unsent = self.failed.send(failure);
        axum::Error::new(Refused)
    }
}
