//! Claims while a long transaction holds back the xmin horizon: dead index entries cannot be removed, so each claim scans
//! all entries that earlier claims left at the front of the index.

use std::time::{Duration, Instant};

use sqlx::Connection as _;

use crate::claims::{self, Claimer};
use crate::report::{Report, Row, Unit, Value};
use crate::samples::Samples;
use crate::world::World;

/// Number of points of the curve.
const PARTS: u32 = 6;

/// Claims have recovered when their median is below this multiple of the median before.
const RECOVERED: f64 = 2.0;

/// Measures one claimer before, during and after the long transaction.
pub(crate) async fn measure(
    world: &World,
    claimers: &[Claimer],
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let one = claimers.get(..1).unwrap_or_default();
    let part = length / PARTS;
    let before = claims::measure(one, part).await?;
    let mut holder = world.database.acquire().await?;
    let mut transaction = holder.begin_with("begin isolation level repeatable read").await?;
    // The first query takes the snapshot.
    sqlx::query("select from work_items limit 1")
        .execute(&mut *transaction)
        .await?;
    let mut since = Duration::ZERO;
    for _ in 0..PARTS {
        let samples = claims::measure(one, part).await?;
        since += part;
        report.add(Row::new(
            format!(
                "Claim while a long transaction holds back the xmin horizon, up to {:.1} s",
                since.as_secs_f64()
            ),
            samples.load(),
        ));
    }
    transaction.rollback().await?;
    let limit = before.percentile(50).mul_f64(RECOVERED);
    let (seconds, after) = recovery(one, limit, length).await?;
    let mut values = vec![Value::new("after", seconds, Unit::Seconds)];
    values.extend(after.load());
    let row = Row::new(
        "Claim after the long transaction, once p50 is within 2× of before",
        values,
    );
    report.add(row.below("p50", limit.as_secs_f64() * 1000.0));
    Ok(())
}

/// Seconds until the median claim is below `limit`, with the samples at that time, or at `timeout`.
async fn recovery(one: &[Claimer], limit: Duration, timeout: Duration) -> anyhow::Result<(f64, Samples)> {
    const INTERVAL: Duration = Duration::from_millis(500);
    let begin = Instant::now();
    loop {
        let seconds = begin.elapsed().as_secs_f64();
        let samples = claims::measure(one, INTERVAL).await?;
        if samples.percentile(50) < limit || begin.elapsed() > timeout {
            return Ok((seconds, samples));
        }
    }
}
