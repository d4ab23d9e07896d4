//! Git over smart HTTP: the real `git http-backend` behind the same permissions as the REST API.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::access::{Access, Area, Caller, Identity, Need};
use super::extract::blocking;
use super::received::ReceivedRequest;
use super::shared::Shared;
use crate::git;
use crate::journal::ViolationKind;

/// The git service that a path requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    owner: &'a str,
    name: &'a str,
    service: &'a str,
}

impl<'a> Target<'a> {
    /// Parses `/{owner}/{name}.git/{service}`; `None` for every other path.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.splitn(3, '/');
        let (owner, name, service) = (segments.next()?, segments.next()?, segments.next()?);
        Some(Self {
            owner,
            name: name.strip_suffix(".git")?,
            service,
        })
    }

    /// The required permission; `None` for requests that are not part of the smart protocol.
    fn access(self, received: &ReceivedRequest) -> Option<Access> {
        match (&received.method, self.service, received.query.as_str()) {
            (&Method::GET, "info/refs", "service=git-upload-pack") => Some(Access::Read),
            (&Method::GET, "info/refs", "service=git-receive-pack") => Some(Access::Write),
            (&Method::POST, "git-upload-pack", _) => Some(Access::Read),
            (&Method::POST, "git-receive-pack", _) => Some(Access::Write),
            _ => None,
        }
    }
}

/// The path of `git-http-backend` of the `git` on the `PATH`.
pub(super) fn find_backend() -> anyhow::Result<PathBuf> {
    let output = git::command(Path::new("."))
        .arg("--exec-path")
        .output()
        .context("could not start `git`")?;
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let backend = Path::new(&directory).join("git-http-backend");
    anyhow::ensure!(
        backend.is_file(),
        "git serves no HTTP here: there is no {} (some distributions have it in a package of its own)",
        backend.display()
    );
    Ok(backend)
}

pub(super) async fn answer(
    shared: &Arc<Shared>,
    target: Target<'_>,
    received: &ReceivedRequest,
    caller: &Caller,
) -> Response {
    let Some(access) = target.access(received) else {
        return plain(StatusCode::NOT_FOUND, "Not Found");
    };
    let Caller::Known(identity) = caller else {
        return unauthorized();
    };
    let exists = shared.read().repository(target.owner, target.name).is_some();
    if !exists || !identity.permissions.sees_repositories() {
        return plain(StatusCode::NOT_FOUND, "Repository not found.");
    }
    if !identity.permissions.allow(Need {
        area: Area::Contents,
        access,
    }) {
        let Target { owner, name, .. } = target;
        let message = format!("Permission to {owner}/{name}.git denied to {}.", identity.login);
        return plain(StatusCode::FORBIDDEN, &message);
    }
    match run_backend(shared, target, received, identity).await {
        Ok(response) => response,
        Err(error) => {
            let problem = format!("{error:#}");
            shared.violate(received, ViolationKind::Response, problem.clone());
            plain(StatusCode::INTERNAL_SERVER_ERROR, &problem)
        }
    }
}

async fn run_backend(
    shared: &Arc<Shared>,
    target: Target<'_>,
    received: &ReceivedRequest,
    identity: &Identity,
) -> anyhow::Result<Response> {
    let bare = shared
        .bare(target.owner, target.name)
        .map_err(|_refusal| anyhow::anyhow!("no such repository"))?;
    let mut command = std::process::Command::new(&shared.backend);
    git::isolate(&mut command);
    command.envs([
        ("GIT_HTTP_EXPORT_ALL", "1"),
        ("REQUEST_METHOD", received.method.as_str()),
        ("QUERY_STRING", &received.query),
        ("REMOTE_USER", &identity.login),
        ("REMOTE_ADDR", "127.0.0.1"),
    ]);
    // The directory comes from the record and the service from the list above, never from the caller's text.
    command.env("PATH_TRANSLATED", bare.directory().join(target.service));
    for (variable, name) in [
        ("CONTENT_TYPE", header::CONTENT_TYPE),
        ("HTTP_CONTENT_ENCODING", header::CONTENT_ENCODING),
        ("GIT_PROTOCOL", HeaderName::from_static("git-protocol")),
    ] {
        if let Some(value) = received.headers.get(name).and_then(|value| value.to_str().ok()) {
            command.env(variable, value);
        }
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .context("could not start git-http-backend")?;
    let input = child.stdin.take().context("git-http-backend has no input")?;
    let (fed, output) = tokio::join!(feed(input, &received.body), child.wait_with_output());
    let output = output.context("could not read what git-http-backend answers")?;
    fed.context("could not pass the request to git-http-backend")?;
    if received.method == Method::POST && target.service == "git-receive-pack" {
        let (shared, login) = (Arc::clone(shared), identity.login.clone());
        let (owner, name) = (target.owner.to_owned(), target.name.to_owned());
        let refreshed = blocking(move || shared.refresh(&owner, &name, &login)).await;
        refreshed.map_err(|refusal| anyhow::anyhow!("could not read the branches: {refusal:?}"))?;
    }
    parse_cgi(&output.stdout).with_context(|| {
        format!(
            "git-http-backend said: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )
    })
}

async fn feed(mut input: tokio::process::ChildStdin, body: &[u8]) -> io::Result<()> {
    match input.write_all(body).await {
        // A backend that refuses a push does not read it to the end.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Splits what a CGI program prints: headers, an empty line, the body (RFC 3875, section 6).
fn parse_cgi(output: &[u8]) -> anyhow::Result<Response> {
    let (head, body) = split_head(output).context("git-http-backend printed no headers")?;
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    for line in std::str::from_utf8(head)?.lines() {
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("{line:?} is no header"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default();
            status = code.parse().with_context(|| format!("{value:?} is no status"))?;
        } else {
            headers.insert(
                HeaderName::from_bytes(name.as_bytes())?,
                HeaderValue::from_str(value)?,
            );
        }
    }
    let mut response = Response::new(Body::from(body.to_vec()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn split_head(output: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = |mark: &[u8]| {
        let start = output.windows(mark.len()).position(|window| window == mark)?;
        Some((start, start + mark.len()))
    };
    let (head, body) = [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min()?;
    Some((output.get(..head)?, output.get(body..)?))
}

/// Git shows a plain text to its user, each line after `remote:`.
fn plain(status: StatusCode, message: &str) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, content_type, format!("{message}\n")).into_response()
}

fn unauthorized() -> Response {
    let mut response = plain(StatusCode::UNAUTHORIZED, "Invalid username or token.");
    let challenge = HeaderValue::from_static("Basic realm=\"GitHub\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
