//! Learnings of earlier tasks.

pub mod attempts;
pub mod candidates;
pub mod embeddings;
pub mod links;
pub mod lock;
pub mod outcomes;
pub mod sources;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;
use whim_core::protocol::learnings::{
    CreateLearning, Learning, LearningFilter, LearningKind, LearningState, UpdateLearning,
};
use whim_core::{LearningId, RepoName, WorkItemId};

struct Row {
    id: LearningId,
    repo: RepoName,
    kind: LearningKind,
    text: String,
    work_item_id: Option<WorkItemId>,
    source_count: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
    pinned_at: Option<DateTime<Utc>>,
    retired_at: Option<DateTime<Utc>>,
    retired_reason: Option<String>,
    citations: Vec<String>,
    missing_citations: Vec<String>,
    shown_count: i64,
    cited_count: i64,
    contradicts: Vec<Uuid>,
}

impl From<Row> for Learning {
    fn from(row: Row) -> Self {
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            id: row.id,
            repo: row.repo,
            kind: row.kind,
            text: row.text,
            work_item_id: row.work_item_id,
            source_count: count(row.source_count),
            created_at: row.created_at,
            updated_at: row.updated_at,
            accepted_at: row.accepted_at,
            pinned_at: row.pinned_at,
            retired_at: row.retired_at,
            retired_reason: row.retired_reason,
            citations: row.citations,
            missing_citations: row.missing_citations,
            shown_count: count(row.shown_count),
            cited_count: count(row.cited_count),
            contradicts: row.contradicts.into_iter().map(LearningId::from).collect(),
            relevance: None,
        }
    }
}

macro_rules! select {
    ($rest:literal, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id as "id!", repo as "repo!", kind as "kind!: LearningKind", text as "text!", work_item_id,
                      source_count as "source_count!", created_at as "created_at!", updated_at as "updated_at!",
                      accepted_at, pinned_at, retired_at, retired_reason, citations as "citations!",
                      missing_citations as "missing_citations!", shown_count as "shown_count!",
                      cited_count as "cited_count!", contradicts as "contradicts!"
               from learning_view "# + $rest,
            $($argument),*
        )
    };
}

/// At most `limit` learnings that match `filter`, newest first, after the filter's cursor. Its limit and `q` are not used.
///
/// # Errors
/// Postgres is unavailable.
pub async fn page(
    db: impl PgExecutor<'_>,
    filter: &LearningFilter,
    limit: i64,
) -> sqlx::Result<Vec<Learning>> {
    let state = filter.state.unwrap_or_default();
    let rows = select!(
        "where ($1::text is null or lower(repo) = lower($1))
           and ($2::text is null or kind = $2)
           and ($3::uuid is null or id < $3)
           and (retired_at is not null) = ($4 = 'retired')
           and case $4 when 'pinned' then pinned_at is not null
                       when 'quarantined' then accepted_at is null
                       when 'current' then accepted_at is not null
                       else true end
         order by id desc
         limit $5",
        filter.repo.as_ref().map(RepoName::as_str),
        filter.kind.map(LearningKind::as_str),
        filter.cursor.map(LearningId::as_uuid),
        state_name(state),
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Learning::from).collect())
}

fn state_name(state: LearningState) -> &'static str {
    match state {
        LearningState::Current => "current",
        LearningState::Pinned => "pinned",
        LearningState::Quarantined => "quarantined",
        LearningState::Retired => "retired",
    }
}

/// The learnings with these identifiers, in no order.
///
/// # Errors
/// Postgres is unavailable.
pub async fn by_ids(db: impl PgExecutor<'_>, ids: &[LearningId]) -> sqlx::Result<Vec<Learning>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = select!("where id = any($1)", &ids).fetch_all(db).await?;
    Ok(rows.into_iter().map(Learning::from).collect())
}

/// # Errors
/// Postgres is unavailable.
pub async fn find(db: impl PgExecutor<'_>, id: LearningId) -> sqlx::Result<Option<Learning>> {
    Ok(by_ids(db, &[id]).await?.pop())
}

/// Another learning of the repository has the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SameText;

/// Changes a learning; `false` if there is none. A new text removes the embedding, the links, and the citations that it does
/// not name.
///
/// # Errors
/// Postgres is unavailable.
pub async fn update(
    db: impl PgExecutor<'_>,
    id: LearningId,
    change: &UpdateLearning,
    text: Option<&Indexed>,
) -> sqlx::Result<Result<bool, SameText>> {
    let updated = sqlx::query!(
        "with changed as (
             update learnings
             set text = coalesce($2, text), text_hash = coalesce($3, text_hash), words = coalesce($4, words),
                 pinned_at = case when $5::bool then coalesce(pinned_at, now()) when not $5 then null else pinned_at end,
                 retired_at = case when $6::bool then coalesce(retired_at, now()) when not $6 then null
                                   else retired_at end,
                 retired_reason = case when $6::bool is null then retired_reason end,
                 restored_at = case when not $6 and retired_at is not null then now() else restored_at end,
                 accepted_at = case when not $6 then coalesce(accepted_at, now()) else accepted_at end,
                 citations = case when $7::text[] is null then citations else array(
                     select path from unnest(citations) with ordinality c(path, position)
                     where path = any($7) order by position) end,
                 missing_citations = case when $7 is null then missing_citations else array(
                     select path from unnest(missing_citations) with ordinality c(path, position)
                     where path = any($7) order by position) end,
                 updated_at = now()
             where id = $1
             returning id
         ), unembedded as (
             delete from learning_embeddings e using changed c
             where e.learning_id = c.id and ($2::text is not null or $6::bool)
         ), unlinked as (
             delete from learning_links k using changed c
             where c.id in (k.learning_id, k.other_id) and $2::text is not null
         )
         select id from changed",
        id.as_uuid(),
        change.text.as_deref(),
        text.map(|text| text.hash.as_slice()),
        text.map(|text| text.words.as_slice()),
        change.pinned,
        change.retired,
        text.map(|text| text.cited.as_slice()),
    )
    .fetch_optional(db)
    .await;
    match updated {
        Ok(row) => Ok(Ok(row.is_some())),
        Err(error) if super::violates(&error, "learnings_text_key") => Ok(Err(SameText)),
        Err(error) => Err(error),
    }
}

/// Removes a learning with its record; `false` if there is none.
///
/// # Errors
/// Postgres is unavailable.
pub async fn delete(db: impl PgExecutor<'_>, id: LearningId) -> sqlx::Result<bool> {
    let deleted = sqlx::query!("delete from learnings where id = $1", id.as_uuid())
        .execute(db)
        .await?;
    Ok(deleted.rows_affected() > 0)
}

/// What is derived from a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    pub hash: Vec<u8>,
    pub words: Vec<String>,
    /// Names in it that may be paths.
    pub cited: Vec<String>,
}

/// A learning to insert.
#[derive(Clone, Debug)]
pub struct NewLearning<'a> {
    pub content: &'a CreateLearning,
    pub indexed: &'a Indexed,
    pub citations: &'a [String],
    pub missing_citations: &'a [String],
    /// Other items may receive it at once.
    pub is_accepted: bool,
}

/// Inserts a learning, or finds the one with the same text. One that was retired because its pull request was closed is
/// quarantined again: another attempt found the same. An accepted one is not changed by attempts: people have read it.
///
/// # Errors
/// Postgres is unavailable.
pub async fn insert(db: impl PgExecutor<'_>, new: &NewLearning<'_>) -> sqlx::Result<LearningId> {
    sqlx::query_scalar!(
        r#"insert into learnings as l
               (id, repo, kind, text, text_hash, words, citations, missing_citations, accepted_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, case when $9 then now() end)
           on conflict (lower(repo), text_hash) do update
           set accepted_at = coalesce(l.accepted_at, excluded.accepted_at),
               restored_at = case when $9 and l.retired_at is not null then now() else l.restored_at end,
               citations = case when $9 or l.accepted_at is not null then l.citations else excluded.citations end,
               missing_citations = case when $9 or l.accepted_at is not null then l.missing_citations
                                        else excluded.missing_citations end,
               retired_at = case when $9 or l.retired_reason = $10 then null else l.retired_at end,
               retired_reason = case when $9 or l.retired_reason = $10 then null else l.retired_reason end
           returning id"#,
        LearningId::new().as_uuid(),
        new.content.repo.as_str(),
        new.content.kind.as_str(),
        new.content.text,
        new.indexed.hash,
        &new.indexed.words,
        new.citations,
        new.missing_citations,
        new.is_accepted,
        sources::REJECTED,
    )
    .fetch_one(db)
    .await
}

/// Retires learnings that are not pinned, with the reason; returns their number. Within a transaction.
///
/// # Errors
/// Postgres is unavailable.
pub async fn retire(db: &mut PgConnection, ids: &[LearningId], reason: &str) -> sqlx::Result<u64> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    lock::by_ids(&mut *db, &ids).await?;
    let retired = sqlx::query!(
        "with retired as (
             update learnings set retired_at = now(), retired_reason = $2
             where id = any($1) and retired_at is null and pinned_at is null
             returning id
         ), unembedded as (
             delete from learning_embeddings e using retired r where e.learning_id = r.id
         )
         select id from retired",
        &ids,
        reason
    )
    .fetch_all(db)
    .await?;
    Ok(retired.len() as u64)
}
