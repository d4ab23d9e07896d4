//! How Whim is, and why it does not do more.

use std::future::Future;
use std::time::Duration;

use whim_core::FailureCause;
use whim_core::protocol::status::{BreakerSubject, Component, Health, RuntimeStatus, Status};
use whim_service::chain::chain;

use crate::app::App;
use crate::db::breakers::{self, Open};
use crate::db::{activity, work_items};
use crate::dispatch::{self, Admission};
use crate::error::Error;

/// A part that takes longer to answer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks every part for a sign of life.
pub async fn health(app: &App) -> Health {
    let (postgres, redis, runtime, breakers) = tokio::join!(
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
        tokio::time::timeout(PATIENCE, breakers::open_ones(&app.work_database)),
    );
    // That Postgres does not answer is told already.
    let open = breakers.ok().and_then(Result::ok).unwrap_or_default();
    Health {
        model: spared(&open, BreakerSubject::Model, "The model API"),
        github: spared(&open, BreakerSubject::GitHub, "GitHub"),
        healthy: postgres.healthy && redis.healthy && runtime.healthy,
        postgres,
        redis,
        runtime,
    }
}

/// What workers told of a part that lies outside. Not in their words: everybody may ask for this.
fn spared(open: &[Open], subject: BreakerSubject, name: &str) -> Component {
    let Some(open) = open.iter().find(|open| open.subject == subject) else {
        return Component::unknown();
    };
    let what = if open.cause.needs_a_person() {
        "refuses Whim's credentials"
    } else if open.cause == FailureCause::ModelLimited {
        "limits Whim"
    } else {
        "is not available"
    };
    let until = open.until.format("%Y-%m-%d %H:%M UTC");
    Component {
        healthy: false,
        message: format!("{name} {what}; nothing is started until {until}"),
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
        breakers,
        refusals,
    } = admission?;
    let Component { healthy, message } = health;
    // That nothing answers is told by the health.
    let mut warnings = isolation.unwrap_or_default();
    if !healthy {
        warnings.push(message.clone());
    }
    warnings.extend(transaction?.map(|transaction| transaction.to_string()));
    // Those that hold up everything are told by `waiting_for` as well; these are for whoever can mend it.
    warnings.extend(breakers.iter().map(|breaker| breaker.explanation.clone()));
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
        breakers,
        waiting_for: refusals.iter().map(ToString::to_string).collect(),
        warnings,
    })
}
