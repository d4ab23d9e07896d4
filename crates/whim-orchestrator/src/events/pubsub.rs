//! What orchestrators tell each other through Redis: that there is something to see.

use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use whim_service::chain::chain;

use crate::app::App;

/// The channel, behind the prefix of all names.
const CHANNEL: &str = "events";

/// How often others are told at the most.
const TELL_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// Tells the other orchestrators whenever this one notify_changed something, until `stop`. While Redis is away they look by
/// themselves.
///
/// # Errors
/// None.
pub async fn announce(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let hub = &app.events.0;
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(app.redis.key(CHANNEL)).arg(hub.id.to_string());
    let telling = async {
        loop {
            hub.announce.notified().await;
            if let Err(error) = app.redis.command::<()>("announcing events", &publish).await {
                tracing::debug!(error = %chain(&error), "other orchestrators see events later");
            }
            tokio::time::sleep(TELL_AT_MOST_EVERY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = telling => Ok(()),
    }
}

/// Looks whenever another orchestrator tells of something, until `stop`.
///
/// # Errors
/// Redis is away; to be called again.
pub async fn listen(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let hub = &app.events.0;
    let own = hub.id.to_string();
    let listening = async {
        let channel = app.redis.key(CHANNEL);
        let mut notices = app
            .redis
            .subscribe(&channel)
            .await
            .context("listening for events of other orchestrators")?;
        // Listen first, then look.
        hub.look.notify_one();
        while let Some(notice) = notices.next().await {
            if notice.get_payload_bytes() != own.as_bytes() {
                hub.look.notify_one();
            }
        }
        anyhow::bail!("the connection to Redis that tells of events ended")
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        result = listening => result,
    }
}
