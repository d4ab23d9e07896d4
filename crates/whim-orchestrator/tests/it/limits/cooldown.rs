//! The cooldown and the copy of the budget in a real Redis.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use chrono::NaiveDate;
use whim_core::WorkerId;
use whim_orchestrator::limits::{BudgetCopy, Cooldown, Limits};
use whim_testkit::redis::TestRedis;

use crate::app::connect;

const LONG: Duration = Duration::from_mins(1);

async fn initialized(redis: &TestRedis, cooldown: Duration) -> Limits {
    let limits = Limits::new(connect(redis), cooldown);
    limits.rebuild(None).await.unwrap();
    limits
}

#[tokio::test]
async fn of_many_concurrent_callers_one_gets_the_cooldown() {
    let redis = TestRedis::shared_or_start().await.unwrap();
    // Each orchestrator has a connection of its own.
    let orchestrators = [
        initialized(&redis, LONG).await,
        initialized(&redis, LONG).await,
        initialized(&redis, LONG).await,
    ];

    let takes = (0..60).map(|n| orchestrators[n % 3].take_cooldown(WorkerId::new()));
    let outcomes = futures::future::try_join_all(takes).await.unwrap();

    let taken = outcomes
        .iter()
        .filter(|outcome| **outcome == Cooldown::Taken)
        .count();
    assert_eq!(taken, 1);
    for outcome in outcomes {
        match outcome {
            Cooldown::Taken => {}
            Cooldown::Running { remaining } => {
                assert!(remaining <= LONG && remaining > LONG / 2, "{remaining:?}");
            }
            Cooldown::Unknown => panic!("the limits were initialized"),
        }
    }
    assert!(orchestrators[0].cooldown_left().await.unwrap() > LONG / 2);
}

#[tokio::test]
async fn only_the_holder_of_a_cooldown_can_release_it() {
    let redis = TestRedis::shared_or_start().await.unwrap();
    let limits = initialized(&redis, LONG).await;
    let (holder, other) = (WorkerId::new(), WorkerId::new());
    limits.take_cooldown(holder).await.unwrap();

    limits.release_cooldown(other).await.unwrap();
    assert!(matches!(
        limits.take_cooldown(other).await.unwrap(),
        Cooldown::Running { .. }
    ));

    limits.release_cooldown(holder).await.unwrap();
    assert_eq!(limits.take_cooldown(other).await.unwrap(), Cooldown::Taken);
}

#[tokio::test]
async fn a_cooldown_of_zero_is_none() {
    let redis = TestRedis::shared_or_start().await.unwrap();
    let limits = Limits::new(connect(&redis), Duration::ZERO);

    for _ in 0..3 {
        assert_eq!(
            limits.take_cooldown(WorkerId::new()).await.unwrap(),
            Cooldown::Taken
        );
    }
}

#[tokio::test]
async fn an_emptied_redis_is_rebuilt_before_a_cooldown_is_granted() {
    let redis = TestRedis::start().await.unwrap();
    let limits = initialized(&redis, LONG).await;
    limits.take_cooldown(WorkerId::new()).await.unwrap();

    redis.restart_empty().await.unwrap();
    let limits = Limits::new(connect(&redis), LONG);

    assert_eq!(
        limits.take_cooldown(WorkerId::new()).await.unwrap(),
        Cooldown::Unknown
    );
    limits.rebuild(Some(LONG / 3)).await.unwrap();
    // A second rebuild changes nothing.
    limits.rebuild(None).await.unwrap();
    match limits.take_cooldown(WorkerId::new()).await.unwrap() {
        Cooldown::Running { remaining } => {
            assert!(remaining <= LONG * 2 / 3 && remaining > LONG / 3, "{remaining:?}");
        }
        other @ (Cooldown::Taken | Cooldown::Unknown) => {
            panic!("the last start was {:?} ago: {other:?}", LONG / 3)
        }
    }
}

#[tokio::test]
async fn without_redis_nothing_is_granted_whatever_the_length() {
    let redis = TestRedis::start().await.unwrap();
    let connection = connect(&redis);
    redis.stop().await.unwrap();

    for length in [Duration::ZERO, LONG] {
        let limits = Limits::new(connection.clone(), length);
        limits.take_cooldown(WorkerId::new()).await.unwrap_err();
    }
}

#[tokio::test]
async fn the_copy_of_the_budget_is_stored_by_day() {
    let redis = TestRedis::shared_or_start().await.unwrap();
    let limits = initialized(&redis, LONG).await;
    let day = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    let copy = BudgetCopy {
        used: 7,
        reserved: 50,
    };

    limits.store_budget(day, copy).await.unwrap();

    assert_eq!(limits.budget(day).await.unwrap(), Some(copy));
    assert_eq!(limits.budget(day.succ_opt().unwrap()).await.unwrap(), None);
}
