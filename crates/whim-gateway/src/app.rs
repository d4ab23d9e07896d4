//! Composition root: builds the components and starts their tasks.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::middleware::from_fn;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::sleep;
use whim_service::admin::{self, Admin};
use whim_service::listen;
use whim_service::metrics::Metrics;
use whim_service::program::write_ready_file;
use whim_service::readiness::Readiness;
use whim_service::reconcile::Reconcilers;
use whim_service::supervisor::{Phase, Supervisor};
use whim_service::telemetry::LogLevels;

use crate::attempts::Attempts;
use crate::config::{Config, EgressPolicy};
use crate::egress::{Egress, Resolve};
use crate::git::Git;
use crate::github::GitHub;
use crate::http::{self, Gateway};
use crate::model::{Model, ModelLimit, limit_reporter, usage_reporter};
use crate::{METRIC_FAMILIES, metrics, upstream};

/// For requests in progress and then for what has to be reported of them, when the gateway stops.
pub const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// The part of it for requests in progress.
const REQUESTS_DEADLINE: Duration = Duration::from_secs(6);

/// The sockets, bound before anything else is started.
#[derive(Debug)]
pub struct Listeners {
    pub gateway: TcpListener,
    pub admin: Option<(TcpListener, LogLevels)>,
}

/// Starts all tasks under the supervisor. The ready file, with the gateway's URL, is written when requests are answered.
///
/// # Errors
/// A component cannot be built from the settings.
pub fn start(
    config: &Config,
    resolver: Arc<dyn Resolve>,
    supervisor: &Supervisor,
    listeners: Listeners,
    ready_file: Option<&Path>,
) -> anyhow::Result<()> {
    let Listeners { gateway, admin } = listeners;
    // Before anything is counted. Without an admin port, metrics cannot be read.
    let metrics = admin
        .is_some()
        .then(|| Metrics::install("whim-gateway", env!("CARGO_PKG_VERSION"), &METRIC_FAMILIES));
    metrics::initialise(ModelLimit::ALL.map(ModelLimit::as_str));
    if config.egress.policy == EgressPolicy::Open {
        tracing::warn!("EGRESS=open: agents may send anything to every public address");
    }

    let address = gateway
        .local_addr()
        .context("reading the address of the listener")?;
    let client = upstream::client().context("creating an HTTP client")?;
    let attempts = Attempts::new(&config.orchestrator, config.model.requests_per_minute)
        .context("creating a client of the orchestrator")?;
    let attempts = Arc::new(attempts);
    let intake = supervisor.phase(Phase::Intake);
    let egress = Arc::new(Egress::new(
        &config.egress,
        Arc::clone(&attempts),
        resolver,
        intake.token(),
    ));
    intake.critical("tunnels", Arc::clone(&egress).run());
    let (limits, reporter) = limit_reporter(attempts.orchestrator().clone());
    intake.critical("limits", reporter.run(intake.token()));
    // Stops after the requests.
    let work = supervisor.phase(Phase::Work);
    let (usage, reporter) = usage_reporter(attempts.orchestrator().clone());
    work.critical("usage", reporter.run(work.token()));
    let parts = Gateway {
        model: Arc::new(Model::new(
            &config.model,
            &config.egress,
            Arc::clone(&attempts),
            limits,
            usage,
            client.clone(),
        )),
        git: Arc::new(Git::new(&config.github, Arc::clone(&attempts), client.clone())?),
        github: Arc::new(GitHub::new(&config.github, attempts, client)?),
        egress,
    };
    let router = http::router(parts).layer(from_fn(http::refuse_plain_proxying));
    let serving = listen::serve(gateway, router, config.head_limit, intake.token());
    let stop = intake.token();
    intake.critical("gateway", async move {
        let overdue = async {
            stop.cancelled().await;
            sleep(REQUESTS_DEADLINE).await;
        };
        // What is still in progress breaks off then, and its usage is reported.
        tokio::select! {
            served = serving => served,
            () = overdue => Ok(()),
        }
    });

    if let Some(((listener, levels), metrics)) = admin.zip(metrics) {
        let admin = Admin {
            readiness: Readiness::new(),
            statuses: Reconcilers::new(work.clone()).statuses(),
            levels,
            metrics,
        };
        work.critical("admin", admin::serve(listener, admin, work.token()));
    }

    let url = url_of(address);
    tracing::info!("the gateway is at {url}");
    if let Some(path) = ready_file {
        write_ready_file(path, &json!({ "url": url }))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// As a process of this machine reaches it.
fn url_of(address: SocketAddr) -> String {
    let port = address.port();
    if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{port}")
    } else {
        format!("http://{address}")
    }
}
