//! Caps of single repositories.

use serde_json::json;
use whim_core::WorkItemStatus;
use whim_testkit::wait::wait_until;

use crate::app::{PATIENCE, Services, TestApp};

#[tokio::test]
async fn a_repository_never_exceeds_its_cap_and_delays_no_other() {
    let services = Services::new().await;
    let settings = [
        ("MAX_WORKERS", "6"),
        ("MAX_WORKERS_PER_REPO", "2"),
        ("MAX_WORKERS_REPO_OVERRIDES", "octocat/Small=1,octocat/closed=0"),
        ("DAILY_BUDGET", "100000"),
    ];
    let (one, other) = tokio::join!(
        TestApp::beside(&services, &settings),
        TestApp::beside(&services, &settings)
    );
    // Checked by a trigger at every insert.
    sqlx::raw_sql(
        "create table overfull (repo text, workers bigint);
         create function note_overfull() returns trigger language plpgsql as $$
         begin
             insert into overfull
             select lower(i.repo), count(*)
             from workers w join work_items i on i.id = w.work_item_id
             where w.status in ('starting', 'running')
             group by 1
             having count(*) > case lower(i.repo) when 'octocat/small' then 1 when 'octocat/closed' then 0 else 2 end;
             return null;
         end
         $$;
         create trigger note_overfull after insert on workers for each statement execute function note_overfull();",
    )
    .execute(&one.app.database)
    .await
    .unwrap();
    let closed = one
        .submit_with(json!({ "repo": "octocat/closed", "priority": "critical" }))
        .await;
    let mut items = Vec::new();
    for n in 0..8 {
        let app = if n % 2 == 0 { &one } else { &other };
        for repo in ["octocat/large", "octocat/small", "Octocat/Large"] {
            let fields = json!({ "repo": repo, "priority": "high" });
            items.push(app.submit_with(fields).await);
        }
    }
    let of_another_repository = one
        .submit_with(json!({ "repo": "octocat/other", "priority": "low" }))
        .await;

    // It is behind all the others, and starts while they wait.
    wait_until("a worker for the other repository", PATIENCE, async || {
        let item = one.item(of_another_repository.id).await;
        if item.status == WorkItemStatus::Assigned {
            Ok(())
        } else {
            Err(item.status)
        }
    })
    .await
    .unwrap();
    let (_, explained) = one.get(&format!("/api/work/{}/explain", items[23].id)).await;
    assert_eq!(explained["reasonCode"], "no_repository_slot", "{explained:#}");
    let (_, explained) = one.get(&format!("/api/work/{}/explain", closed.id)).await;
    assert_eq!(
        (&explained["reasonCode"], &explained["retryAt"]),
        (&json!("repository_disabled"), &json!(null))
    );
    assert_eq!(
        explained["explanation"],
        "No worker is started in octocat/closed because MAX_WORKERS_REPO_OVERRIDES sets it to 0. Change the setting to start some."
    );

    wait_until("every item to have had its worker", PATIENCE, async || {
        for app in [&one, &other] {
            for worker in app.runtime.running() {
                let item = app.runtime.spec(worker).work_item_id;
                let _ended = app.post(&format!("/api/work/{item}/cancel"), &json!({})).await;
            }
        }
        let started = one.runtime.started().len() + other.runtime.started().len();
        if started > items.len() {
            Ok(())
        } else {
            Err(format!("{started} started"))
        }
    })
    .await
    .unwrap();

    let overfull: Vec<(String, i64)> = sqlx::query_as("select repo, workers from overfull")
        .fetch_all(&one.app.database)
        .await
        .unwrap();
    assert_eq!(overfull, []);
    assert_eq!(one.item(closed.id).await.status, WorkItemStatus::Queued);
    one.stop().await;
    other.stop().await;
}
