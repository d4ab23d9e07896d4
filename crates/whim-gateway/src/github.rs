//! GitHub's REST API: the calls of a delivery, parsed and written again. Answers contain only what a delivery reads, because
//! GitHub's may contain credentials (`temp_clone_token`).

mod answer;
mod body;
mod call;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Json;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;
use url::{Url, form_urlencoded};
use whim_core::protocol::gateway::{GatewayAttempt, TokenScope};
use whim_github::redirect_target;
use whim_service::chain::chain;
use whim_service::secret::ExposeSecret as _;

use self::answer::{Comment, Draft, Pull, Repository, Rule, Ruleset, User};
use self::body::{NewComment, NewPull, SetDraft, UpdatedPull};
use self::call::Call;
use crate::attempts::{Attempt, Attempts};
use crate::config::GitHubConfig;
use crate::credential;
use crate::metrics::Part;
use crate::refusal::Refusal;
use crate::upstream;

/// GitHub's limit for the text of a pull request is 64 KiB of characters.
const MAX_REQUEST_BYTES: usize = 512 * 1024;
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
const MAX_ERROR_BYTES: usize = 64 * 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Opening a pull request on a large repository takes GitHub some seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct GitHub {
    api: Url,
    /// GraphQL has another path on GitHub Enterprise Server: `https://HOST/api/graphql` beside `https://HOST/api/v3`.
    graphql: Url,
    authorization: HeaderValue,
    attempts: Arc<Attempts>,
    client: reqwest::Client,
}

/// GitHub answered with an error, which is passed on, or the gateway refuses.
enum Failed {
    Answered(Response),
    Refused(Refusal),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl GitHub {
    /// # Errors
    /// A URL or the token cannot be used.
    pub(crate) fn new(
        config: &GitHubConfig,
        attempts: Arc<Attempts>,
        client: reqwest::Client,
    ) -> anyhow::Result<Self> {
        let base = upstream::base(&config.api_url);
        let graphql = format!("{}/graphql", base.strip_suffix("/v3").unwrap_or(&base));
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", config.token.expose_secret()))
            .context("using GITHUB_TOKEN")?;
        authorization.set_sensitive(true);
        Ok(Self {
            api: Url::parse(&format!("{base}/")).context("using GITHUB_API_URL")?,
            graphql: Url::parse(&graphql).context("using GITHUB_API_URL")?,
            authorization,
            attempts,
            client,
        })
    }

    /// Answers a request for a path below `/github/`.
    pub(crate) async fn answer(&self, path: &str, request: Request) -> Response {
        let what = format!("{} /{path}", request.method());
        let token = credential::of_github_client(request.headers());
        let attempt = match self.attempts.find(token.as_deref(), TokenScope::Delivery).await {
            Ok(attempt) => attempt,
            Err(denied) => return refuse(Refusal::from(denied), None, &what),
        };
        match self.forward(path, request, &attempt).await {
            Ok(response) | Err(Failed::Answered(response)) => response,
            Err(Failed::Refused(refusal)) => refuse(refusal, Some(&attempt), &what),
        }
    }

    async fn forward(&self, path: &str, request: Request, attempt: &Attempt) -> Result<Response, Failed> {
        let call = Call::of(request.method(), path, request.uri().query())?;
        let grant = &attempt.grant;
        let is_write = *request.method() != Method::GET;
        let body = read(request).await?;
        let response = match call {
            Call::User => self.get::<User>("user", &[]).await?.into_response(),
            Call::Account(login) => {
                let path = format!("users/{}", segment(login.as_str()));
                self.get::<User>(&path, &[]).await?.into_response()
            }
            Call::BranchRules(repo, branch) => {
                let found = self.own(grant, &repo).await?;
                if branch != grant.branch.as_str() {
                    let message = format!("expected the rules of the branch {}", grant.branch);
                    return Err(Refusal::forbidden("other_branch", message).into());
                }
                let path = format!("repos/{}/rules/branches/{}", found.full_name, segment(&branch));
                let rules = self.get::<Vec<Rule>>(&path, &[("per_page", "100")]);
                rules.await?.into_response()
            }
            Call::Ruleset(repo, id) => {
                let found = self.own(grant, &repo).await?;
                let path = format!("repos/{}/rulesets/{id}", found.full_name);
                self.get::<Ruleset>(&path, &[]).await?.into_response()
            }
            Call::Repository(repo) => {
                let found = self.own(grant, &repo).await?;
                Json(found).into_response()
            }
            Call::ListPulls(repo, listing) => {
                let found = self.own(grant, &repo).await?;
                let state = listing.state_of(&grant.branch)?;
                Json(self.pulls_of(&found, grant, state).await?).into_response()
            }
            Call::OpenPull(repo) => {
                let found = self.own(grant, &repo).await?;
                let new = NewPull::parse(&body, &grant.branch)?;
                let path = format!("repos/{}/pulls", found.full_name);
                self.send::<Pull>(Method::POST, &path, &new)
                    .await?
                    .into_response()
            }
            Call::UpdatePull(repo, number) => {
                let found = self.own(grant, &repo).await?;
                let updated = UpdatedPull::parse(&body)?;
                self.own_pull(&found, grant, |pull| pull.number == number).await?;
                let path = format!("repos/{}/pulls/{number}", found.full_name);
                self.send::<Pull>(Method::PATCH, &path, &updated)
                    .await?
                    .into_response()
            }
            Call::Comment(repo, number) => {
                let found = self.own(grant, &repo).await?;
                let comment = NewComment::parse(&body)?;
                self.own_pull(&found, grant, |pull| pull.number == number).await?;
                let path = format!("repos/{}/issues/{number}/comments", found.full_name);
                self.send::<Comment>(Method::POST, &path, &comment)
                    .await?
                    .into_response()
            }
            Call::SetDraft => {
                let set = SetDraft::parse(&body)?;
                let found = self.repository(grant).await?;
                self.own_pull(&found, grant, |pull| pull.node_id == set.id())
                    .await?;
                let answer: Draft = self
                    .exchange(Method::POST, self.graphql.clone(), Some(&set.query()))
                    .await?;
                Json(answer).into_response()
            }
        };
        if is_write {
            let (work_item_id, worker_id) = (grant.work_item_id, grant.worker_id);
            tracing::info!(target: "audit", %work_item_id, %worker_id, path, "wrote to GitHub");
        }
        Ok(response)
    }

    /// The repository of the attempt by its current name: GitHub redirects an old one.
    async fn repository(&self, grant: &GatewayAttempt) -> Result<Repository, Failed> {
        let Json(found) = self
            .get::<Repository>(&format!("repos/{}", grant.repo), &[])
            .await?;
        Ok(found)
    }

    /// The repository of the attempt, if `asked` is its name in the queue or its current one.
    async fn own(&self, grant: &GatewayAttempt, asked: &str) -> Result<Repository, Failed> {
        let is = |name: &str| asked.eq_ignore_ascii_case(name);
        let other = || {
            Refusal::forbidden(
                "other_repository",
                format!("the attempt works on {}, and on no other repository", grant.repo),
            )
        };
        let found = self.repository(grant).await?;
        if is(grant.repo.as_str()) || is(&found.full_name) {
            return Ok(found);
        }
        Err(other().into())
    }

    async fn pulls_of(
        &self,
        repository: &Repository,
        grant: &GatewayAttempt,
        state: &str,
    ) -> Result<Vec<Pull>, Failed> {
        let path = format!("repos/{}/pulls", repository.full_name);
        let head = format!("{}:{}", repository.owner.login, grant.branch);
        let Json(pulls) = self.get(&path, &[("state", state), ("head", &head)]).await?;
        Ok(pulls)
    }

    /// Refuses unless an open pull request of the branch is the one that is asked for.
    async fn own_pull(
        &self,
        repository: &Repository,
        grant: &GatewayAttempt,
        is_asked: impl Fn(&Pull) -> bool,
    ) -> Result<(), Failed> {
        let pulls = self.pulls_of(repository, grant, "open").await?;
        if pulls.iter().any(is_asked) {
            return Ok(());
        }
        let message = format!("this is no open pull request of the branch {}", grant.branch);
        Err(Refusal::forbidden("other_pull_request", message).into())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<Json<T>, Failed> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.exchange(Method::GET, url, None::<&()>).await.map(Json)
    }

    /// A write; 201 for what was created.
    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Json<T>, Failed> {
        let url = self.url(path)?;
        self.exchange(method, url, Some(body)).await.map(Json)
    }

    fn url(&self, path: &str) -> Result<Url, Refusal> {
        let url = self.api.join(path);
        url.map_err(|error| Refusal::invalid(format!("the path {path:?}: {error}")))
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failed> {
        let mut answer = self.request(method.clone(), url.clone(), body).await?;
        if let Some(moved) = redirect_target(&method, &url, &self.api, answer.status(), answer.headers()) {
            answer = self.request(method, moved, body).await?;
        }
        let status = answer.status();
        if !status.is_success() {
            return Err(failed(answer).await);
        }
        let bytes = read_answer(answer, MAX_ANSWER_BYTES).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            tracing::warn!(%error, "GitHub's answer cannot be read");
            Refusal::upstream("GitHub's answer cannot be read; check GITHUB_API_URL").into()
        })
    }

    async fn request(
        &self,
        method: Method,
        url: Url,
        body: Option<&impl Serialize>,
    ) -> Result<reqwest::Response, Refusal> {
        let request = self
            .client
            .request(method, url)
            .timeout(CALL_TIMEOUT)
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        request.send().await.map_err(|error| {
            tracing::warn!(error = %chain(&error), "a request to GITHUB_API_URL failed");
            Refusal::upstream("GitHub cannot be reached")
        })
    }
}

/// As one segment of a path. Neither branches nor logins contain spaces, which this would write as `+`.
fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn read(request: Request) -> Result<Bytes, Refusal> {
    let read = timeout(REQUEST_TIMEOUT, to_bytes(request.into_body(), MAX_REQUEST_BYTES)).await;
    read.map_err(|_elapsed| Refusal::invalid("the body of the request did not arrive in time"))?
        .map_err(|_error| {
            Refusal::too_large(format!(
                "the body is incomplete, or larger than {MAX_REQUEST_BYTES} bytes"
            ))
        })
}

async fn read_answer(answer: reqwest::Response, max_bytes: usize) -> Result<Bytes, Refusal> {
    let body = axum::body::Body::from_stream(answer.bytes_stream());
    let read = to_bytes(body, max_bytes).await;
    read.map_err(|_broken| Refusal::upstream("GitHub's answer broke off, or is too long"))
}

/// GitHub's error, with what it says about limits and permissions.
async fn failed(answer: reqwest::Response) -> Failed {
    let status = answer.status();
    if status.is_redirection() {
        let message = "GitHub redirects elsewhere; check GITHUB_API_URL";
        return Refusal::upstream(message).into();
    }
    let headers: HeaderMap = upstream::kept(answer.headers(), |name| {
        name == "retry-after" || name.starts_with("x-ratelimit-") || name == "x-accepted-github-permissions"
    });
    let body = match read_answer(answer, MAX_ERROR_BYTES).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into(),
    };
    // Only the messages: nothing else of an error is read.
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    let error = json!({ "message": error["message"], "errors": error["errors"] });
    Failed::Answered((status, headers, Json(error)).into_response())
}

/// In the form of GitHub's own errors, which clients show.
fn refuse(refusal: Refusal, attempt: Option<&Attempt>, what: &str) -> Response {
    refusal.record(Part::GitHub, attempt, what);
    let message = format!("Whim's gateway: {}", refusal.message);
    let mut response = (refusal.status, Json(json!({ "message": message }))).into_response();
    refusal.add_headers(&mut response);
    response
}
