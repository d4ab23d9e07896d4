//! How Whim is, and why it does not do more.

use std::future::Future;
use std::time::Duration;

use whim_core::FailureCause;
use whim_core::protocol::status::{BreakerSubject, DependencyHealth, Health, RuntimeStatus, Status};
use whim_service::chain::chain;

use crate::app::App;
use crate::db::breakers::{self, Open};
use crate::db::{activity, work_items};
use crate::dispatch::{self, Admission};
use crate::error::Error;

/// A part that takes longer to answer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// A part that has to answer.
#[derive(Clone, Copy)]
struct Part {
    name: &'static str,
    /// What to do when it does not.
    advice: &'static str,
}

const POSTGRES: Part = Part {
    name: "Postgres",
    advice: "see that it runs, and that DATABASE_URL leads to it",
};
const REDIS: Part = Part {
    name: "Redis",
    advice: "see that it runs, and that REDIS_URL leads to it; until then nothing new is started",
};
const RUNTIME: Part = Part {
    name: "What starts workers",
    advice: "put that right, or choose another with WORKER_RUNTIME; until then nothing new is started",
};

/// Asks every part for a sign of life.
pub async fn health(app: &App) -> Health {
    let (postgres, redis, runtime, breakers) = tokio::join!(
        component(POSTGRES, async {
            sqlx::query_scalar!("select version()")
                .fetch_one(&app.work_database)
                .await
                .map(|version| first_words(version.as_deref().unwrap_or("PostgreSQL")))
        }),
        component(REDIS, async {
            app.redis.ping().await.map(|()| "Redis".to_owned())
        }),
        component(RUNTIME, app.runtime.health()),
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
fn spared(open: &[Open], subject: BreakerSubject, name: &str) -> DependencyHealth {
    let Some(open) = open.iter().find(|open| open.subject == subject) else {
        return DependencyHealth::unknown();
    };
    let what = if open.cause.operator_action_required() {
        "refuses Whim's credentials"
    } else if open.cause == FailureCause::ModelLimited {
        "limits Whim"
    } else {
        "is not available"
    };
    let resume = "POST /api/queue/resume has it tried at once";
    let advice = open.cause.mended_by().unwrap_or(resume);
    let until = if open.left.is_zero() {
        "it works; it is being tried".to_owned()
    } else {
        open.retry_at.format("%Y-%m-%d %H:%M UTC").to_string()
    };
    DependencyHealth {
        healthy: false,
        message: format!("{name} {what}; nothing is started until {until}; {advice}"),
    }
}

/// Errors go to the log: their texts may name addresses, and everybody may ask for this.
async fn component<E: std::error::Error + 'static>(
    Part { name, advice }: Part,
    sign: impl Future<Output = Result<String, E>>,
) -> DependencyHealth {
    match tokio::time::timeout(PATIENCE, sign).await {
        Ok(Ok(message)) => DependencyHealth {
            healthy: true,
            message,
        },
        Ok(Err(error)) => {
            tracing::warn!(error = %chain(&error), "{name} does not answer");
            DependencyHealth {
                healthy: false,
                message: format!("{name} does not answer: {error}; {advice}"),
            }
        }
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            DependencyHealth {
                healthy: false,
                message: format!("{name} does not answer within {seconds} s; {advice}"),
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
        component(RUNTIME, app.runtime.health()),
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
        used_up,
    } = admission?;
    let DependencyHealth { healthy, message } = health;
    // That nothing answers is told by the health.
    let mut warnings = isolation.unwrap_or_default();
    if !healthy {
        warnings.push(message.clone());
    }
    warnings.extend(transaction?.map(|transaction| transaction.to_string()));
    warnings.extend(used_up.iter().map(ToString::to_string));
    // Those that hold up everything are told by `blocked_reasons` as well; these are for whoever can mend it.
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
        blocked_reasons: refusals.iter().map(ToString::to_string).collect(),
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whatever_is_wrong_is_told_with_what_to_do_next() {
        let open = |subject, cause, left: u64| Open {
            subject,
            name: String::new(),
            cause,
            reason: "a secret of the inside".to_owned(),
            failures: 1,
            since: DateTime::UNIX_EPOCH,
            retry_at: DateTime::UNIX_EPOCH,
            left: Duration::from_secs(left),
            has_fixed_expiry: false,
            half_open: false,
        };
        let (model, github) = (BreakerSubject::Model, BreakerSubject::GitHub);
        let outside = [
            (model, open(model, FailureCause::ModelLimited, 8)),
            (model, open(model, FailureCause::ModelUnavailable, 0)),
            (model, open(model, FailureCause::ModelRefused, 8)),
            (github, open(github, FailureCause::GitHubRefused, 8)),
            (github, open(github, FailureCause::GitHubUnavailable, 8)),
        ];
        let mut told: Vec<DependencyHealth> = outside
            .into_iter()
            .map(|(subject, open)| spared(&[open], subject, subject.as_str()))
            .collect();
        for part in [POSTGRES, REDIS, RUNTIME] {
            let refused =
                std::future::ready(Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
            told.push(component(part, refused).await);
        }
        let silent = std::future::pending::<Result<String, std::io::Error>>();
        told.push(component(POSTGRES, silent).await);

        assert!(told.iter().all(|component| !component.healthy));
        let sentences: Vec<String> = told.into_iter().map(|component| component.message).collect();
        insta::assert_snapshot!(sentences.join("\n"), @r"
        model limits Whim; nothing is started until 1970-01-01 00:00 UTC; POST /api/queue/resume has it tried at once
        model is not available; nothing is started until it works; it is being tried; POST /api/queue/resume has it tried at once
        model refuses Whim's credentials; nothing is started until 1970-01-01 00:00 UTC; set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN to one that is valid and restart the orchestrator and the intake
        github refuses Whim's credentials; nothing is started until 1970-01-01 00:00 UTC; set GITHUB_TOKEN to one that is valid and restart the orchestrator and the intake
        github is not available; nothing is started until 1970-01-01 00:00 UTC; POST /api/queue/resume has it tried at once
        Postgres does not answer: connection refused; see that it runs, and that DATABASE_URL leads to it
        Redis does not answer: connection refused; see that it runs, and that REDIS_URL leads to it; until then nothing new is started
        What starts workers does not answer: connection refused; put that right, or choose another with WORKER_RUNTIME; until then nothing new is started
        Postgres does not answer within 2 s; see that it runs, and that DATABASE_URL leads to it
        ");
    }
}
