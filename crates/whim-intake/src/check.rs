//! `whim-intake check`: whether the first issue will work, and what to fix.

mod report;

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use whim_client::{Client, Timing};
use whim_core::RepoName;
use whim_core::protocol::intake::TokenAccess;
use whim_core::protocol::work::WorkFilter;
use whim_service::chain::chain;

use self::report::{Finding, Report};
use crate::access;
use crate::anthropic::Anthropic;
use crate::config::Config;
use crate::github::{GitHub, GitHubError};
use crate::labels::{FAILED, NEEDS_INFO, PR_READY, PROCESSING, REFUSED, has};

/// Beyond it, leases and ages that people read are misleading.
const MAX_CLOCK_DIFFERENCE_SECONDS: i64 = 60;

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
    match access::token(github).await {
        Ok((token, server_time)) => {
            report.push("token", token_finding(&token, Utc::now()));
            report.push("clock", clock_finding(server_time, Utc::now()));
        }
        Err(error) => report.push("token", Finding::Bad(chain(&error).to_string())),
    }
}

fn token_finding(token: &TokenAccess, now: DateTime<Utc>) -> Finding {
    let account = match (&token.problem, &token.account) {
        (Some(problem), _) => return Finding::Bad(problem.clone()),
        (None, Some(account)) => account,
        (None, None) => return Finding::Bad("GitHub does not say whose it is".to_owned()),
    };
    let who = format!("{} (id {})", account.login, account.id);
    let scopes = token.scopes.as_ref().map(|scopes| scopes.join(", "));
    let scopes = scopes.map_or_else(String::new, |scopes| format!(", scopes: {scopes}"));
    match (token.expires_soon(now), token.expires_at) {
        (Some(at), _) => {
            let date = at.format("%Y-%m-%d");
            Finding::Bad(format!("{who} expires on {date}: create another GITHUB_TOKEN"))
        }
        (None, Some(at)) => Finding::Good(format!("{who}, until {}{scopes}", at.format("%Y-%m-%d"))),
        (None, None) => Finding::Good(format!("{who}{scopes}")),
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
    let labels = create_missing_labels(github, repo, intake_label).await;
    match access::repository(github, repo).await {
        Ok(found) if found.problems.is_empty() => {
            let good = "may be pushed to; issues and pull requests may be written";
            report.push(&subject, Finding::Good(good.to_owned()));
        }
        Ok(found) => {
            for problem in found.problems {
                report.push(&subject, Finding::Bad(problem));
            }
        }
        Err(error) => report.push(&subject, Finding::Bad(chain(&error).to_string())),
    }
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

    use whim_core::protocol::intake::TokenAccount;

    use super::*;

    fn is_good(finding: &Finding) -> bool {
        matches!(finding, Finding::Good(_))
    }

    #[test]
    fn a_token_that_expires_soon_or_is_refused_is_to_be_replaced() {
        let now = DateTime::UNIX_EPOCH;
        let token = |days: Option<i64>, problem: Option<&str>| TokenAccess {
            account: Some(TokenAccount {
                id: 1,
                login: "whim-bot".to_owned(),
            }),
            expires_at: days.map(|days| now + TimeDelta::days(days)),
            scopes: None,
            problem: problem.map(str::to_owned),
        };
        assert!(is_good(&token_finding(&token(None, None), now)));
        assert!(is_good(&token_finding(&token(Some(15), None), now)));
        assert!(!is_good(&token_finding(&token(Some(14), None), now)));
        assert!(!is_good(&token_finding(&token(None, Some("is refused")), now)));
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
