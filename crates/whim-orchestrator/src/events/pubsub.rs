//! Notifications between orchestrators, through Redis: new events may be in the log.

use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use whim_service::chain::chain;

use super::hub::EventHub;
use crate::redis_connection::RedisConnection;

/// The channel, without the key prefix.
const CHANNEL: &str = "events";

const MIN_PUBLISH_INTERVAL: Duration = Duration::from_millis(20);

/// Notifies the other orchestrators when this one may have written events, until `stop`. While Redis is unavailable they
/// poll.
///
/// # Errors
/// None; the signature is that of a supervised task.
pub async fn publish(hub: EventHub, redis: RedisConnection, stop: CancellationToken) -> anyhow::Result<()> {
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(redis.key(CHANNEL)).arg(hub.instance().to_string());
    let publishing = async {
        loop {
            hub.published().await;
            if let Err(error) = redis.command::<()>("announcing events", &publish).await {
                tracing::debug!(error = %chain(&error), "other orchestrators were not notified of new events");
            }
            tokio::time::sleep(MIN_PUBLISH_INTERVAL).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = publishing => Ok(()),
    }
}

/// Reads the log whenever another orchestrator may have written events, until `stop`.
///
/// # Errors
/// Redis is unavailable; call it again.
pub async fn listen(hub: EventHub, redis: RedisConnection, stop: CancellationToken) -> anyhow::Result<()> {
    let own = hub.instance().to_string();
    let listening = async {
        let mut notifications = redis
            .subscribe(&redis.key(CHANNEL))
            .await
            .context("subscribing to events of other orchestrators")?;
        // For events that were announced before the subscription.
        hub.notify_changed_elsewhere();
        while let Some(notification) = notifications.next().await {
            if notification.get_payload_bytes() != own.as_bytes() {
                hub.notify_changed_elsewhere();
            }
        }
        anyhow::bail!("Redis closed the connection that receives event notifications")
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        result = listening => result,
    }
}
