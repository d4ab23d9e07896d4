//! Submission throughput over HTTP, beside plain inserts of as many rows.

use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use crate::http::{self, Caller};
use crate::options::Scale;
use crate::program::Program;
use crate::report::{Report, Row};
use crate::world::World;

/// Numbers of connections, with the rates of the TypeScript original on the machine of its comparison.
const CONCURRENCIES: [(usize, &str); 3] = [(1, "1,789/s"), (16, "5,200/s"), (64, "5,794/s")];

/// The original's rate as a part of the rate of plain inserts on the same machine in the same run: 1,789 of 6,162, 5,200 of
/// 24,380 and 5,794 of 22,740. The targets are 1.2 times these parts, so that they hold on another machine.
const PARTS_OF_ORIGINAL: [f64; 3] = [0.290, 0.213, 0.255];
const LEAD: f64 = 1.2;

/// Duration of a load that is not measured: connections, prepared statements and caches.
const WARM_UP: Duration = Duration::from_millis(500);

/// Submits distinct items with a checklist. Nothing is started, because every slot is taken. Returns their number.
pub(crate) async fn measure(
    world: &World,
    program: &Program,
    scale: &Scale,
    report: &mut Report,
) -> anyhow::Result<usize> {
    let mut submitted = 0;
    for ((concurrency, original), part) in CONCURRENCIES.into_iter().zip(PARTS_OF_ORIGINAL) {
        let inserts = insert_rows(world, concurrency, scale.load_duration).await?;
        let mut callers = Vec::new();
        for _ in 0..concurrency {
            callers.push(Caller::connect(&program.addresses.api).await?);
        }
        submitted += http::load(&mut callers, WARM_UP, submit).await?.count();
        let samples = http::load(&mut callers, scale.load_duration, submit).await?;
        submitted += samples.count();
        let connections = if concurrency == 1 {
            "connection"
        } else {
            "connections"
        };
        let what = format!("Submission over HTTP, {concurrency} {connections}");
        let row = Row::new(what, samples.load()).original(original);
        let least = (inserts * part * LEAD).round();
        report.add(row.at_least("rate", least));
    }
    Ok(submitted)
}

pub(crate) async fn submit(caller: &mut Caller) -> anyhow::Result<Duration> {
    let item = json!({
        "repo": "bench/submissions",
        "spec": "# Greet the world\n\n## Tasks\n\n- [ ] Write the greeting\n- [ ] Test it\n- [ ] Document it\n",
        "source": "bench",
        "sourceRef": Uuid::now_v7().to_string(),
    });
    let (_item, elapsed) = caller.post("/api/work", item.to_string()).await?;
    Ok(elapsed)
}

/// Inserts into a table with one index and no triggers. Returns the rate per second.
async fn insert_rows(world: &World, connections: usize, length: Duration) -> anyhow::Result<f64> {
    let pool = world.pool(connections).await?;
    sqlx::query("create table if not exists bench_rows (id uuid primary key, spec text not null)")
        .execute(&pool)
        .await?;
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(pool.acquire().await?);
    }
    let samples = http::load(&mut clients, length / 4, async |client| {
        let begin = Instant::now();
        sqlx::query("insert into bench_rows (id, spec) values ($1, '# Greet the world')")
            .bind(Uuid::now_v7())
            .execute(&mut **client)
            .await?;
        Ok(begin.elapsed())
    })
    .await?;
    drop(clients);
    sqlx::query("drop table bench_rows").execute(&pool).await?;
    pool.close().await;
    Ok(samples.per_second())
}
