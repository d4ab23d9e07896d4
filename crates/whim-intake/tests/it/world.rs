//! The world of one test: the fakes, and an intake that can be stopped and started.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use serde_json::Value;
use whim_core::protocol::work::WorkItem;
use whim_core::source::{CommentSubject, parse_comment_marker};
use whim_core::{WorkItemId, WorkItemStatus};
use whim_intake::app;
use whim_intake::config::Config;
use whim_service::environment::Environment;
use whim_service::supervisor::{Phase, Supervisor};
use whim_testkit::anthropic::{Anthropic, RequestKind};
use whim_testkit::github::{BOT, Comment, GitHub};
use whim_testkit::orchestrator::{Fault, Orchestrator};
use whim_testkit::wait::wait_until;

pub(crate) const REPO: &str = "octocat/hello";

/// Much longer than any condition takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) github: GitHub,
    pub(crate) anthropic: Anthropic,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) settings: BTreeMap<&'static str, String>,
    /// Overrides the interval that the settings lead to.
    pub(crate) spec_period: Option<Duration>,
    intake: Option<Supervisor>,
}

impl Drop for World {
    /// The next world of the same test must not receive calls of this intake.
    fn drop(&mut self) {
        if let Some(intake) = &self.intake {
            intake.phase(Phase::Intake).token().cancel();
            intake.phase(Phase::Work).token().cancel();
        }
    }
}

impl World {
    /// With an empty repository and no intake yet.
    pub(crate) async fn new() -> Self {
        whim_service::telemetry::install_crypto();
        let github = GitHub::start().await;
        github.create_repository(REPO, &[("README.md", "# Hello\n")]);
        let anthropic = Anthropic::start().unwrap();
        let orchestrator = Orchestrator::start();
        let settings = BTreeMap::from([
            ("GITHUB_TOKEN", github.token().to_owned()),
            ("GITHUB_API_URL", github.api_url()),
            ("REPOS", REPO.to_owned()),
            ("POLL_INTERVAL", "50".to_owned()),
            ("ORCHESTRATOR_URL", orchestrator.url()),
            ("API_KEY", Orchestrator::API_KEY.to_owned()),
            ("ANTHROPIC_API_KEY", anthropic.api_key().to_owned()),
            ("ANTHROPIC_BASE_URL", anthropic.url()),
            ("INTAKE_ADMIN_PORT", "0".to_owned()),
            ("STATUS_COMMENT_INTERVAL_SECONDS", "0".to_owned()),
            ("GITHUB_WRITE_INTERVAL_SECONDS", "0".to_owned()),
        ]);
        Self {
            github,
            anthropic,
            orchestrator,
            settings,
            spec_period: None,
            intake: None,
        }
    }

    /// With a running intake.
    pub(crate) async fn running() -> Self {
        let mut world = Self::new().await;
        world.start();
        world
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.insert(name, value.into());
    }

    pub(crate) fn start(&mut self) {
        assert!(self.intake.is_none(), "the intake runs already");
        let environment = Environment::from_pairs(self.settings.clone());
        let mut config = environment.build(Config::read).unwrap().config;
        if let Some(period) = self.spec_period {
            config.specs.period = period;
        }
        let supervisor = Supervisor::new();
        app::start(config, &supervisor, None, None).unwrap();
        self.intake = Some(supervisor);
    }

    /// Interrupts steps in progress.
    pub(crate) async fn stop(&mut self) {
        let supervisor = self.intake.take().expect("the intake runs");
        let report = supervisor.stop(app::STOP_DEADLINE).await;
        assert!(
            report.unfinished.is_empty(),
            "still running: {:?}",
            report.unfinished
        );
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start();
    }

    /// Waits until the credentials were examined: the calls for it are over then.
    pub(crate) async fn until_examined(&self) {
        let is_reported = |world: &Self| !world.orchestrator.access_reports().is_empty();
        self.until("the report of the credentials", is_reported).await;
    }

    /// Creates an issue with the intake label.
    pub(crate) fn create_issue(&self, title: &str) -> u64 {
        self.github.create_issue(REPO, title, "Please.", &["whim"])
    }

    /// The latest item of an issue.
    pub(crate) fn item(&self, issue: u64) -> Option<WorkItem> {
        self.orchestrator.item_with_ref(&issue.to_string())
    }

    fn item_id(&self, issue: u64) -> WorkItemId {
        self.item(issue).expect("the issue has an item").id
    }

    /// Ends the current run of an issue's item, and sets fields of its JSON form. GitHub's times have whole seconds, and a run
    /// takes longer than one.
    pub(crate) fn end_run(&self, issue: u64, status: WorkItemStatus, fields: Value) {
        self.github.advance_clock(Duration::from_secs(1));
        self.orchestrator.end_run(self.item_id(issue), status, &fields);
    }

    pub(crate) fn set_fields(&self, issue: u64, fields: &Value) {
        self.orchestrator.set_fields(self.item_id(issue), fields);
    }

    /// Starts another run of an issue's item, as the dashboard does.
    pub(crate) fn requeue(&self, issue: u64) {
        self.orchestrator.requeue(self.item_id(issue));
    }

    /// Submits an item of another source.
    pub(crate) fn submit(&self, request: Value) -> WorkItem {
        self.orchestrator.submit(serde_json::from_value(request).unwrap())
    }

    pub(crate) fn take_orchestrator_down(&self) {
        let down = Fault::on_every_request().unavailable().always();
        self.orchestrator.faults().push(down);
    }

    pub(crate) fn bring_orchestrator_up(&self) {
        self.orchestrator.faults().clear();
    }

    /// The next such request takes effect and gets no response.
    pub(crate) fn hold_response(&self, method: Method, path: &str) {
        let hold = Fault::on(method, path).hold_response();
        self.orchestrator.faults().push(hold);
    }

    /// Waits until the request of [`Self::hold_response`] has taken effect.
    pub(crate) async fn until_response_held(&self) {
        let is_held = |world: &Self| world.orchestrator.faults().pending() == 0;
        self.until("a request whose response is held", is_held).await;
    }

    pub(crate) fn labels(&self, issue: u64) -> Vec<String> {
        self.github.issue(REPO, issue).labels
    }

    /// The intake's own comments on an issue.
    pub(crate) fn comments(&self, issue: u64) -> Vec<Comment> {
        let comments = self.github.issue(REPO, issue).comments;
        comments
            .into_iter()
            .filter(|comment| comment.author == BOT)
            .collect()
    }

    /// The run whose outcome is posted, in the only comment.
    pub(crate) fn run_posted(&self, issue: u64) -> Option<u32> {
        let comments = self.comments(issue);
        assert!(comments.len() <= 1, "{comments:?}");
        match parse_comment_marker(&comments.first()?.body)? {
            CommentSubject::Run { run, ended: true, .. } => Some(run),
            CommentSubject::Run { .. } | CommentSubject::NotStarted => None,
        }
    }

    pub(crate) fn spec_requests(&self) -> usize {
        let requests = self.anthropic.requests();
        requests
            .iter()
            .filter(|request| request.kind == RequestKind::Spec)
            .count()
    }

    pub(crate) async fn until_labelled(&self, issue: u64, labels: &[&str]) {
        let mut expected: Vec<&str> = labels.to_vec();
        expected.sort_unstable();
        wait_until("the issue's labels", TIMEOUT, async || {
            let mut labels = self.labels(issue);
            labels.sort_unstable();
            if labels == expected {
                Ok(())
            } else {
                Err(format!("{labels:?} instead of {expected:?}"))
            }
        })
        .await
        .unwrap();
    }

    /// Waits until the issue's item has the status, and returns it.
    pub(crate) async fn until_status(&self, issue: u64, status: WorkItemStatus) -> WorkItem {
        wait_until("the item's status", TIMEOUT, async || match self.item(issue) {
            Some(item) if item.status == status => Ok(item),
            Some(item) => Err(format!("{} instead of {status}", item.status)),
            None => Err("there is no item".to_owned()),
        })
        .await
        .unwrap()
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        wait_until(what, TIMEOUT, async || {
            if condition(self) { Ok(()) } else { Err("not yet") }
        })
        .await
        .unwrap();
    }

    /// Waits until two whole polls of the repository have been made since now. Whatever the intake does for the present
    /// state, it has done then.
    pub(crate) async fn until_polled_twice(&self) {
        let lists = |world: &Self| {
            let path = format!("/repos/{REPO}/issues");
            world.github.count_requests(&Method::GET, &path)
        };
        let before = lists(self);
        // A poll makes two lists, and one may be in progress.
        self.until("two polls of the repository", |world| lists(world) > before + 5)
            .await;
    }
}
