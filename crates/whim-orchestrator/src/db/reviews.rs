//! Reviews, as workers report them.

use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::reviews::{Finding, FindingCounts, Review, ReviewFilter, Verdict};
use whim_core::protocol::stats::Tokens;
use whim_core::{LeaseEpoch, RepoName, ReviewId, WorkItemId, WorkerId};

/// The list of columns, and their conversion to a [`Review`].
macro_rules! select {
    (whole, $rest:literal, $($argument:expr),*) => {
        select!(@ "findings as \"findings?: Json<Vec<Finding>>\"", $rest, $($argument),*)
    };
    (without_findings, $rest:literal, $($argument:expr),*) => {
        select!(@ "null::jsonb as \"findings?: Json<Vec<Finding>>\"", $rest, $($argument),*)
    };
    (@ $findings:literal, $rest:literal, $($argument:expr),*) => {
        sqlx::query!(
            "select id, work_item_id, repo, worker_id, lease_epoch, round, head_sha, verdict, summary,
                    finding_counts as \"finding_counts: Json<FindingCounts>\", model,
                    tokens as \"tokens: Json<Tokens>\", cost_usd, created_at, "
                + $findings + " from reviews " + $rest,
            $($argument),*
        )
        .map(|row| Review {
            id: row.id,
            work_item_id: row.work_item_id,
            repo: row.repo,
            worker_id: row.worker_id,
            lease_epoch: row.lease_epoch,
            round: row.round.cast_unsigned(),
            head_sha: row.head_sha,
            verdict: row.verdict,
            summary: row.summary,
            finding_counts: row.finding_counts.0,
            findings: row.findings.map(|Json(findings)| findings),
            model: row.model,
            tokens: row.tokens.0,
            cost_usd: row.cost_usd,
            created_at: row.created_at,
        })
    };
}

/// A review with its findings.
pub async fn find(db: impl PgExecutor<'_>, id: ReviewId) -> sqlx::Result<Option<Review>> {
    select!(whole, "where id = $1", id as ReviewId)
        .fetch_optional(db)
        .await
}

/// The review of that round that a worker reported, with its findings.
pub async fn of_worker(
    db: impl PgExecutor<'_>,
    worker: WorkerId,
    round: i32,
) -> sqlx::Result<Option<Review>> {
    select!(
        whole,
        "where worker_id = $1 and round = $2",
        worker as WorkerId,
        round
    )
    .fetch_optional(db)
    .await
}

/// The reviews that these workers reported, without findings, in order.
pub async fn of_workers(db: impl PgExecutor<'_>, workers: &[WorkerId]) -> sqlx::Result<Vec<Review>> {
    select!(
        without_findings,
        "where worker_id = any($1) order by worker_id, round",
        workers as &[WorkerId]
    )
    .fetch_all(db)
    .await
}

/// At most `limit` reviews that fit the filter, the newest first, from the filter's cursor on; its own limit is the
/// caller's to bound.
pub async fn page(db: impl PgExecutor<'_>, filter: &ReviewFilter, limit: i64) -> sqlx::Result<Vec<Review>> {
    select!(
        without_findings,
        "where ($1::text is null or lower(repo) = lower($1))
           and ($2::uuid is null or work_item_id = $2)
           and ($3::uuid is null or id < $3)
         order by id desc
         limit $4",
        filter.repo.as_ref().map(RepoName::as_str),
        filter.work_item_id as Option<WorkItemId>,
        filter.cursor as Option<ReviewId>,
        limit
    )
    .fetch_all(db)
    .await
}

/// Inserts a new review. `created_at` is the time of the database.
pub async fn insert(db: &mut PgConnection, review: &Review) -> sqlx::Result<()> {
    let Review {
        id,
        work_item_id,
        repo,
        worker_id,
        lease_epoch,
        round,
        head_sha,
        verdict,
        summary,
        finding_counts,
        findings,
        model,
        tokens,
        cost_usd,
        created_at: _,
    } = review;
    sqlx::query!(
        "insert into reviews (id, work_item_id, repo, worker_id, lease_epoch, round, head_sha, verdict, summary,
                              finding_counts, findings, model, tokens, cost_usd)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        *id as ReviewId,
        *work_item_id as WorkItemId,
        repo.as_str(),
        *worker_id as WorkerId,
        *lease_epoch as LeaseEpoch,
        round.cast_signed(),
        head_sha.as_str(),
        *verdict as Verdict,
        summary,
        Json(finding_counts) as Json<&FindingCounts>,
        Json(findings.as_deref().unwrap_or_default()) as Json<&[Finding]>,
        model,
        Json(tokens) as Json<&Tokens>,
        cost_usd,
    )
    .execute(db)
    .await?;
    Ok(())
}
