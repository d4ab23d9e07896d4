//! The connection to the container engine.

use std::time::Duration;

use anyhow::Context as _;
use bollard::Docker;
use bollard::errors::Error;
use tokio::sync::OnceCell;
use whim_containers::EngineHost;

/// Everything that the engine does for one worker takes seconds, even on a busy disk.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The container engine, which may be unavailable.
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

    async fn answers(&self) -> bool {
        self.ping().await.is_ok()
    }

    /// Whether the engine accepts new connections. While it is being stopped and ends its containers, it still answers on
    /// existing ones.
    pub(super) async fn accepts_connections(&self) -> bool {
        let new = Self::new(&EngineHost(self.host.clone()));
        new.answers().await
    }

    /// A client with the newest version of the API that both sides support. It reconnects by itself after an outage.
    pub(super) async fn connected(&self) -> anyhow::Result<&Docker> {
        let connect = || async {
            let docker = Docker::connect_with_host(&self.host)?.with_timeout(REQUEST_TIMEOUT);
            docker.negotiate_version().await
        };
        self.connected
            .get_or_try_init(connect)
            .await
            .with_context(|| self.silent())
    }

    /// The name and version of the engine.
    pub(super) async fn ping(&self) -> anyhow::Result<String> {
        let docker = self.connected().await?;
        let version = docker.version().await.with_context(|| self.silent())?;
        Ok(format!("Docker {}", version.version.unwrap_or_default()))
    }

    fn silent(&self) -> String {
        format!("the container engine does not answer at {}", self.host)
    }
}

/// The HTTP status of an error answer; `None` when the engine did not answer.
pub(super) fn refusal(error: &Error) -> Option<u16> {
    // The other variants depend on the features of bollard.
    if let Error::DockerResponseServerError { status_code, .. } = error {
        Some(*status_code)
    } else {
        None
    }
}

/// Treats a resource that does not exist, or is being removed, as a success.
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
