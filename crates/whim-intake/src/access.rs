//! What the credentials may do. Examined with calls that change nothing.

mod reporter;

use chrono::{DateTime, Utc};
use whim_core::RepoName;
use whim_core::protocol::intake::{
    MAX_PROBLEM_CHARACTERS, ModelAccess, PermissionOutcome, RepositoryAccess, TokenAccess, TokenAccount,
};
use whim_service::chain::chain;

pub(crate) use self::reporter::AccessReporter;
use crate::anthropic::{Anthropic, ModelError};
use crate::github::{GitHub, GitHubError, RepositoryReport, WritePermission};

/// The token, and the time of GitHub's clock.
///
/// # Errors
/// GitHub does not answer.
pub(crate) async fn token(github: &GitHub) -> Result<(TokenAccess, Option<DateTime<Utc>>), GitHubError> {
    let refused = |problem: String| TokenAccess {
        account: None,
        expires_at: None,
        scopes: None,
        problem: Some(shortened(&problem)),
    };
    match github.token_report().await {
        Ok(found) => {
            let access = TokenAccess {
                account: Some(TokenAccount {
                    id: found.account.id,
                    login: found.account.login,
                }),
                expires_at: found.expires_at,
                scopes: found.scopes,
                problem: None,
            };
            Ok((access, found.server_time))
        }
        Err(GitHubError::Unauthorized { .. }) => {
            let problem = "GitHub does not accept it; create another one";
            Ok((refused(problem.to_owned()), None))
        }
        Err(error @ (GitHubError::Refused { .. } | GitHubError::NotFound { .. })) => {
            Ok((refused(chain(&error).to_string()), None))
        }
        Err(error) => Err(error),
    }
}

/// A repository, and what the token may write in it.
///
/// # Errors
/// GitHub does not answer.
pub(crate) async fn repository(github: &GitHub, repo: &RepoName) -> Result<RepositoryAccess, GitHubError> {
    let unknown = |problem: Option<String>| RepositoryAccess {
        repo: repo.clone(),
        contents: PermissionOutcome::Unknown,
        issues: PermissionOutcome::Unknown,
        pull_requests: PermissionOutcome::Unknown,
        problems: problem.iter().map(|problem| shortened(problem)).collect(),
    };
    let found = match github.repository(repo).await {
        Ok(found) => found,
        Err(error @ (GitHubError::Refused { .. } | GitHubError::NotFound { .. })) => {
            return Ok(unknown(Some(chain(&error).to_string())));
        }
        // The others are examined.
        Err(error) if error.is_outage() => return Ok(unknown(None)),
        Err(error) => return Err(error),
    };
    if found.is_archived {
        return Ok(unknown(Some("is archived: remove it from REPOS".to_owned())));
    }
    let issues = if found.has_issues {
        github.may_write_issues(repo).await?
    } else {
        WritePermission::Unknown
    };
    let pull_requests = github.may_open_pull_requests(repo, &found.default_branch).await?;
    Ok(assess(repo, &found, &issues, &pull_requests))
}

fn assess(
    repo: &RepoName,
    found: &RepositoryReport,
    issues: &WritePermission,
    pull_requests: &WritePermission,
) -> RepositoryAccess {
    let mut problems = Vec::new();
    if !found.has_issues {
        problems.push("has no issues: enable them in its settings".to_owned());
    }
    if !found.may_push {
        problems.push("may not be pushed to: give GITHUB_TOKEN write access to its contents".to_owned());
    }
    for (what, permission) in [
        ("its issues may not be labelled", issues),
        ("pull requests may not be opened", pull_requests),
    ] {
        if let WritePermission::Missing { message } = permission {
            problems.push(shortened(&format!(
                "{what}: give GITHUB_TOKEN the permission; GitHub says: {message}"
            )));
        }
    }
    let outcome = |permission: &WritePermission| match permission {
        WritePermission::Granted => PermissionOutcome::Granted,
        WritePermission::Missing { .. } => PermissionOutcome::Missing,
        WritePermission::Unknown => PermissionOutcome::Unknown,
    };
    RepositoryAccess {
        repo: repo.clone(),
        contents: if found.may_push {
            PermissionOutcome::Granted
        } else {
            PermissionOutcome::Missing
        },
        issues: outcome(issues),
        pull_requests: outcome(pull_requests),
        problems,
    }
}

/// The model that writes specs. An outage is not a problem of the settings.
pub(crate) async fn spec_model(anthropic: &Anthropic) -> ModelAccess {
    let problem = match anthropic.model_exists().await {
        Err(error @ (ModelError::Refused { .. } | ModelError::UnexpectedResponse(_))) => {
            Some(shortened(&chain(&error).to_string()))
        }
        Ok(()) | Err(_) => None,
    };
    ModelAccess {
        model: shortened(anthropic.model()),
        problem,
    }
}

fn shortened(problem: &str) -> String {
    problem.chars().take(MAX_PROBLEM_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_permission_is_a_problem_that_says_what_to_do() {
        let repo = RepoName::parse("octocat/hello").unwrap();
        let good = RepositoryReport {
            is_archived: false,
            has_issues: true,
            may_push: true,
            default_branch: "main".to_owned(),
        };
        let access = assess(&repo, &good, &WritePermission::Granted, &WritePermission::Unknown);
        assert_eq!(access.problems, Vec::<String>::new());
        assert_eq!(access.pull_requests, PermissionOutcome::Unknown);

        let bad = RepositoryReport {
            has_issues: false,
            may_push: false,
            ..good
        };
        let missing = WritePermission::Missing {
            message: "Resource not accessible by personal access token (needs pull_requests=write)"
                .to_owned(),
        };
        let access = assess(&repo, &bad, &WritePermission::Unknown, &missing);
        assert_eq!(access.contents, PermissionOutcome::Missing);
        assert_eq!(access.pull_requests, PermissionOutcome::Missing);
        insta::assert_snapshot!(access.problems.join("\n"), @r"
        has no issues: enable them in its settings
        may not be pushed to: give GITHUB_TOKEN write access to its contents
        pull requests may not be opened: give GITHUB_TOKEN the permission; GitHub says: Resource not accessible by personal access token (needs pull_requests=write)
        ");
    }
}
