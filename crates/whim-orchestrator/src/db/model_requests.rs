//! The ledger of requests to the model API.

use chrono::NaiveDate;
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;
use whim_core::protocol::costs::{CostKey, CostRow, ModelRequest, ModelTokenSums};
use whim_core::{RepoName, WorkItemId, WorkerId};

/// Rows of one report at most: the dearest ones.
const MAX_ROWS: i64 = 10_000;

/// A request to insert.
#[derive(Clone, Copy, Debug)]
pub struct NewModelRequest<'r> {
    pub request: &'r ModelRequest,
    pub micro_dollars: u64,
    pub is_estimate: bool,
}

/// Inserts those that are not known, of workers that are. Returns their number.
pub async fn insert(db: impl PgExecutor<'_>, new: &[NewModelRequest<'_>]) -> sqlx::Result<u64> {
    fn column<'n, T>(new: &'n [NewModelRequest<'n>], value: impl Fn(&'n NewModelRequest<'n>) -> T) -> Vec<T> {
        new.iter().map(value).collect()
    }
    let tokens = |value: fn(&ModelRequest) -> u64| column(new, |it| value(it.request).cast_signed());
    let inserted = sqlx::query!(
        "insert into model_requests
             (id, work_item_id, worker_id, run, repo, requested_by, stage, model, request_id, input_tokens, output_tokens,
              cache_read_tokens, cache_write_tokens, cache_write_hour_tokens, micro_dollars, is_estimate)
         select new.id, i.id, w.id, i.run, lower(i.repo), lower(w.requested_by),
                (case b.stage when 'reviewing' then 'review' else 'work' end)::cost_stage,
                new.model, new.request_id, new.input, new.output, new.cache_read, new.cache_write, new.cache_write_hour,
                new.micro_dollars, new.is_estimate
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                     $9::bigint[], $10::bigint[], $11::boolean[])
             as new (id, worker_id, model, request_id, input, output, cache_read, cache_write, cache_write_hour, micro_dollars,
                     is_estimate)
         join workers w on w.id = new.worker_id
         join work_items i on i.id = w.work_item_id
         left join worker_heartbeats b on b.worker_id = w.id
         on conflict (id) do nothing",
        &column(new, |it| it.request.id) as &[Uuid],
        &column(new, |it| it.request.worker_id) as &[WorkerId],
        &column(new, |it| it.request.model.as_str()) as &[&str],
        &column(new, |it| it.request.request_id.as_deref()) as &[Option<&str>],
        &tokens(|it| it.tokens.input),
        &tokens(|it| it.tokens.output),
        &tokens(|it| it.tokens.cache_read),
        &tokens(|it| it.tokens.cache_write),
        &tokens(|it| it.tokens.cache_write_hour),
        &column(new, |it| it.micro_dollars.cast_signed()),
        &column(new, |it| it.is_estimate),
    )
    .execute(db)
    .await?;
    Ok(inserted.rows_affected())
}

/// What is summed.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'s> {
    pub from: NaiveDate,
    /// Included.
    pub to: NaiveDate,
    pub repo: Option<&'s RepoName>,
    pub work_item_id: Option<WorkItemId>,
}

/// Sums by a key: days ascending, others with the dearest first.
pub async fn sum(db: &PgPool, selection: Selection<'_>, by: CostKey) -> sqlx::Result<Vec<CostRow>> {
    let key = match by {
        CostKey::Day => "day",
        CostKey::Repo => "repo",
        CostKey::Person => "person",
        CostKey::Model => "model",
        CostKey::Stage => "stage",
    };
    let rows = sqlx::query!(
        r#"select case $5 when 'day' then day::text when 'repo' then repo when 'person' then coalesce(requested_by, '')
                          when 'model' then model else stage::text end as "key!",
                  count(*) as "requests!", sum(input_tokens)::bigint as "input!", sum(output_tokens)::bigint as "output!",
                  sum(cache_read_tokens)::bigint as "cache_read!", sum(cache_write_tokens)::bigint as "cache_write!",
                  sum(cache_write_hour_tokens)::bigint as "cache_write_hour!", sum(micro_dollars)::bigint as "micro_dollars!",
                  coalesce(sum(micro_dollars) filter (where is_estimate), 0)::bigint as "estimated!"
           from model_requests
           where day between $1 and $2 and ($3::text is null or repo = lower($3))
             and ($4::uuid is null or work_item_id = $4)
           group by 1
           order by case when $5 = 'day' then 0 else sum(micro_dollars) end desc, 1
           limit $6"#,
        selection.from,
        selection.to,
        selection.repo.map(RepoName::as_str),
        selection.work_item_id as Option<WorkItemId>,
        key,
        MAX_ROWS,
    )
    .fetch_all(db)
    .await?;
    let rows = rows.into_iter().map(|row| CostRow {
        key: row.key,
        requests: row.requests.cast_unsigned(),
        tokens: ModelTokenSums {
            input: row.input.cast_unsigned(),
            output: row.output.cast_unsigned(),
            cache_read: row.cache_read.cast_unsigned(),
            cache_write: row.cache_write.cast_unsigned(),
            cache_write_hour: row.cache_write_hour.cast_unsigned(),
        },
        micro_dollars: row.micro_dollars.cast_unsigned(),
        estimated_micro_dollars: row.estimated.cast_unsigned(),
    });
    Ok(rows.collect())
}
