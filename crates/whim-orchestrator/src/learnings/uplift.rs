//! Whether learnings help: a stratified comparison of items that received them with those of the holdout.
//!
//! Repositories differ more from each other than learnings can change, so items are only compared with those of the same
//! repository and of similar size. The reasons are in `docs/decisions/0035-the-holdout-is-by-item.md`.

use std::collections::BTreeMap;

use sqlx::PgPool;
use whim_core::RepoName;
use whim_core::protocol::learnings::{ArmNumbers, Comparison, Effect, LearningsUplift, RepositoryUplift};

use crate::db::learnings::outcomes::{self, ItemOutcome, ShownOften};

/// The newest items that are compared.
const MAX_ITEMS: i64 = 20_000;
const MAX_REPOSITORIES: usize = 200;
/// Fewer items in an arm say nothing.
const MIN_ITEMS: usize = 10;
/// A learning that so many items received is judged.
const MIN_SHOWN: i64 = 20;
/// Quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_964;

/// Compares the arms, in all and by repository.
///
/// # Errors
/// Postgres is unavailable.
pub async fn uplift(database: &PgPool) -> sqlx::Result<LearningsUplift> {
    let items = outcomes::newest(database, MAX_ITEMS).await?;
    let mut by_repo: BTreeMap<&str, Vec<&ItemOutcome>> = BTreeMap::new();
    for item in &items {
        by_repo.entry(&item.repo).or_default().push(item);
    }
    let repositories = by_repo
        .iter()
        .filter(|(_, items)| {
            let holdout = items.iter().filter(|item| item.is_holdout).count();
            (1..items.len()).contains(&holdout)
        })
        .filter_map(|(repo, items)| {
            Some(RepositoryUplift {
                repo: RepoName::parse(repo).ok()?,
                comparison: compare(items),
            })
        })
        .take(MAX_REPOSITORIES)
        .collect();
    let all: Vec<&ItemOutcome> = items.iter().collect();
    Ok(LearningsUplift {
        all: compare(&all),
        repositories,
    })
}

/// Learnings that many items received, that no agent used, and whose items did not end better than others of their repository.
///
/// # Errors
/// Postgres is unavailable.
pub async fn without_effect(database: &PgPool) -> sqlx::Result<Vec<ShownOften>> {
    let mut shown = outcomes::shown_often(database, MIN_SHOWN).await?;
    shown.retain(is_useless);
    Ok(shown)
}

/// Not proven: the lower end of the difference in success is not above zero.
pub(crate) fn is_useless(shown: &ShownOften) -> bool {
    let with = Proportion::new(shown.with_completed, shown.with_items);
    let without = Proportion::new(shown.without_completed, shown.without_items);
    with.share - without.share - Z * (with.variance + without.variance).sqrt() <= 0.0
}

/// A share with one success and one failure added, so that its variance is never zero.
struct Proportion {
    share: f64,
    variance: f64,
}

impl Proportion {
    fn new(successes: i64, total: i64) -> Self {
        let total = total as f64 + 2.0;
        let share = (successes as f64 + 1.0) / total;
        Self {
            share,
            variance: share * (1.0 - share) / total,
        }
    }
}

/// What is compared.
#[derive(Clone, Copy)]
enum Measure {
    Success,
    Iterations,
    Cost,
    Repairs,
}

impl Measure {
    fn of(self, item: &ItemOutcome) -> f64 {
        match self {
            Self::Success => f64::from(u8::from(item.is_completed)),
            Self::Iterations => item.iterations as f64,
            Self::Cost => item.cost_usd,
            Self::Repairs => f64::from(u8::from(item.is_retried)),
        }
    }

    fn is_share(self) -> bool {
        matches!(self, Self::Success | Self::Repairs)
    }

    fn is_better_when_higher(self) -> bool {
        matches!(self, Self::Success)
    }
}

pub(crate) fn compare(items: &[&ItemOutcome]) -> Comparison {
    let arm = |is_holdout| {
        let items: Vec<&ItemOutcome> = items
            .iter()
            .copied()
            .filter(|item| item.is_holdout == is_holdout)
            .collect();
        let mean = |measure: Measure| mean(items.iter().map(|item| measure.of(item)));
        ArmNumbers {
            items: u32::try_from(items.len()).unwrap_or(u32::MAX),
            success_rate: mean(Measure::Success),
            iterations: mean(Measure::Iterations),
            cost_usd: mean(Measure::Cost),
            repair_rate: mean(Measure::Repairs),
        }
    };
    Comparison {
        with_learnings: arm(false),
        without_learnings: arm(true),
        success: effect(items, Measure::Success),
        iterations: effect(items, Measure::Iterations),
        cost_usd: effect(items, Measure::Cost),
        repairs: effect(items, Measure::Repairs),
    }
}

/// Items of one repository and size, by arm.
#[derive(Default)]
struct Stratum {
    with: Vec<f64>,
    without: Vec<f64>,
}

fn effect(items: &[&ItemOutcome], measure: Measure) -> Effect {
    let mut strata: BTreeMap<(&str, i32), Stratum> = BTreeMap::new();
    for item in items {
        let stratum = strata.entry((&item.repo, size(item.tasks_total))).or_default();
        let arm = if item.is_holdout {
            &mut stratum.without
        } else {
            &mut stratum.with
        };
        arm.push(measure.of(item));
    }
    // A stratum with one arm compares nothing.
    strata.retain(|_, stratum| !stratum.with.is_empty() && !stratum.without.is_empty());
    let strata: Vec<Stratum> = strata.into_values().collect();
    let count =
        |arm: fn(&Stratum) -> &Vec<f64>| strata.iter().map(|stratum| arm(stratum).len()).sum::<usize>();
    let (with_items, without_items) = (count(|s| &s.with), count(|s| &s.without));
    let freedom = (with_items + without_items).saturating_sub(2 * strata.len());
    if with_items < MIN_ITEMS || without_items < MIN_ITEMS || freedom < MIN_ITEMS {
        return Effect {
            estimate: None,
            low: None,
            high: None,
            summary: format!(
                "not enough data yet: {with_items} items with learnings and {without_items} without are comparable, \
                 and each needs at least {MIN_ITEMS}"
            ),
        };
    }
    let with_variance = variance(strata.iter().map(|s| &s.with), measure);
    let without_variance = variance(strata.iter().map(|s| &s.without), measure);
    let (mut weights, mut sum, mut spread) = (0.0, 0.0, 0.0);
    for Stratum { with, without } in &strata {
        let (n, m) = (with.len() as f64, without.len() as f64);
        // The weight with the smallest variance of the sum.
        let weight = n * m / (n + m);
        let difference = with.iter().sum::<f64>() / n - without.iter().sum::<f64>() / m;
        weights += weight;
        sum += weight * difference;
        spread += weight * weight * (with_variance / n + without_variance / m);
    }
    let estimate = sum / weights;
    let margin = quantile(freedom) * spread.sqrt() / weights;
    let (low, high) = (estimate - margin, estimate + margin);
    Effect {
        estimate: Some(estimate),
        low: Some(low),
        high: Some(high),
        summary: summary(low, high, measure).to_owned(),
    }
}

fn summary(low: f64, high: f64, measure: Measure) -> &'static str {
    let (gain, loss) = if measure.is_better_when_higher() {
        (low > 0.0, high < 0.0)
    } else {
        (high < 0.0, low > 0.0)
    };
    match (gain, loss) {
        (true, _) => "better with learnings",
        (_, true) => "worse with learnings",
        _ => "no difference can be shown yet",
    }
}

/// Specs of similar size.
fn size(tasks: i32) -> i32 {
    match tasks {
        ..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

/// The variance within the strata of an arm, pooled: single strata have too few items for one of their own.
fn variance<'a>(arms: impl Iterator<Item = &'a Vec<f64>>, measure: Measure) -> f64 {
    let (mut squares, mut count, mut strata, mut successes) = (0.0, 0.0, 0.0, 0.0);
    for values in arms {
        let mean = mean(values.iter().copied()).unwrap_or_default();
        squares += values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        successes += values.iter().sum::<f64>();
        count += values.len() as f64;
        strata += 1.0;
    }
    let freedom: f64 = count - strata;
    let pooled = if freedom > 0.0 { squares / freedom } else { 0.0 };
    if measure.is_share() {
        // Ten of ten is no proof that the eleventh cannot fail.
        let share = (successes + 1.0) / (count + 2.0);
        pooled.max(share * (1.0 - share))
    } else {
        pooled
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

/// Quantile of Student's distribution for 95 %, by its expansion around the normal one.
fn quantile(freedom: usize) -> f64 {
    let freedom = freedom as f64;
    Z + (Z.powi(3) + Z) / (4.0 * freedom)
        + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * freedom.powi(2))
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;
    use whim_core::LearningId;

    /// Items of several repositories with different rates, a tenth of them in the holdout, and a true effect on both.
    fn simulated(random: &mut StdRng, effect: f64) -> Vec<ItemOutcome> {
        let mut items = Vec::new();
        for repo in 0..6 {
            let base = 0.3 + 0.08 * f64::from(repo);
            for _ in 0..random.random_range(30..120) {
                let tasks_total = random.random_range(1..9);
                let is_holdout = random.random_bool(0.1);
                let gain = if is_holdout { 0.0 } else { effect };
                let difficulty = f64::from(tasks_total) / 60.0;
                items.push(ItemOutcome {
                    repo: format!("acme/r{repo}"),
                    is_holdout,
                    is_completed: random.random_bool(base - difficulty + gain),
                    tasks_total,
                    iterations: i64::from(tasks_total)
                        + random.random_range(0..8)
                        + if is_holdout { 2 } else { 0 },
                    cost_usd: 1.0,
                    is_retried: random.random_bool(0.2),
                });
            }
        }
        items
    }

    #[test]
    fn the_interval_covers_the_true_effect_in_95_of_100_runs() {
        let mut random = StdRng::seed_from_u64(13);
        let (mut covered, mut runs) = ([0, 0], 0);
        for _ in 0..1000 {
            let items = simulated(&mut random, 0.15);
            let items: Vec<&ItemOutcome> = items.iter().collect();
            let comparison = compare(&items);
            let covers = |effect: &Effect, truth: f64| {
                effect.low.is_some_and(|low| low <= truth) && effect.high.is_some_and(|high| truth <= high)
            };
            runs += 1;
            covered[0] += i32::from(covers(&comparison.success, 0.15));
            covered[1] += i32::from(covers(&comparison.iterations, -2.0));
        }
        assert_eq!(runs, 1000);
        for covered in covered {
            assert!((935..=985).contains(&covered), "{covered} of 1000");
        }
    }

    #[test]
    fn few_items_give_no_estimate() {
        let mut random = StdRng::seed_from_u64(1);
        let items = simulated(&mut random, 0.1);
        let few: Vec<&ItemOutcome> = items.iter().take(12).collect();
        let comparison = compare(&few);
        assert_eq!(comparison.success.estimate, None);
        assert!(comparison.success.summary.starts_with("not enough data yet"));
    }

    /// Learnings are shown to some of 200 items of a repository, half of which are completed.
    fn shown(random: &mut StdRng, effect: f64) -> ShownOften {
        let completed = |random: &mut StdRng, items: i64, share: f64| {
            (0..items).filter(|_| random.random_bool(share)).count() as i64
        };
        ShownOften {
            id: LearningId::new(),
            with_items: 60,
            with_completed: completed(random, 60, 0.5 + effect),
            without_items: 140,
            without_completed: completed(random, 140, 0.5),
        }
    }

    #[test]
    fn useless_learnings_are_retired_and_useful_ones_stay() {
        let mut random = StdRng::seed_from_u64(7);
        let retired =
            |random: &mut StdRng, effect| (0..1000).filter(|_| is_useless(&shown(random, effect))).count();
        let useless = retired(&mut random, 0.0);
        assert!(useless >= 950, "{useless} of 1000 useless ones");
        let useful = retired(&mut random, 0.35);
        assert!(useful <= 20, "{useful} of 1000 useful ones");
    }
}
