//! Health of the dependencies, and the overview of `/api/status`.

use std::future::Future;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use whim_core::protocol::status::{
    self as protocol, Breaker, BreakerSubject, Budget, DependencyHealth, Health, RuntimeStatus, Slots, Status,
};
use whim_core::{FailureCause, WorkItemStatus};
use whim_service::chain::chain;

use crate::admission::{BlockedReason, Cooldown, Snapshot, admit, exhausted_budgets, remaining};
use crate::app::App;
use crate::breakers::{self, OpenBreakers, credential_advice};
use crate::db::breakers::Open;
use crate::db::{self, activity, work_items};
use crate::error::Error;
use crate::intake_access;

/// A dependency that takes longer to respond counts as unavailable.
const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy)]
struct Dependency {
    name: &'static str,
    /// What to do if it is unavailable.
    advice: &'static str,
}

const POSTGRES: Dependency = Dependency {
    name: "Postgres",
    advice: "Check that it is running and that DATABASE_URL is correct.",
};
const REDIS: Dependency = Dependency {
    name: "Redis",
    advice: "Check that it is running and that REDIS_URL is correct. Until then nothing new is started.",
};
const RUNTIME: Dependency = Dependency {
    name: "The runtime of the workers",
    advice: "Fix it, or choose another runtime with WORKER_RUNTIME. Until then nothing new is started.",
};

/// Checks every dependency.
pub async fn health(app: &App) -> Health {
    let (postgres, redis, runtime, breakers) = tokio::join!(
        check(POSTGRES, async {
            sqlx::query_scalar!("select version()")
                .fetch_one(&app.work_database)
                .await
                .map(|version| name_and_version(version.as_deref().unwrap_or("PostgreSQL")))
        }),
        check(REDIS, async {
            app.redis.ping().await.map(|()| "Redis".to_owned())
        }),
        check(RUNTIME, app.runtime.health()),
        tokio::time::timeout(TIMEOUT, OpenBreakers::read(&app.work_database)),
    );
    // An unavailable Postgres is reported as such.
    let breakers = breakers.ok().and_then(Result::ok).unwrap_or_default();
    let of = |subject| breakers.iter().find(|open| open.subject == subject);
    Health {
        model: reported(of(BreakerSubject::Model), "The model API"),
        github: reported(of(BreakerSubject::GitHub), "GitHub"),
        healthy: postgres.healthy && redis.healthy && runtime.healthy,
        postgres,
        redis,
        runtime,
    }
}

/// An external service, as reported by workers. The reports themselves are left out, because `/health` needs no key.
fn reported(open: Option<&Open>, name: &str) -> DependencyHealth {
    let Some(open) = open else {
        return DependencyHealth::unknown();
    };
    let problem = if open.cause.operator_action_required() {
        "rejects the credential"
    } else if open.cause == FailureCause::ModelLimited {
        "rate-limits Whim"
    } else {
        "is unavailable"
    };
    let resume = || "POST /api/queue/resume probes it now".to_owned();
    let advice = credential_advice(open).unwrap_or_else(resume);
    let retry = if open.remaining.is_zero() {
        "It is being probed".to_owned()
    } else {
        format!(
            "The next try is at {}",
            open.retry_at.format("%Y-%m-%d %H:%M UTC")
        )
    };
    DependencyHealth {
        healthy: false,
        message: format!("{name} {problem}. {retry}; {advice}."),
    }
}

/// Errors are logged with their chain; the response has only the first, because `/health` needs no key.
async fn check<E: std::error::Error + 'static>(
    Dependency { name, advice }: Dependency,
    call: impl Future<Output = Result<String, E>>,
) -> DependencyHealth {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(Ok(message)) => DependencyHealth {
            healthy: true,
            message,
        },
        Ok(Err(error)) => {
            tracing::warn!(error = %chain(&error), "{name} is unavailable");
            DependencyHealth {
                healthy: false,
                message: format!("{name} is unavailable: {error}. {advice}"),
            }
        }
        Err(_) => {
            let seconds = TIMEOUT.as_secs();
            DependencyHealth {
                healthy: false,
                message: format!("{name} did not respond within {seconds} s. {advice}"),
            }
        }
    }
}

/// `PostgreSQL 16.14`, without the compiler.
fn name_and_version(version: &str) -> String {
    version.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The overview.
///
/// # Errors
/// Postgres is unavailable. Other unavailable dependencies are reported in the overview.
pub async fn status(app: &App) -> Result<Status, Error> {
    let isolation = tokio::time::timeout(TIMEOUT, app.runtime.warnings());
    let long_transaction = app.config.database.long_transaction;
    let (items, snapshot, runtime, isolation, transaction, silence, access) = tokio::join!(
        work_items::by_status(&app.database),
        Snapshot::read(app),
        check(RUNTIME, app.runtime.health()),
        isolation,
        activity::long_transaction(&app.database, long_transaction),
        app.intake_activity.silence(),
        db::intake_access::find(&app.database),
    );
    let (items, snapshot, access) = (items?, snapshot?, access?);
    let DependencyHealth { healthy, message } = runtime;
    let mut warnings = isolation.unwrap_or_default();
    if !healthy {
        warnings.push(message.clone());
    }
    warnings.extend(transaction?.map(|transaction| transaction.to_string()));
    let generating = items.get(&WorkItemStatus::Generating).copied().unwrap_or(0);
    warnings.extend(
        silence
            .filter(|_| generating > 0)
            .map(|silence| silence.to_string()),
    );
    warnings.extend(
        access
            .iter()
            .flat_map(|access| intake_access::warnings(access, Utc::now())),
    );
    warnings.extend(exhausted_budgets(&snapshot).iter().map(ToString::to_string));
    let breakers: Vec<Breaker> = snapshot.breakers.iter().map(breakers::describe).collect();
    warnings.extend(breakers.iter().map(|breaker| breaker.explanation.clone()));
    let no_vectors = app.embedder.failure().await;
    warnings.extend(no_vectors.map(|failure| format!("Learnings are found by words only: {failure}.")));
    let reasons = admit(&snapshot).err().unwrap_or_default();
    let Snapshot { limits, usage, .. } = &snapshot;
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        items,
        workers: Slots {
            active: snapshot.live_workers,
            max: limits.max_workers,
        },
        budget: Budget {
            limit: limits.daily_budget,
            used: usage.used,
            reserved: usage.reserved,
            remaining: remaining(limits.daily_budget, usage),
            resets_at: usage.resets_at,
        },
        cooldown: protocol::Cooldown {
            seconds: app.limits.cooldown_length().as_secs_f64(),
            ends_at: match snapshot.cooldown {
                Cooldown::Running { remaining } => {
                    TimeDelta::from_std(remaining).ok().map(|left| Utc::now() + left)
                }
                Cooldown::Over | Cooldown::RedisUnavailable => None,
            },
        },
        paused: snapshot.paused.clone(),
        runtime: RuntimeStatus {
            kind: app.runtime.kind().to_owned(),
            healthy,
            message,
        },
        breakers,
        intake: access,
        blocked_reasons: reasons.iter().map(BlockedReason::to_protocol).collect(),
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_problem_is_reported_with_what_to_do_next_and_without_details() {
        let open = |subject, cause, seconds: u64| Open {
            subject,
            name: String::new(),
            cause,
            reason: "an internal secret".to_owned(),
            failures: 1,
            since: DateTime::UNIX_EPOCH,
            retry_at: DateTime::UNIX_EPOCH,
            remaining: Duration::from_secs(seconds),
            has_fixed_expiry: false,
            half_open: false,
            items: Vec::new(),
        };
        let (model, github) = (BreakerSubject::Model, BreakerSubject::GitHub);
        let outside = [
            (model, open(model, FailureCause::ModelLimited, 8)),
            (model, open(model, FailureCause::ModelUnavailable, 0)),
            (model, open(model, FailureCause::ModelRefused, 8)),
            (github, open(github, FailureCause::GitHubRefused, 8)),
            (github, open(github, FailureCause::GitHubUnavailable, 8)),
        ];
        let mut dependencies: Vec<DependencyHealth> = outside
            .into_iter()
            .map(|(subject, open)| reported(Some(&open), subject.as_str()))
            .collect();
        for dependency in [POSTGRES, REDIS, RUNTIME] {
            let refused =
                std::future::ready(Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
            dependencies.push(check(dependency, refused).await);
        }
        let silent = std::future::pending::<Result<String, std::io::Error>>();
        dependencies.push(check(POSTGRES, silent).await);

        assert!(dependencies.iter().all(|dependency| !dependency.healthy));
        let sentences: Vec<String> = dependencies
            .into_iter()
            .map(|dependency| dependency.message)
            .collect();
        insta::assert_snapshot!(sentences.join("\n"), @r"
        model rate-limits Whim. The next try is at 1970-01-01 00:00 UTC; POST /api/queue/resume probes it now.
        model is unavailable. It is being probed; POST /api/queue/resume probes it now.
        model rejects the credential. The next try is at 1970-01-01 00:00 UTC; set the credential of the agent to a valid value and restart the orchestrator.
        github rejects the credential. The next try is at 1970-01-01 00:00 UTC; set GITHUB_TOKEN to a valid value and restart the orchestrator and the intake.
        github is unavailable. The next try is at 1970-01-01 00:00 UTC; POST /api/queue/resume probes it now.
        Postgres is unavailable: connection refused. Check that it is running and that DATABASE_URL is correct.
        Redis is unavailable: connection refused. Check that it is running and that REDIS_URL is correct. Until then nothing new is started.
        The runtime of the workers is unavailable: connection refused. Fix it, or choose another runtime with WORKER_RUNTIME. Until then nothing new is started.
        Postgres did not respond within 2 s. Check that it is running and that DATABASE_URL is correct.
        ");
    }
}
