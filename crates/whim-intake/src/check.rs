//! `whim-intake check`: whether the first issue will work, and what to fix.

mod report;

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use whim_client::{Client, Timing};
use whim_core::RepoName;
use whim_core::protocol::work::WorkFilter;
use whim_service::chain::chain;

use self::report::{Finding, Report};
use crate::anthropic::Anthropic;
use crate::config::Config;
use crate::github::{GitHub, GitHubError, TokenReport};
use crate::labels::{FAILED, NEEDS_INFO, PR_READY, PROCESSING, REFUSED, has};

/// Beyond it, leases and ages that people read are misleading.
const MAX_CLOCK_DIFFERENCE_SECONDS: i64 = 60;
/// Before the expiry of the token.
const EXPIRY_WARNING_DAYS: i64 = 14;

struct LabelDescription {
    name: &'static str,
    /// Hexadecimal, without `#`.
    color: &'static str,
    description: &'static str,
}

const STATE_LABELS: [LabelDescription; 5] = [
    LabelDescription {
        name: PROCESSING,
        color: "1d76db",
        description: "Whim is working on this issue",
    },
    LabelDescription {
        name: PR_READY,
        color: "0e8a16",
        description: "Whim opened a pull request for this issue",
    },
    LabelDescription {
        name: FAILED,
        color: "b60205",
        description: "Whim could not finish this issue; remove the label to run it again",
    },
    LabelDescription {
        name: NEEDS_INFO,
        color: "fbca04",
        description: "Whim waits until this label is removed",
    },
    LabelDescription {
        name: REFUSED,
        color: "5319e7",
        description: "Requested by a user who may not; remove the label to request it",
    },
];

const INTAKE_LABEL_COLOR: &str = "c5def5";
const INTAKE_LABEL_DESCRIPTION: &str = "Requests a pull request from Whim";

/// Checks everything that an issue needs, creates missing labels, and prints a table. Fails if something has to be fixed.
///
/// # Errors
/// No client can be built from the settings, or the output cannot be written.
pub(crate) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let github = GitHub::new(
        config.github_api_url.clone(),
        &config.github_token,
        config.github_write_interval,
    )?;
    let mut report = Report::default();
    check_token(&github, &mut report).await;
    for repo in &config.repos {
        check_repository(&github, repo, &config.intake_label, &mut report).await;
    }
    check_model(&config, &mut report).await;
    check_orchestrator(&config, &mut report).await?;
    report.print()?;
    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn check_token(github: &GitHub, report: &mut Report) {
    match github.token_report().await {
        Ok(token) => {
            report.push("token", token_finding(&token, Utc::now()));
            report.push("clock", clock_finding(token.server_time, Utc::now()));
        }
        Err(error) => report.push("token", Finding::Bad(chain(&error).to_string())),
    }
}

fn token_finding(token: &TokenReport, now: DateTime<Utc>) -> Finding {
    let account = &token.account;
    let who = format!("{} (id {})", account.login, account.id);
    match token.expires_at {
        Some(at) if at <= now + chrono::TimeDelta::days(EXPIRY_WARNING_DAYS) => {
            let date = at.format("%Y-%m-%d");
            Finding::Bad(format!("{who} expires on {date}: create another GITHUB_TOKEN"))
        }
        Some(at) => Finding::Good(format!("{who}, until {}", at.format("%Y-%m-%d"))),
        None => Finding::Good(who),
    }
}

fn clock_finding(server_time: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Finding {
    let Some(server_time) = server_time else {
        return Finding::Good("GitHub named no time to compare with".to_owned());
    };
    let seconds = (now - server_time).num_seconds();
    if seconds.abs() <= MAX_CLOCK_DIFFERENCE_SECONDS {
        return Finding::Good(format!("differs from GitHub's by {} s", seconds.abs()));
    }
    Finding::Bad(format!(
        "differs from GitHub's by {} s: synchronise the clock of this machine",
        seconds.abs()
    ))
}

async fn check_repository(github: &GitHub, repo: &RepoName, intake_label: &str, report: &mut Report) {
    let subject = repo.to_string();
    match github.repository(repo).await {
        Ok(found) if found.is_archived => {
            report.push(
                &subject,
                Finding::Bad("is archived: remove it from REPOS".to_owned()),
            );
            return;
        }
        Ok(found) if !found.has_issues => {
            report.push(
                &subject,
                Finding::Bad("has no issues: enable them in its settings".to_owned()),
            );
            return;
        }
        Ok(found) if found.may_push => report.push(&subject, Finding::Good("may be pushed to".to_owned())),
        Ok(_) => report.push(
            &subject,
            Finding::Bad("may not be pushed to: give GITHUB_TOKEN write access to its contents".to_owned()),
        ),
        Err(error) => {
            report.push(&subject, Finding::Bad(chain(&error).to_string()));
            return;
        }
    }
    let labels = create_missing_labels(github, repo, intake_label).await;
    report.push(&format!("{subject} labels"), labels);
}

async fn create_missing_labels(github: &GitHub, repo: &RepoName, intake_label: &str) -> Finding {
    let created: Result<Vec<&str>, GitHubError> = async {
        let present = github.label_names(repo).await?;
        let intake = (intake_label, INTAKE_LABEL_COLOR, INTAKE_LABEL_DESCRIPTION);
        let states = STATE_LABELS.iter().map(|it| (it.name, it.color, it.description));
        let mut created = Vec::new();
        for (name, color, description) in [intake].into_iter().chain(states) {
            if !has(&present, name) {
                github.create_label(repo, name, color, description).await?;
                created.push(name);
            }
        }
        Ok(created)
    }
    .await;
    match created {
        Ok(created) if created.is_empty() => Finding::Good("are there".to_owned()),
        Ok(created) => Finding::Good(format!("created: {}", created.join(", "))),
        Err(error) => Finding::Bad(chain(&error).to_string()),
    }
}

async fn check_model(config: &Config, report: &mut Report) {
    let model = &config.specs.model;
    let finding = match Anthropic::new(&config.specs) {
        Ok(anthropic) => match anthropic.model_exists().await {
            Ok(()) => Finding::Good(format!("{model} answers")),
            Err(error) => Finding::Bad(chain(&error).to_string()),
        },
        Err(error) => Finding::Bad(format!("{error:#}")),
    };
    report.push("model", finding);
}

async fn check_orchestrator(config: &Config, report: &mut Report) -> anyhow::Result<()> {
    let client = Client::new(
        config.orchestrator_url.clone(),
        config.api_key.as_ref(),
        Timing::STANDARD,
    )?;
    let one_item = WorkFilter {
        limit: Some(1),
        ..WorkFilter::default()
    };
    let finding = match client.list_work(&one_item).await {
        Ok(_) => Finding::Good(format!("answers at {}", config.orchestrator_url)),
        Err(error) => Finding::Bad(format!(
            "{}: start it, or check ORCHESTRATOR_URL and API_KEY",
            chain(&error)
        )),
    };
    report.push("orchestrator", finding);
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::github::Account;

    fn is_good(finding: &Finding) -> bool {
        matches!(finding, Finding::Good(_))
    }

    #[test]
    fn a_token_that_expires_soon_is_to_be_replaced() {
        let now = DateTime::UNIX_EPOCH;
        for (days, expected) in [
            (None, true),
            (Some(15), true),
            (Some(14), false),
            (Some(-1), false),
        ] {
            let token = TokenReport {
                account: Account {
                    id: 1,
                    login: "whim-bot".to_owned(),
                    is_bot: false,
                },
                expires_at: days.map(|days| now + TimeDelta::days(days)),
                server_time: None,
            };
            assert_eq!(is_good(&token_finding(&token, now)), expected, "{days:?}");
        }
    }

    #[test]
    fn a_wrong_clock_is_found() {
        let now = DateTime::UNIX_EPOCH;
        for (seconds, expected) in [(0, true), (60, true), (-60, true), (61, false), (-3600, false)] {
            let server_time = Some(now + TimeDelta::seconds(seconds));
            assert_eq!(is_good(&clock_finding(server_time, now)), expected, "{seconds}");
        }
        assert!(is_good(&clock_finding(None, now)));
    }
}
