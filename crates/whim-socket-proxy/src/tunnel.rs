//! An upgraded connection: the standard input of a container.

use anyhow::Context as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// Both ends, once they are upgraded.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) client: OnUpgrade,
    pub(crate) engine: OnUpgrade,
}

impl Tunnel {
    /// Copies bytes in both directions. When one side closes its half, the other half stays open.
    ///
    /// # Errors
    /// A connection failed.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let client = self
            .client
            .await
            .context("upgrading the orchestrator's connection")?;
        let engine = self.engine.await.context("upgrading the engine's connection")?;
        copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(engine))
            .await
            .context("copying between orchestrator and engine")?;
        Ok(())
    }
}
