//! Claims: their order, and exact slots, cooldown and budget over several orchestrators.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use whim_core::protocol::explain::ReasonCode;
use whim_core::protocol::work::WorkItem;
use whim_core::{WorkItemId, WorkItemStatus, WorkerId};
use whim_orchestrator::status::status;
use whim_testkit::wait::wait_until;

use crate::app::{PATIENCE, Services, TestApp};

async fn report_iterations(app: &TestApp, worker: WorkerId, iteration: u32) {
    let heartbeat = json!({ "seq": iteration, "iteration": iteration });
    let (status, answer) = app.worker_call(worker, "heartbeat", &heartbeat).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn items_are_claimed_by_priority_and_then_by_age() {
    let app = TestApp::with(&[("MAX_WORKERS", "1")]).await;
    app.runtime.hold_starts();
    // Occupies the only slot until all other items are queued.
    let blocker = app.submit().await;
    app.wait_for_status(blocker.id, WorkItemStatus::Assigned).await;
    let mut expected = Vec::new();
    for priority in ["low", "medium", "high", "critical", "medium", "critical"] {
        let item = app.submit_with(json!({ "priority": priority })).await;
        expected.push((item.priority, item.id));
    }
    expected.sort_unstable();

    app.runtime.let_starts_through();
    let mut taken: Vec<WorkItemId> = Vec::new();
    wait_until("all items to be started", PATIENCE, async || {
        // Each is cancelled as soon as it has started, which frees the slot.
        for spec in app.runtime.started() {
            if !taken.contains(&spec.work_item_id) {
                taken.push(spec.work_item_id);
                let _ended = app
                    .post(&format!("/api/work/{}/cancel", spec.work_item_id), &json!({}))
                    .await;
            }
        }
        if taken.len() == 7 {
            Ok(())
        } else {
            Err(format!("{} of 7", taken.len()))
        }
    })
    .await
    .unwrap();

    let expected: Vec<WorkItemId> = expected.into_iter().map(|(_, id)| id).collect();
    assert_eq!(taken[1..], expected);
    app.stop().await;
}

#[tokio::test]
async fn two_orchestrators_never_have_more_workers_than_slots_and_never_take_an_item_twice() {
    let services = Services::new().await;
    let settings = [("MAX_WORKERS", "3"), ("DAILY_BUDGET", "100000")];
    let (one, other) = tokio::join!(
        TestApp::beside(&services, &settings),
        TestApp::beside(&services, &settings)
    );
    // Checked by a trigger at every insert.
    sqlx::raw_sql(
        "create table overfull (workers bigint);
         create function note_overfull() returns trigger language plpgsql as $$
         begin
             insert into overfull
             select count(*) from workers where status in ('starting', 'running') having count(*) > 3;
             return null;
         end
         $$;
         create trigger note_overfull after insert on workers for each statement execute function note_overfull();",
    )
    .execute(&one.app.database)
    .await
    .unwrap();
    let mut items: Vec<WorkItem> = Vec::new();
    for n in 0..24 {
        let app = if n % 2 == 0 { &one } else { &other };
        items.push(app.submit().await);
    }

    wait_until("every item to have had its worker", PATIENCE, async || {
        for app in [&one, &other] {
            for worker in app.runtime.running() {
                let item = app.runtime.spec(worker).work_item_id;
                let _ended = app.post(&format!("/api/work/{item}/cancel"), &json!({})).await;
            }
        }
        let started = one.runtime.started().len() + other.runtime.started().len();
        if started >= items.len() {
            Ok(())
        } else {
            Err(format!("{started} started"))
        }
    })
    .await
    .unwrap();

    let overfull: Vec<i64> = sqlx::query_scalar("select workers from overfull")
        .fetch_all(&one.app.database)
        .await
        .unwrap();
    assert_eq!(overfull, [] as [i64; 0], "more workers than slots");
    let started = [one.runtime.started(), other.runtime.started()].concat();
    let distinct: BTreeSet<WorkItemId> = started.iter().map(|spec| spec.work_item_id).collect();
    assert_eq!(
        (started.len(), distinct.len()),
        (items.len(), items.len()),
        "an item was taken twice"
    );
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn starts_of_all_orchestrators_are_separated_by_the_cooldown() {
    let services = Services::new().await;
    let cooldown = Duration::from_secs(1);
    let settings = [("MAX_WORKERS", "10"), ("COOLDOWN_SECONDS", "1")];
    let (one, other) = tokio::join!(
        TestApp::beside(&services, &settings),
        TestApp::beside(&services, &settings)
    );
    for _ in 0..3 {
        one.submit().await;
    }

    wait_until("three workers", PATIENCE, async || {
        let count = one.runtime.started().len() + other.runtime.started().len();
        if count == 3 {
            Ok(())
        } else {
            Err(format!("{count} started"))
        }
    })
    .await
    .unwrap();

    let gaps: Vec<f64> = sqlx::query_scalar(
        "select extract(epoch from started_at - lag(started_at) over (order by started_at))::float8
         from workers order by started_at offset 1",
    )
    .fetch_all(&one.app.database)
    .await
    .unwrap();
    // The cooldown starts in Redis a moment before the row is written.
    let least = cooldown.as_secs_f64() / 2.0;
    assert!(gaps.iter().all(|gap| *gap >= least), "{gaps:?}");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn the_budget_is_reserved_at_the_claim_and_settled_by_what_was_used() {
    let app = TestApp::with(&[
        ("MAX_WORKERS", "10"),
        ("DAILY_BUDGET", "70"),
        ("MAX_ITERATIONS", "50"),
        // The first item is older than the third: its next attempt would come first.
        ("RETRY_DELAYS_SECONDS", "600"),
    ])
    .await;
    let first = app.submit().await;
    let worker = app.wait_for_worker(first.id).await;
    assert_eq!(app.register(worker).await["maxIterations"], 50);
    let second = app.submit().await;
    let second_worker = app.wait_for_worker(second.id).await;
    assert_eq!(
        app.register(second_worker).await["maxIterations"],
        20,
        "the remaining budget"
    );

    let third = app.submit().await;
    wait_until("the budget to be the reason", PATIENCE, async || {
        let reasons = status(&app.app).await.unwrap().blocked_reasons;
        match reasons.as_slice() {
            [reason] if reason.code == ReasonCode::BudgetUsedUp => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    assert_eq!(app.item(third.id).await.status, WorkItemStatus::Queued);

    // The first worker used 4 of its 50; its end releases the rest.
    report_iterations(&app, worker, 4).await;
    app.runtime.exit(worker, 1);
    let third_worker = app.wait_for_worker(third.id).await;

    let budget = status(&app.app).await.unwrap().budget;
    assert_eq!(budget.limit, 70);
    assert_eq!((budget.used, budget.reserved), (4, 66), "{budget:?}");
    assert_eq!(app.register(third_worker).await["maxIterations"], 46);
    app.stop().await;
}

#[tokio::test]
async fn two_orchestrators_never_reserve_more_than_the_day_has() {
    let services = Services::new().await;
    let settings = [
        ("MAX_WORKERS", "50"),
        ("DAILY_BUDGET", "95"),
        ("MAX_ITERATIONS", "10"),
    ];
    let (one, other) = tokio::join!(
        TestApp::beside(&services, &settings),
        TestApp::beside(&services, &settings)
    );
    for n in 0..20 {
        let app = if n % 2 == 0 { &one } else { &other };
        app.submit().await;
    }

    wait_until("the whole budget to be reserved", PATIENCE, async || {
        let budget = status(&one.app).await.unwrap().budget;
        if budget.remaining == 0 {
            Ok(())
        } else {
            Err(format!("{budget:?}"))
        }
    })
    .await
    .unwrap();

    let reserved: Vec<i32> = sqlx::query_scalar("select max_iterations from workers order by max_iterations")
        .fetch_all(&one.app.database)
        .await
        .unwrap();
    assert_eq!(reserved, [5, 10, 10, 10, 10, 10, 10, 10, 10, 10]);
    one.stop().await;
    other.stop().await;
}
