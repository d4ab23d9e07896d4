//! The connection to the container engine.

use std::time::Duration;

use anyhow::Context as _;
use bollard::Docker;
use bollard::errors::Error;
use tokio::sync::OnceCell;
use whim_containers::EngineHost;

/// An answer that takes longer is none: what the engine does for one worker is a matter of seconds, even on a busy disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// The container engine, whether it answers at the moment or not.
#[derive(Debug)]
pub(super) struct Engine {
    host: String,
    connected: OnceCell<Docker>,
}

impl Engine {
    pub(super) fn new(EngineHost(host): &EngineHost) -> Self {
        Self {
            host: host.clone(),
            connected: OnceCell::new(),
        }
    }

    /// Whether one answers now.
    pub(super) async fn answers(&self) -> bool {
        self.ping().await.is_ok()
    }

    /// Whether somebody new is let in. One that is being stopped goes on to answer those who are connected while it
    /// ends its containers.
    pub(super) async fn accepts_connections(&self) -> bool {
        let again = Self::new(&EngineHost(self.host.clone()));
        again.answers().await
    }

    /// The engine, in the newest version of its interface that both sides know. An engine that goes away and comes back
    /// is found again by the next call.
    pub(super) async fn connected(&self) -> anyhow::Result<&Docker> {
        let connect = || async {
            let docker = Docker::connect_with_host(&self.host)?.with_timeout(PATIENCE);
            docker.negotiate_version().await
        };
        self.connected
            .get_or_try_init(connect)
            .await
            .with_context(|| self.silent())
    }

    /// What the engine is, in a few words.
    pub(super) async fn ping(&self) -> anyhow::Result<String> {
        let docker = self.connected().await?;
        let version = docker.version().await.with_context(|| self.silent())?;
        Ok(format!("Docker {}", version.version.unwrap_or_default()))
    }

    fn silent(&self) -> String {
        format!("the container engine does not answer at {}", self.host)
    }
}

/// The status with which the engine refused; `None` when it did not answer.
pub(super) fn refusal(error: &Error) -> Option<u16> {
    // The enum is not exhaustive outside its crate's features.
    if let Error::DockerResponseServerError { status_code, .. } = error {
        Some(*status_code)
    } else {
        None
    }
}

/// A success as well when what it was about is not there, or is just being removed.
pub(super) fn unless_gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if matches!(refusal(&error), Some(404 | 409)) => Ok(()),
        result => result,
    }
}

/// The error for an image that the engine does not have.
pub(super) fn missing_image(image: &str) -> String {
    format!(
        "the engine has no image {image}: build it with `docker compose build`, pull it, or set WORKER_IMAGE or \
         WORKER_IMAGES to an image that exists"
    )
}
