//! Composition root: builds the components and starts their tasks.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use whim_client::{Client, Timing};
use whim_service::admin::{self, Admin};
use whim_service::metrics::Metrics;
use whim_service::program::write_ready_file;
use whim_service::readiness::Readiness;
use whim_service::reconcile::{Activator, Reconcilers};
use whim_service::supervisor::{Phase, Supervisor};
use whim_service::telemetry::LogLevels;

use crate::access::AccessReporter;
use crate::anthropic::Anthropic;
use crate::comment::CommentWriter;
use crate::config::Config;
use crate::github::GitHub;
use crate::poll::{Repository, Shared};
use crate::quarantine::Quarantine;
use crate::specs::SpecWriter;
use crate::trust::People;

/// Steps in progress are abandoned when the intake stops; the next start repeats them.
pub const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Starts all tasks under the supervisor. The ready file is written after the first poll of every repository.
///
/// # Errors
/// A client cannot be built from the settings.
pub fn start(
    config: Config,
    supervisor: &Supervisor,
    admin: Option<(TcpListener, LogLevels)>,
    ready_file: Option<&Path>,
) -> anyhow::Result<()> {
    let client = Client::new(
        config.orchestrator_url.clone(),
        config.api_key.as_ref(),
        Timing::STANDARD,
    )
    .context("ORCHESTRATOR_URL or API_KEY cannot be used")?
    .with_user_agent("whim-intake");
    let github = GitHub::new(
        config.github_api_url,
        &config.github_token,
        config.github_write_interval,
    )?;
    let github = Arc::new(github);
    let spec_wanted = Arc::new(Notify::new());
    let people = People::new(Arc::clone(&github), config.allowed_users, config.allowed_bots);
    let shared = Shared {
        intake_label: config.intake_label,
        dashboard_url: config.dashboard_url,
        people: Arc::new(people),
        comments: Arc::new(CommentWriter::new(
            Arc::clone(&github),
            config.status_comment_interval,
        )),
        github,
        client: client.clone(),
        spec_wanted: Arc::clone(&spec_wanted),
    };
    let readiness = Readiness::new();

    // Before anything is counted. Without an admin port, metrics cannot be read.
    let metrics = admin
        .is_some()
        .then(|| Metrics::install("whim-intake", env!("CARGO_PKG_VERSION"), &[]));

    let intake = supervisor.phase(Phase::Intake);
    let reconcilers = Reconcilers::new(intake.clone());
    let reporter = AccessReporter::new(
        Arc::clone(&shared.github),
        Anthropic::new(&config.specs)?,
        client.clone(),
        config.repos.clone(),
        intake.token(),
    );
    reconcilers.start(
        "access",
        None,
        AccessReporter::PERIOD,
        &Activator::new(),
        reporter,
    );
    for repo in config.repos {
        let name = repo.to_string();
        let repository = Repository::new(
            repo,
            &shared,
            readiness.latch("the first poll of every repository"),
            intake.token(),
        );
        reconcilers.start(
            "repository",
            Some(&name),
            config.poll_interval,
            &Activator::new(),
            repository,
        );
    }
    let quarantine = Quarantine {
        github: Arc::clone(&shared.github),
        client: client.clone(),
        stop: intake.token(),
    };
    reconcilers.start(
        "learnings",
        None,
        config.poll_interval,
        &Activator::new(),
        quarantine,
    );
    let writer = SpecWriter::new(client, &config.specs, spec_wanted)?;
    intake.critical("specs", writer.run(intake.token()));

    if let Some(((listener, levels), metrics)) = admin.zip(metrics) {
        let admin = Admin {
            readiness: readiness.clone(),
            statuses: reconcilers.statuses(),
            levels,
            metrics,
        };
        let work = supervisor.phase(Phase::Work);
        work.critical("admin", admin::serve(listener, admin, work.token()));
    }

    let ready_file = ready_file.map(Path::to_owned);
    let stop = intake.token();
    supervisor.critical("ready", async move {
        tokio::select! {
            () = readiness.wait() => {}
            () = stop.cancelled() => return Ok(()),
        }
        tracing::info!("polled every repository once");
        if let Some(path) = ready_file {
            write_ready_file(&path, &json!({})).with_context(|| format!("writing {}", path.display()))?;
        }
        stop.cancelled().await;
        Ok(())
    });
    Ok(())
}
