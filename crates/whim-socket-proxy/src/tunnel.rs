//! A connection that became one of raw bytes: what is written to a container's standard input.

use anyhow::Context as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// Both ends, as soon as they are there.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) client: OnUpgrade,
    pub(crate) engine: OnUpgrade,
}

impl Tunnel {
    /// Passes bytes in both directions. When one side has said all, the other is told and may go on.
    ///
    /// # Errors
    /// A side broke off.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let client = self.client.await.context("taking over the caller's connection")?;
        let engine = self.engine.await.context("taking over the engine's connection")?;
        copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(engine))
            .await
            .context("passing on what is said")?;
        Ok(())
    }
}
