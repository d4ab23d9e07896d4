//! Composition root: builds the components and starts their tasks.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::net::TcpListener;
use whim_service::admin::{self, Admin};
use whim_service::listen;
use whim_service::metrics::Metrics;
use whim_service::program::write_ready_file;
use whim_service::readiness::Readiness;
use whim_service::reconcile::Reconcilers;
use whim_service::supervisor::{Phase, Supervisor};
use whim_service::telemetry::LogLevels;

use crate::assets::{Assets, HOW_TO_BUILD};
use crate::config::Config;
use crate::http::{self, Dashboard};
use crate::{METRIC_FAMILIES, metrics, upstream};

/// Requests in progress are given this time when the dashboard stops.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// The sockets, bound before anything else is started.
#[derive(Debug)]
pub struct Listeners {
    pub pages: TcpListener,
    pub admin: Option<(TcpListener, LogLevels)>,
}

/// Starts all tasks under the supervisor. The ready file, with the dashboard's URL, is written when requests are answered.
///
/// # Errors
/// A component cannot be built from the settings.
pub fn start(
    config: &Config,
    assets: Assets,
    supervisor: &Supervisor,
    listeners: Listeners,
    ready_file: Option<&Path>,
) -> anyhow::Result<()> {
    let Listeners { pages, admin } = listeners;
    // Before anything is counted. Without an admin port, metrics cannot be read.
    let metrics = admin
        .is_some()
        .then(|| Metrics::install("whim-dashboard", env!("CARGO_PKG_VERSION"), &METRIC_FAMILIES));
    metrics::initialise();

    if !assets.are_built() {
        tracing::warn!("{HOW_TO_BUILD}");
    }
    let address = pages
        .local_addr()
        .context("reading the address of the listener")?;
    let intake = supervisor.phase(Phase::Intake);
    let dashboard = Dashboard::new(config, address.ip(), assets, intake.token())?;
    let forwarded = upstream::forwarded().context("reading the routes of the API")?;
    let router = http::router(dashboard, &forwarded);
    intake.critical(
        "pages",
        listen::serve(pages, router, config.head_limit, intake.token()),
    );

    if let Some(((listener, levels), metrics)) = admin.zip(metrics) {
        let work = supervisor.phase(Phase::Work);
        let admin = Admin {
            readiness: Readiness::new(),
            statuses: Reconcilers::new(work.clone()).statuses(),
            levels,
            metrics,
        };
        work.critical("admin", admin::serve(listener, admin, work.token()));
    }

    let url = url_of(address);
    tracing::info!("the dashboard is at {url}");
    if let Some(path) = ready_file {
        write_ready_file(path, &json!({ "url": url }))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// As a browser of this machine reaches it.
fn url_of(address: SocketAddr) -> String {
    let port = address.port();
    if address.ip().is_unspecified() || address.ip().is_loopback() {
        format!("http://localhost:{port}")
    } else {
        format!("http://{address}")
    }
}
