//! The disk of Postgres is full.

use rand::distr::{Alphanumeric, SampleString as _};
use serde_json::{Value, json};
use whim_core::WorkItemStatus;
use whim_testkit::disk::SmallDisk;
use whim_testkit::invariants::Invariants;
use whim_testkit::invariants::Limits;
use whim_testkit::postgres::Postgres;

use crate::app::{Services, TestApp};

const DISK_BYTES: u64 = 192 * 1024 * 1024;
const WIDE_BYTES: usize = 100_000;

async fn submit_wide(app: &TestApp) -> (u16, Value) {
    // Incompressible.
    let noise = Alphanumeric.sample_string(&mut rand::rng(), WIDE_BYTES);
    let spec = format!("# Say hello\n\n{noise}\n\n- [ ] Greet the world\n");
    let body = json!({ "repo": "octocat/hello-world", "spec": spec });
    let (status, answer) = app.post("/api/work", &body).await;
    (status.as_u16(), answer)
}

// docs/faults.md, row 31.
#[tokio::test]
async fn with_a_full_disk_new_work_gets_503_and_stored_rows_are_kept() {
    let Some(disk) = SmallDisk::mount(DISK_BYTES).unwrap() else {
        println!("skipped: only root may mount a small disk");
        return;
    };
    let postgres = Postgres::start_on(disk.path()).await.unwrap();
    let services = Services::on(postgres.create_database().await.unwrap()).await;
    let app = TestApp::beside(&services, &[("MAX_WORKERS", "1")]).await;
    let limits = Limits {
        max_workers: 1,
        daily_budget: 200,
    };
    let invariants = Invariants::watch(services.database.url(), limits).await.unwrap();
    let (running, worker) = app.running().await;

    disk.fill().unwrap();
    let mut accepted = Vec::new();
    let refused = loop {
        match submit_wide(&app).await {
            (201, item) => accepted.push(item["id"].as_str().unwrap().to_owned()),
            other => break other,
        }
        assert!(accepted.len() < 1000, "the disk is never full");
    };

    assert_eq!(
        (refused.0, &refused.1["code"]),
        (503, &json!("unavailable")),
        "{}",
        refused.1
    );
    let (status, answer) = app.get("/api/work").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(app.item(running.id).await.status, WorkItemStatus::InProgress);

    disk.empty().unwrap();
    let (status, item) = submit_wide(&app).await;
    assert_eq!(status, 201, "{item}");
    for id in accepted {
        let (status, item) = app.get(&format!("/api/work/{id}")).await;
        assert_eq!(
            (status.as_u16(), &item["status"]),
            (200, &json!("queued")),
            "{item}"
        );
    }
    let (status, answer) = app.worker_call(worker, "heartbeat", &json!({ "seq": 1 })).await;
    assert_eq!(status, 200, "{answer}");
    invariants.check().await.unwrap();
    app.stop().await;
}
