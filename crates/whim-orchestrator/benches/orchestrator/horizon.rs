//! Claims while another transaction holds the horizon: nothing that they leave behind can be cleaned up, so each claim
//! walks over what all claims since then have left at the front of the index.

use std::time::{Duration, Instant};

use sqlx::Connection as _;

use crate::claims::{self, Claimer};
use crate::report::{Report, Row, Unit, Value};
use crate::samples::Samples;
use crate::world::World;

/// Into how many parts the curve is cut.
const PARTS: u32 = 6;

/// Claims are back to normal when a part takes at most this much more than before.
const RECOVERED: f64 = 2.0;

/// One claimer before, during and after.
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
    // Its snapshot is taken by its first question.
    sqlx::query("select from work_items limit 1")
        .execute(&mut *transaction)
        .await?;
    let mut since = Duration::ZERO;
    for _ in 0..PARTS {
        let samples = claims::measure(one, part).await?;
        since += part;
        report.add(Row::new(
            format!(
                "Claim while another transaction holds the horizon, up to {:.1} s",
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
        "Claim after the horizon was let go, when p50 is within 2× of before",
        values,
    );
    report.add(row.below("p50", limit.as_secs_f64() * 1000.0));
    Ok(())
}

/// How long it takes until claims are as fast as that, and how fast they are then; or how fast they are when the patience
/// is over.
async fn recovery(one: &[Claimer], limit: Duration, patience: Duration) -> anyhow::Result<(f64, Samples)> {
    const LOOK: Duration = Duration::from_millis(500);
    let begin = Instant::now();
    loop {
        let seconds = begin.elapsed().as_secs_f64();
        let samples = claims::measure(one, LOOK).await?;
        if samples.percentile(50) < limit || begin.elapsed() > patience {
            return Ok((seconds, samples));
        }
    }
}
