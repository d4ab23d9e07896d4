//! The tokens of attempts for the gateway.

use sqlx::PgExecutor;
use whim_core::protocol::gateway::{GatewayAttempt, TokenScope};
use whim_core::{BranchName, CommitHash, LeaseEpoch, RepoName, TokenHash, WorkItemId, WorkerId};

/// The attempt of a token, if its worker lives and still has its item.
pub async fn by_gateway_token(
    db: impl PgExecutor<'_>,
    token_hash: TokenHash,
) -> sqlx::Result<Option<GatewayAttempt>> {
    sqlx::query_as!(
        GatewayAttempt,
        r#"select i.id as "work_item_id: WorkItemId", w.id as "worker_id: WorkerId",
             w.lease_epoch as "lease_epoch: LeaseEpoch", i.repo as "repo: RepoName", i.branch as "branch: BranchName",
             x.head_sha as "head_sha: CommitHash", t.scope as "scope: TokenScope"
         from gateway_tokens t
         join workers w on w.id = t.worker_id
         join work_items i on i.id = w.work_item_id
         join work_item_texts x on x.work_item_id = i.id
         where t.token_hash = $1 and w.status in ('starting', 'running')
           and i.worker_id = w.id and i.lease_epoch = w.lease_epoch"#,
        token_hash.as_bytes().as_slice(),
    )
    .fetch_optional(db)
    .await
}
