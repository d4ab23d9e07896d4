//! What became of pull requests.

use serde::Deserialize;
use serde::de::IgnoredAny;
use whim_core::protocol::learnings::PullRequestOutcome;
use whim_core::{BranchName, IssueNumber, RepoName};

use super::pages::PER_PAGE;
use super::{GitHub, GitHubError};

#[derive(Deserialize)]
struct PullRequestBody {
    number: IssueNumber,
    state: String,
    merged_at: Option<IgnoredAny>,
}

impl GitHub {
    /// All pull requests of a branch. As a list, which is conditional: asking again costs nothing while nothing changes.
    pub(crate) async fn pull_request_outcomes(
        &self,
        repo: &RepoName,
        branch: &BranchName,
    ) -> Result<Vec<(IssueNumber, PullRequestOutcome)>, GitHubError> {
        let head = format!("{}:{branch}", repo.owner());
        let path = ["repos", repo.owner(), repo.name(), "pulls"];
        let query = [("state", "all"), ("head", head.as_str()), ("per_page", PER_PAGE)];
        let bodies: Vec<PullRequestBody> = self.get_all("listing pull requests", &path, &query).await?;
        Ok(bodies
            .into_iter()
            .map(|body| {
                let outcome = match (body.merged_at, body.state.as_str()) {
                    (Some(_), _) => PullRequestOutcome::Merged,
                    (None, "closed") => PullRequestOutcome::Closed,
                    (None, _) => PullRequestOutcome::Pending,
                };
                (body.number, outcome)
            })
            .collect())
    }
}
