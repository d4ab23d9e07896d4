//! The GitHub fake, used through octocrab, plain HTTP and git.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use whim_testkit::github::GitHub;

mod access;
mod conditional;
mod faults;
mod git;
mod issues;
mod merge;
mod octocrab_client;
mod pulls;
mod violations;

/// The repository of every test here.
const SHOP: &str = "acme/shop";

/// A fake with one repository that has a second branch, `feature`, with one commit more.
async fn github_with_shop() -> GitHub {
    let github = GitHub::start().await;
    github.create_repository(SHOP, &[("README.md", "# Shop\n")]);
    github.commit_files(SHOP, "feature", "Sell tea", &[("tea.txt", "green\n")]);
    github
}

fn octocrab_at(base: &str, token: &str) -> Octocrab {
    install_tls();
    let octocrab = Octocrab::builder()
        .base_uri(base)
        .unwrap()
        .personal_token(token.to_owned());
    // Octocrab's own retries send a POST again whose answer was lost.
    octocrab.add_retry_config(RetryConfig::None).build().unwrap()
}

fn octocrab_for(github: &GitHub) -> Octocrab {
    octocrab_at(&github.api_url(), github.token())
}

fn install_tls() {
    // The second installation in one process is refused, and changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// A caller with plain HTTP requests.
struct Caller {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Caller {
    fn of(github: &GitHub) -> Self {
        Self::with_token(github, Some(github.token()))
    }

    fn with_token(github: &GitHub, token: Option<&str>) -> Self {
        install_tls();
        let http = reqwest::Client::builder()
            .user_agent("whim-test")
            .build()
            .unwrap();
        Self {
            http,
            base: github.api_url(),
            token: token.map(str::to_owned),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(method, path).json(body)).await
    }
}

impl Reply {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self {
            status,
            headers,
            text: response.text().await.unwrap(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The numbers in a list of issues or pull requests.
    fn numbers(&self) -> Vec<u64> {
        self.json()
            .as_array()
            .unwrap()
            .iter()
            .map(|issue| issue["number"].as_u64().unwrap())
            .collect()
    }
}
