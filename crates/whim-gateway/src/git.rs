//! Git over smart HTTP: the item's repository may be fetched, and its branch pushed.

mod address;
mod pack;
mod pkt_line;
mod push;
mod push_request;
mod report;
mod report_reader;
mod rule;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt as _;
use tokio::time::timeout;
use whim_core::RepoName;
use whim_core::protocol::gateway::TokenScope;
use whim_service::chain::chain;
use whim_service::secret::ExposeSecret as _;

use self::address::Addresses;
use crate::attempts::{Attempt, Attempts};
use crate::config::GitHubConfig;
use crate::credential;
use crate::metrics::Part;
use crate::refusal::Refusal;
use crate::upstream;

/// Time to the head of a response that needs no work of the server.
const REFS_TIMEOUT: Duration = Duration::from_mins(2);
/// What a client says it has and wants: some megabytes for the largest repositories.
const MAX_FETCH_REQUEST_BYTES: usize = 64 * 1024 * 1024;

/// The user name that GitHub expects with a token.
const TOKEN_USER: &str = "x-access-token";
const GIT_PROTOCOL: HeaderName = HeaderName::from_static("git-protocol");

#[derive(Debug)]
pub(crate) struct Git {
    addresses: Addresses,
    authorization: HeaderValue,
    max_push_bytes: u64,
    attempts: Arc<Attempts>,
    client: reqwest::Client,
}

/// One of the services of smart HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    UploadPack,
    ReceivePack,
}

impl Service {
    const ALL: [Self; 2] = [Self::UploadPack, Self::ReceivePack];

    const fn as_str(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Refs(Service),
    Fetch,
    Push,
}

impl Call {
    fn of(method: &Method, path: &str, query: Option<&str>) -> Option<Self> {
        match (method, path, query.unwrap_or_default()) {
            (&Method::GET, "info/refs", query) => {
                let service = query.strip_prefix("service=")?;
                let known = Service::ALL.into_iter().find(|known| known.as_str() == service);
                known.map(Self::Refs)
            }
            (&Method::POST, "git-upload-pack", "") => Some(Self::Fetch),
            (&Method::POST, "git-receive-pack", "") => Some(Self::Push),
            _ => None,
        }
    }
}

impl Git {
    /// # Errors
    /// The token cannot be sent.
    pub(crate) fn new(
        config: &GitHubConfig,
        attempts: Arc<Attempts>,
        client: reqwest::Client,
    ) -> anyhow::Result<Self> {
        let credentials = format!("{TOKEN_USER}:{}", config.token.expose_secret());
        let authorization = format!("Basic {}", STANDARD.encode(credentials));
        let mut authorization = HeaderValue::try_from(authorization).context("using GITHUB_TOKEN")?;
        authorization.set_sensitive(true);
        Ok(Self {
            addresses: Addresses::new(upstream::base(&config.git_url)),
            authorization,
            max_push_bytes: config.max_push_bytes,
            attempts,
            client,
        })
    }

    /// Answers a request for a path below `/git/{owner}/{name}/`.
    pub(crate) async fn answer(&self, owner: &str, name: &str, path: &str, request: Request) -> Response {
        let what = format!("{} /{owner}/{name}/{path}", request.method());
        let token = credential::of_git(request.headers());
        let attempt = match self.attempts.find(token.as_deref(), TokenScope::Delivery).await {
            Ok(attempt) => attempt,
            Err(denied) => {
                let refusal = Refusal::from(denied);
                // Git sends its first request without credentials.
                if refusal.reason != "no_token" {
                    refusal.record(Part::Git, None, &what);
                }
                return refusal.into_text();
            }
        };
        match self.forward(owner, name, path, request, &attempt).await {
            Ok(response) => response,
            Err(refusal) => {
                refusal.record(Part::Git, Some(&attempt), &what);
                refusal.into_text()
            }
        }
    }

    async fn forward(
        &self,
        owner: &str,
        name: &str,
        path: &str,
        request: Request,
        attempt: &Attempt,
    ) -> Result<Response, Refusal> {
        let repo = &attempt.grant.repo;
        let name = name.strip_suffix(".git").unwrap_or(name);
        let is_own = RepoName::parse(&format!("{owner}/{name}"))
            .is_ok_and(|asked| asked.as_str().eq_ignore_ascii_case(repo.as_str()));
        if !is_own {
            return Err(Refusal::forbidden(
                "other_repository",
                format!("the attempt works on {repo}, and on no other repository"),
            ));
        }
        let call = Call::of(request.method(), path, request.uri().query()).ok_or_else(|| {
            let message =
                "git is served over smart HTTP only: info/refs, git-upload-pack and git-receive-pack";
            Refusal::new(StatusCode::NOT_FOUND, "endpoint", message)
        })?;
        match call {
            Call::Refs(service) => self.refs(repo, service, request.headers()).await,
            Call::Fetch => self.fetch(repo, request).await,
            Call::Push => self.push(repo, request, attempt).await,
        }
    }

    /// The refs of the repository, wherever it was moved to.
    async fn refs(&self, repo: &RepoName, service: Service, sent: &HeaderMap) -> Result<Response, Refusal> {
        let path = format!("info/refs?service={}", service.as_str());
        let mut answer = self.get(repo, &path, service, sent).await?;
        if self.addresses.learn(repo, answer.status(), answer.headers()) {
            answer = self.get(repo, &path, service, sent).await?;
        }
        pass_on(answer)
    }

    async fn get(
        &self,
        repo: &RepoName,
        path: &str,
        service: Service,
        sent: &HeaderMap,
    ) -> Result<reqwest::Response, Refusal> {
        let request = self
            .client
            .get(self.addresses.of(repo, path))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .headers(protocol(service, sent));
        timeout(REFS_TIMEOUT, request.send())
            .await
            .map_err(|_elapsed| Refusal::upstream("GitHub did not answer in time"))?
            .map_err(|error| unreachable(&error))
    }

    /// Everything that the repository has may be fetched.
    async fn fetch(&self, repo: &RepoName, request: Request) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let body = http_body_util::Limited::new(body, MAX_FETCH_REQUEST_BYTES);
        let service = Service::UploadPack;
        let mut headers = protocol(service, &parts.headers);
        // Git compresses what it wants and has.
        if let Some(encoding) = parts.headers.get(header::CONTENT_ENCODING) {
            if encoding != "gzip" {
                return Err(Refusal::invalid("expected no content encoding but gzip"));
            }
            headers.insert(header::CONTENT_ENCODING, encoding.clone());
        }
        let body = reqwest::Body::wrap_stream(Body::new(body).into_data_stream());
        let answer = self.send(repo, service, headers, body).await;
        pass_on(self.received(repo, answer)?)
    }

    async fn send(
        &self,
        repo: &RepoName,
        service: Service,
        headers: HeaderMap,
        body: reqwest::Body,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let service = service.as_str();
        self.client
            .post(self.addresses.of(repo, service))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, format!("application/x-{service}-request"))
            .header(header::ACCEPT, format!("application/x-{service}-result"))
            .headers(headers)
            .body(body)
            .send()
            .await
    }

    /// The answer to a request with a body, which cannot be sent again if the repository was renamed.
    fn received(
        &self,
        repo: &RepoName,
        answer: Result<reqwest::Response, reqwest::Error>,
    ) -> Result<reqwest::Response, Refusal> {
        let answer = answer.map_err(|error| unreachable(&error))?;
        if self.addresses.learn(repo, answer.status(), answer.headers()) {
            let message = "the repository was renamed: try again";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "renamed", message));
        }
        Ok(answer)
    }
}

/// The version of the protocol that the client asks for. Pushes have but one.
fn protocol(service: Service, sent: &HeaderMap) -> HeaderMap {
    let version = sent
        .get(GIT_PROTOCOL)
        .filter(|version| service == Service::UploadPack && *version == "version=2");
    version
        .map(|version| (GIT_PROTOCOL, version.clone()))
        .into_iter()
        .collect()
}

fn unreachable(error: &reqwest::Error) -> Refusal {
    tracing::warn!(error = %chain(error), "a request to GITHUB_GIT_URL failed");
    Refusal::upstream("GitHub cannot be reached")
}

/// Streams GitHub's answer, whatever it is.
fn pass_on(answer: reqwest::Response) -> Result<Response, Refusal> {
    pass_on_and_read(answer, |_chunk| {})
}

/// The same; `read` gets each piece before the client does.
fn pass_on_and_read(
    answer: reqwest::Response,
    mut read: impl FnMut(&[u8]) + Send + 'static,
) -> Result<Response, Refusal> {
    let status = answer.status();
    if status.is_redirection() {
        let message = "GitHub redirects the repository elsewhere; check GITHUB_GIT_URL";
        return Err(Refusal::upstream(message));
    }
    let headers = upstream::kept(answer.headers(), |name| {
        matches!(
            name,
            "cache-control" | "content-type" | "expires" | "pragma" | "retry-after"
        )
    });
    let chunks = answer.bytes_stream().inspect_ok(move |chunk| read(chunk));
    Ok((status, headers, Body::from_stream(chunks)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_smart_http_is_known() {
        let call = |method, path, query| Call::of(&method, path, query);
        assert_eq!(
            call(Method::GET, "info/refs", Some("service=git-upload-pack")),
            Some(Call::Refs(Service::UploadPack))
        );
        assert_eq!(call(Method::POST, "git-receive-pack", None), Some(Call::Push));
        for (method, path, query) in [
            (Method::GET, "info/refs", None),
            (Method::GET, "info/refs", Some("service=git-upload-pack&x=1")),
            (Method::GET, "info/refs", Some("service=git-upload-archive")),
            (Method::GET, "HEAD", None),
            (Method::GET, "objects/info/packs", None),
            (Method::GET, "git-receive-pack", None),
            (Method::POST, "git-receive-pack", Some("x=1")),
            (Method::POST, "git-upload-archive", None),
            (Method::POST, "info/lfs/objects/batch", None),
            (Method::PUT, "git-receive-pack", None),
        ] {
            assert_eq!(call(method, path, query), None, "{path}");
        }
    }

    #[test]
    fn pushes_have_one_version_of_the_protocol() {
        let sent = HeaderMap::from_iter([(GIT_PROTOCOL, HeaderValue::from_static("version=2"))]);
        assert_eq!(protocol(Service::UploadPack, &sent), sent);
        assert!(protocol(Service::ReceivePack, &sent).is_empty());
        let other = HeaderMap::from_iter([(GIT_PROTOCOL, HeaderValue::from_static("version=2:x"))]);
        assert!(protocol(Service::UploadPack, &other).is_empty());
    }
}
