//! Latency of a search by the number of learnings, and what the index misses.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::PgPool;
use whim_core::{LearningId, RepoName};
use whim_orchestrator::db::in_transaction;
use whim_orchestrator::db::learnings::candidates::nearest;

const MODEL: &str = "random";
const QUERIES: usize = 200;
const NEAREST: i64 = 20;

pub(crate) async fn measure(database: &PgPool, sizes: &[u32]) -> anyhow::Result<()> {
    if sizes.is_empty() {
        return Ok(());
    }
    println!("| learnings of the repository | p50 | p99 | recall@20 of the index | table with index |");
    println!("|---|---|---|---|---|");
    let mut random = StdRng::seed_from_u64(13);
    for size in sizes {
        let repo = RepoName::parse(&format!("bench/r{size}"))?;
        insert(database, &repo, *size).await?;
        let (mut times, mut found, mut expected) = (Vec::new(), 0, 0);
        for query in 0..QUERIES {
            let vector = vector(&mut random);
            let started = Instant::now();
            let ids = in_transaction(database, async |db| {
                nearest(db, &repo, MODEL, &[&vector], NEAREST).await
            })
            .await?;
            times.push(started.elapsed());
            // Exact search takes long in large tables.
            if query < 20 {
                let exact = exact(database, &repo, &vector).await?;
                let ids: BTreeSet<LearningId> = ids.into_iter().collect();
                found += exact.iter().filter(|id| ids.contains(id)).count();
                expected += exact.len();
            }
        }
        times.sort_unstable();
        let bytes: i64 = sqlx::query_scalar("select pg_total_relation_size('learning_embeddings')")
            .fetch_one(database)
            .await?;
        println!(
            "| {size} | {:.1} ms | {:.1} ms | {:.3} | {} MB |",
            milliseconds(times[QUERIES / 2]),
            milliseconds(times[QUERIES * 99 / 100]),
            found as f64 / expected as f64,
            bytes >> 20,
        );
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Around one of 200 centres, as learnings about the same subject are.
async fn insert(database: &PgPool, repo: &RepoName, size: u32) -> anyhow::Result<()> {
    let size = i32::try_from(size)?;
    sqlx::query("drop index learning_embeddings_nearest")
        .execute(database)
        .await?;
    for statement in [
        "create table if not exists centres as
         select c, array_agg(random() - 0.5 order by d)::real[] as v
         from generate_series(0, 199) c, generate_series(1, 384) d group by c",
        "select setseed(0.13)",
    ] {
        sqlx::query(statement).execute(database).await?;
    }
    sqlx::query(
        "with new as (
             insert into learnings (id, repo, kind, text, text_hash, words, accepted_at)
             select gen_random_uuid(), $1, 'gotcha', 'Learning ' || n, sha256(n::text::bytea), '{}', now()
             from generate_series(1, $2) n
             returning id
         )
         insert into learning_embeddings (learning_id, repo, model, embedding)
         select n.id, lower($1), $3, l2_normalize(v.v::halfvec(384))
         from (select id, row_number() over () % 200 as c from new) n
         cross join lateral (
             select array_agg(x + (random() - 0.5) * (n.c is not null)::int order by d)::real[] as v
             from unnest((select v from centres where c = n.c)) with ordinality u(x, d)
         ) v",
    )
    .bind(repo.as_str())
    .bind(size)
    .bind(MODEL)
    .execute(database)
    .await?;
    sqlx::query("create index learning_embeddings_nearest on learning_embeddings using hnsw (embedding halfvec_cosine_ops)")
        .execute(database)
        .await?;
    sqlx::query("analyze learning_embeddings")
        .execute(database)
        .await?;
    Ok(())
}

async fn exact(database: &PgPool, repo: &RepoName, vector: &[f32]) -> anyhow::Result<Vec<LearningId>> {
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar(
        "select learning_id from learning_embeddings where repo = lower($1)
         order by (embedding <=> $2::real[]::halfvec(384)) + 0 limit 20",
    )
    .bind(repo.as_str())
    .bind(vector)
    .fetch_all(database)
    .await?;
    Ok(ids.into_iter().map(LearningId::from).collect())
}

fn vector(random: &mut StdRng) -> Vec<f32> {
    let numbers: Vec<f32> = (0..384).map(|_| random.random_range(-0.5..0.5)).collect();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.into_iter().map(|number| number / length).collect()
}
