//! Routes of repositories.

use axum::Json;
use axum::extract::{Path, State};
use whim_core::RepoName;
use whim_core::protocol::preflight::Preflight;

use super::error::ApiError;
use crate::app::App;
use crate::db;

/// Returns what the latest attempt found out about a repository before it started an agent.
#[utoipa::path(get, path = "/api/repositories/{owner}/{repo}/preflight", tag = "workers", params(("owner" = String, Path, description = "The owner", pattern = r"^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,37}[A-Za-z0-9_])?$"), ("repo" = String, Path, description = "The name of the repository", pattern = r"^(?!.*\.git$)(?!\.{1,2}$)[A-Za-z0-9._][A-Za-z0-9._-]{0,99}$")), responses((status = 200, description = "The latest preflight", body = Preflight)))]
pub(super) async fn get_preflight(
    State(app): State<App>,
    Path((owner, repo)): Path<(String, String)>,
) -> Result<Json<Preflight>, ApiError> {
    let repo = RepoName::parse(&format!("{owner}/{repo}"))
        .map_err(|error| ApiError::invalid("repo", error.to_string()))?;
    let found = db::preflights::find(&app.database, &repo).await?;
    let found = found.ok_or_else(|| {
        ApiError::not_found(format!(
            "no attempt has examined {repo} yet; `whim-worker preflight {repo}` examines it where workers run"
        ))
    })?;
    Ok(Json(found))
}
