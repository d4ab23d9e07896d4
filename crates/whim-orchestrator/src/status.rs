//! How Whim is, and why it does not do more.

use std::future::Future;
use std::time::Duration;

use whim_core::protocol::status::{Component, Health, RuntimeStatus, Status};
use whim_service::chain::chain;

use crate::app::App;
use crate::db::{activity, work_items};
use crate::dispatch::{self, Admission};
use crate::error::Error;

/// A part that takes longer to answer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks every part for a sign of life.
pub async fn health(app: &App) -> Health {
    let (postgres, redis, runtime) = tokio::join!(
        component("Postgres", async {
            sqlx::query_scalar!("select version()")
                .fetch_one(&app.work_database)
                .await
                .map(|version| first_words(version.as_deref().unwrap_or("PostgreSQL")))
        }),
        component("Redis", async {
            app.redis.ping().await.map(|()| "Redis".to_owned())
        }),
        component("What starts workers", app.runtime.health()),
    );
    Health {
        healthy: postgres.healthy && redis.healthy && runtime.healthy,
        postgres,
        redis,
        runtime,
    }
}

/// Errors go to the log: their texts may name addresses, and everybody may ask for this.
async fn component<E: std::error::Error + 'static>(
    name: &str,
    sign: impl Future<Output = Result<String, E>>,
) -> Component {
    match tokio::time::timeout(PATIENCE, sign).await {
        Ok(Ok(message)) => Component {
            healthy: true,
            message,
        },
        Ok(Err(error)) => {
            tracing::warn!(error = %chain(&error), "{name} does not answer");
            Component {
                healthy: false,
                message: format!("{name} does not answer: {error}"),
            }
        }
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            Component {
                healthy: false,
                message: format!("{name} does not answer within {seconds} s"),
            }
        }
    }
}

/// `PostgreSQL 16.14` out of a sentence about compilers.
fn first_words(version: &str) -> String {
    version.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The overview.
///
/// # Errors
/// Postgres is away; everything else that is away is told in the answer.
pub async fn status(app: &App) -> Result<Status, Error> {
    let isolation = tokio::time::timeout(PATIENCE, app.runtime.warnings());
    let long_transaction = app.config.database.long_transaction;
    let (items, admission, health, isolation, transaction) = tokio::join!(
        work_items::by_status(&app.database),
        dispatch::admission(app),
        component("What starts workers", app.runtime.health()),
        isolation,
        activity::long_transaction(&app.database, long_transaction),
    );
    let Admission {
        slots,
        budget,
        cooldown,
        paused,
        refusals,
    } = admission?;
    let Component { healthy, message } = health;
    // That nothing answers is told by the health.
    let mut warnings = isolation.unwrap_or_default();
    if !healthy {
        warnings.push(message.clone());
    }
    if let Some(why) = app.starts.last_failure() {
        warnings.push(format!("The last worker could not be started: {why}."));
    }
    warnings.extend(transaction?.map(|transaction| transaction.to_string()));
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        items: items?,
        workers: slots,
        budget,
        cooldown,
        paused,
        runtime: RuntimeStatus {
            kind: app.runtime.kind().to_owned(),
            healthy,
            message,
        },
        waiting_for: refusals.iter().map(ToString::to_string).collect(),
        warnings,
    })
}
