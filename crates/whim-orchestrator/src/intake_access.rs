//! What the intake reports of its credentials: stored, and shown as warnings.

use chrono::{DateTime, TimeDelta, Utc};
use whim_core::protocol::intake::{
    IntakeAccess, MAX_PROBLEM_CHARACTERS, MAX_REPOSITORIES, ReportedIntakeAccess,
};

use crate::app::App;
use crate::db;
use crate::error::Error;

const MAX_SCOPES: usize = 100;
/// Of one repository.
const MAX_PROBLEMS: usize = 20;
/// As it is stored.
const MAX_BYTES: usize = 1024 * 1024;
/// Repositories that are named in warnings; further ones are counted.
const MAX_NAMED_REPOSITORIES: usize = 5;

/// The intake reports every hour.
const OUTDATED_AFTER: TimeDelta = TimeDelta::hours(3);

/// Stores a report of the intake.
///
/// # Errors
/// A field is invalid, or Postgres is unavailable.
pub async fn report(app: &App, access: &IntakeAccess) -> Result<(), Error> {
    check(access)?;
    db::intake_access::replace(&app.database, access).await?;
    Ok(())
}

fn check(access: &IntakeAccess) -> Result<(), Error> {
    let IntakeAccess {
        token,
        repositories,
        spec_model,
    } = access;
    let login = token.account.as_ref().map(|account| account.login.as_str());
    if spec_model.model.is_empty() {
        return Err(Error::invalid("specModel.model", "is empty; expected a name"));
    }
    for (field, text) in [
        ("token.account.login", login),
        ("token.problem", token.problem.as_deref()),
        ("specModel.model", Some(spec_model.model.as_str())),
        ("specModel.problem", spec_model.problem.as_deref()),
    ] {
        check_length(field, text.unwrap_or_default())?;
    }
    let scopes = token.scopes.as_deref().unwrap_or_default();
    check_number("token.scopes", scopes.len(), MAX_SCOPES)?;
    check_number("repositories", repositories.len(), MAX_REPOSITORIES)?;
    for repository in repositories {
        check_number("repositories.problems", repository.problems.len(), MAX_PROBLEMS)?;
    }
    let stored = serde_json::to_string(access)
        .map_err(|error| Error::invalid("repositories", format!("cannot be stored: {error}")))?;
    if stored.len() > MAX_BYTES {
        let problem = format!("has {} bytes; at most {MAX_BYTES} are accepted", stored.len());
        return Err(Error::invalid("repositories", problem));
    }
    // JSON escapes the NUL character, and `jsonb` refuses the escape.
    if stored.contains("\\u0000") {
        return Err(Error::invalid("token", "contains a NUL character"));
    }
    Ok(())
}

fn check_length(field: &'static str, text: &str) -> Result<(), Error> {
    let characters = text.chars().count();
    if characters > MAX_PROBLEM_CHARACTERS {
        let problem = format!("has {characters} characters; expected at most {MAX_PROBLEM_CHARACTERS}");
        return Err(Error::invalid(field, problem));
    }
    Ok(())
}

fn check_number(field: &'static str, number: usize, max: usize) -> Result<(), Error> {
    if number > max {
        return Err(Error::invalid(
            field,
            format!("has {number} entries; expected at most {max}"),
        ));
    }
    Ok(())
}

/// What an operator should know of the report. Nothing of one that is so old that the intake does not run any more.
pub(crate) fn warnings(reported: &ReportedIntakeAccess, now: DateTime<Utc>) -> Vec<String> {
    if now - reported.reported_at > OUTDATED_AFTER {
        return Vec::new();
    }
    let IntakeAccess {
        token,
        repositories,
        spec_model,
    } = &reported.access;
    let mut warnings = Vec::new();
    warnings.extend(
        token
            .problem
            .as_ref()
            .map(|problem| sentence("GITHUB_TOKEN of the intake", problem)),
    );
    warnings.extend(token.expires_soon(now).map(|at| {
        let (verb, date) = (
            if at <= now { "expired" } else { "expires" },
            at.format("%Y-%m-%d"),
        );
        format!("GITHUB_TOKEN of the intake {verb} on {date}: create another one, and restart what uses it.")
    }));
    let problems: Vec<String> = repositories
        .iter()
        .filter_map(|repository| {
            let first = repository.problems.first()?;
            Some(sentence(repository.repo.as_str(), first))
        })
        .collect();
    let more = problems.len().saturating_sub(MAX_NAMED_REPOSITORIES);
    warnings.extend(problems.into_iter().take(MAX_NAMED_REPOSITORIES));
    if more > 0 {
        warnings.push(format!(
            "{more} more of REPOS have problems: `whim-intake check` lists them."
        ));
    }
    warnings.extend(
        spec_model
            .problem
            .as_ref()
            .map(|problem| sentence(&format!("SPEC_MODEL {}", spec_model.model), problem)),
    );
    warnings
}

/// Messages of others may end with a full stop.
fn sentence(subject: &str, problem: &str) -> String {
    format!("{subject}: {}.", problem.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use whim_core::RepoName;
    use whim_core::protocol::intake::{ModelAccess, PermissionOutcome, RepositoryAccess, TokenAccess};

    use super::*;

    fn repository(name: &str, problems: &[&str]) -> RepositoryAccess {
        RepositoryAccess {
            repo: RepoName::parse(name).unwrap(),
            contents: PermissionOutcome::Granted,
            issues: PermissionOutcome::Granted,
            pull_requests: PermissionOutcome::Granted,
            problems: problems.iter().map(|problem| (*problem).to_owned()).collect(),
        }
    }

    fn reported(access: IntakeAccess) -> ReportedIntakeAccess {
        ReportedIntakeAccess {
            reported_at: DateTime::UNIX_EPOCH,
            access,
        }
    }

    fn access() -> IntakeAccess {
        IntakeAccess {
            token: TokenAccess {
                account: None,
                expires_at: None,
                scopes: None,
                problem: None,
            },
            repositories: vec![repository("octocat/hello", &[])],
            spec_model: ModelAccess {
                model: "claude-opus".to_owned(),
                problem: None,
            },
        }
    }

    #[test]
    fn what_works_is_no_warning() {
        assert!(warnings(&reported(access()), DateTime::UNIX_EPOCH).is_empty());
    }

    #[test]
    fn an_intake_that_does_not_run_any_more_is_no_warning() {
        let mut access = access();
        access.token.problem = Some("GitHub refuses it".to_owned());
        let reported = reported(access);
        let hours = |hours| warnings(&reported, DateTime::UNIX_EPOCH + TimeDelta::hours(hours)).len();
        assert_eq!((hours(3), hours(4)), (1, 0));
    }

    #[test]
    fn every_problem_is_a_warning_and_the_number_of_repositories_is_bounded() {
        let now = DateTime::UNIX_EPOCH;
        let mut access = access();
        access.token.problem = Some("GitHub refuses it".to_owned());
        access.token.expires_at = Some(now + TimeDelta::days(3));
        access.spec_model.problem = Some("there is no such model".to_owned());
        access.repositories.extend((0..7).map(|number| {
            repository(
                &format!("octocat/broken-{number}"),
                &["is archived", "has no issues"],
            )
        }));
        let shown = warnings(&reported(access), now).join("\n");
        insta::assert_snapshot!(shown, @r"
        GITHUB_TOKEN of the intake: GitHub refuses it.
        GITHUB_TOKEN of the intake expires on 1970-01-04: create another one, and restart what uses it.
        octocat/broken-0: is archived.
        octocat/broken-1: is archived.
        octocat/broken-2: is archived.
        octocat/broken-3: is archived.
        octocat/broken-4: is archived.
        2 more of REPOS have problems: `whim-intake check` lists them.
        SPEC_MODEL claude-opus: there is no such model.
        ");
    }
}
