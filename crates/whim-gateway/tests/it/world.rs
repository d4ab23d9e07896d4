//! The world of one test: a gateway between an attempt and the fakes.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::http::Method;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::RequestBuilder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;
use whim_core::protocol::gateway::{GatewayAttempt, TokenScope};
use whim_core::{BranchName, CommitHash, LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_gateway::app::{self, Listeners};
use whim_gateway::config::Config;
use whim_gateway::egress::Resolve;
use whim_service::environment::Environment;
use whim_service::supervisor::{Phase, Supervisor};
use whim_testkit::anthropic::Anthropic;
use whim_testkit::git::{self, Repository};
use whim_testkit::github::GitHub;

use crate::lookup::{KEY, Lookup};

/// Much longer than any condition takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) const REPO: &str = "acme/shop";
pub(crate) const BRANCH: &str = "whim/7-tea";

/// Of the agent, and of the worker.
pub(crate) const AGENT: &str = "token-of-the-agent";
pub(crate) const DELIVERY: &str = "token-of-the-worker";

pub(crate) struct World {
    pub(crate) github: GitHub,
    pub(crate) anthropic: Anthropic,
    pub(crate) lookup: Lookup,
    pub(crate) resolver: Arc<Names>,
    pub(crate) address: SocketAddr,
    pub(crate) directory: TempDir,
    client: reqwest::Client,
    supervisor: Supervisor,
    attempt: RwLock<GatewayAttempt>,
}

impl Drop for World {
    fn drop(&mut self) {
        for phase in [Phase::Intake, Phase::Work] {
            self.supervisor.phase(phase).token().cancel();
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        whim_service::telemetry::install_crypto();
        let github = GitHub::start().await;
        github.create_repository(REPO, &[("README.md", "# Shop\n")]);
        let anthropic = Anthropic::start().unwrap();
        let lookup = Lookup::start().await;
        let (api, key) = (anthropic.url(), anthropic.api_key().to_owned());
        let (api_url, git_url) = (github.api_url(), github.git_url());
        let mut all = BTreeMap::from([
            ("GITHUB_TOKEN", github.token()),
            ("GITHUB_API_URL", &api_url),
            ("GITHUB_GIT_URL", &git_url),
            ("ANTHROPIC_API_KEY", &key),
            ("ANTHROPIC_BASE_URL", &api),
            ("ORCHESTRATOR_URL", &lookup.url),
            ("GATEWAY_TOKEN_CACHE_SECONDS", "0"),
        ]);
        all.extend(settings.iter().copied());
        let config = config(all);
        let gateway = TcpListener::bind(config.address).await.unwrap();
        let address = gateway.local_addr().unwrap();
        let resolver = Arc::new(Names::default());
        let supervisor = Supervisor::new();
        let listeners = Listeners { gateway, admin: None };
        let names: Arc<dyn Resolve> = resolver.clone();
        app::start(&config, names, &supervisor, listeners, None).unwrap();
        let world = Self {
            github,
            anthropic,
            lookup,
            resolver,
            address,
            directory: TempDir::new().unwrap(),
            client: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .build()
                .unwrap(),
            supervisor,
            attempt: RwLock::new(attempt_of_agent()),
        };
        world.publish();
        world
    }

    /// What the orchestrator says about the two tokens.
    fn publish(&self) {
        let attempt = self.attempt.read().unwrap().clone();
        for (token, scope) in [(AGENT, TokenScope::Agent), (DELIVERY, TokenScope::Delivery)] {
            let attempt = attempt.clone();
            self.lookup.add(token, GatewayAttempt { scope, ..attempt });
        }
    }

    /// The head that the orchestrator knows.
    pub(crate) fn knows_head(&self, head: &str) {
        self.attempt.write().unwrap().head_sha = Some(CommitHash::parse(head).unwrap());
        self.publish();
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    /// Sends text that no client would, and returns all that is answered until the connection is closed.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut answer))
            .await
            .expect("the connection stays open")
            .unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The URL at which `token` reaches a repository.
    pub(crate) fn remote(&self, token: &str, repo: &str) -> String {
        format!("http://x-access-token:{token}@{}/git/{repo}.git", self.address)
    }

    /// The same past the gateway: what is refused here would succeed there.
    pub(crate) fn direct_remote(&self) -> String {
        let url = self.github.clone_url(REPO);
        url.replace(
            "http://",
            &format!("http://x-access-token:{}@", self.github.token()),
        )
    }

    /// A clone through the gateway, on the branch of the attempt with a new commit.
    pub(crate) async fn clone_with_commit(&self, name: &str) -> Repository {
        let (source, directory) = (self.remote(DELIVERY, REPO), self.directory.path().join(name));
        let clone = spawn_blocking(move || {
            let clone = Repository::clone_from(&source, directory).unwrap();
            clone.create_branch(BRANCH).unwrap();
            clone.commit_files("Sell tea", &[("tea.txt", "tea\n")]).unwrap();
            clone
        });
        clone.await.unwrap()
    }

    /// Runs git, whose failure is for the test to judge.
    pub(crate) async fn git(&self, repository: &Repository, arguments: &[&str]) -> GitOutput {
        let mut command = git::command(repository.directory());
        command.args(arguments);
        let output = spawn_blocking(move || command.output().unwrap()).await.unwrap();
        GitOutput(output)
    }

    pub(crate) async fn push(&self, repository: &Repository, arguments: &[&str]) -> GitOutput {
        let remote = self.remote(DELIVERY, REPO);
        let all = [&["push", &remote], arguments].concat();
        self.git(repository, &all).await
    }

    /// Pushes what no client would, and returns the report.
    pub(crate) async fn push_raw(&self, body: impl Into<reqwest::Body>) -> String {
        let request = self
            .request(Method::POST, &format!("/git/{REPO}.git/git-receive-pack"))
            .basic_auth("x-access-token", Some(DELIVERY))
            .header("content-type", "application/x-git-receive-pack-request")
            .body(body);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Stops as on a signal; tasks that do not end in time are a failure.
    pub(crate) async fn stop(&self) {
        let report = self.supervisor.stop(app::STOP_DEADLINE).await;
        assert!(
            report.unfinished.is_empty(),
            "still running: {:?}",
            report.unfinished
        );
    }
}

/// A push that moves the branch of the attempt.
pub(crate) fn push_body(old: &str, new: &str, pack: &[u8]) -> Vec<u8> {
    let line = format!("{old} {new} refs/heads/{BRANCH}\0report-status");
    [format!("{:04x}{line}0000", line.len() + 4).as_bytes(), pack].concat()
}

#[derive(Debug)]
pub(crate) struct GitOutput(Output);

impl GitOutput {
    pub(crate) fn text(&self) -> String {
        let Self(output) = self;
        let both = [output.stdout.as_slice(), &output.stderr].concat();
        String::from_utf8_lossy(&both).into_owned()
    }

    #[track_caller]
    pub(crate) fn succeeded(&self) {
        assert!(self.0.status.success(), "{}", self.text());
    }

    #[track_caller]
    pub(crate) fn failed_with(&self, reason: &str) {
        let text = self.text();
        assert!(!self.0.status.success(), "it succeeded: {text}");
        assert!(text.contains(reason), "{reason:?} is not in {text}");
    }
}

pub(crate) fn attempt_of_agent() -> GatewayAttempt {
    GatewayAttempt {
        work_item_id: WorkItemId::new(),
        worker_id: WorkerId::new(),
        lease_epoch: LeaseEpoch::from_number(1),
        repo: RepoName::parse(REPO).unwrap(),
        branch: BranchName::parse(BRANCH).unwrap(),
        head_sha: None,
        scope: TokenScope::Agent,
    }
}

/// Any free port, no admin port, and these settings.
pub(crate) fn config(settings: BTreeMap<&str, &str>) -> Config {
    let mut all = BTreeMap::from([
        ("GATEWAY_PORT", "0"),
        ("GATEWAY_ADMIN_PORT", "0"),
        ("GATEWAY_KEY", KEY),
    ]);
    all.extend(settings);
    Environment::from_pairs(all).build(Config::read).unwrap().config
}

/// A resolver with a list of names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    addresses: RwLock<HashMap<String, Vec<IpAddr>>>,
    pub(crate) lookups: AtomicUsize,
}

impl Names {
    pub(crate) fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.addresses.write().unwrap().insert(name.to_owned(), addresses);
    }
}

impl Resolve for Names {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let found = self.addresses.read().unwrap().get(&name).cloned();
        async move { found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)) }.boxed()
    }
}
