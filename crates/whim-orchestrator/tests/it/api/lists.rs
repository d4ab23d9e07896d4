//! Pages of items, and the queue.

use serde_json::json;
use whim_core::protocol::work::WorkFilter;
use whim_orchestrator::db::work_items;

use crate::world::{SPEC, World, complete, fail, id_of};

#[tokio::test]
async fn items_are_listed_in_pages_newest_first() {
    let world = World::new().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.submit().await);
    }
    made.reverse();

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("/api/work?limit=2{cursor}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        assert!(
            items.iter().all(|item| item.get("spec").is_none()),
            "lists have no wide texts"
        );
        seen.extend(items.iter().map(id_of));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn workers_are_listed_in_pages_newest_first() {
    let world = World::with(&[("MAX_WORKERS", "10")]).await;
    let mut workers = Vec::new();
    for _ in 0..5 {
        workers.push(world.running().await);
    }
    world.call(&workers[2], "complete", &complete()).await.expect(200);
    let pages = async |query: &str| {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world
                .get(&format!("/api/workers?{query}{cursor}"))
                .await
                .expect(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2, "{page:#}");
            seen.extend(
                items
                    .iter()
                    .map(|worker| worker["id"].as_str().unwrap().to_owned()),
            );
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return seen,
            }
        }
    };
    let newest_first = |positions: &[usize]| -> Vec<String> {
        let id = |position: &usize| workers[*position].id.to_string();
        positions.iter().map(id).collect()
    };

    assert_eq!(pages("limit=2").await, newest_first(&[4, 3, 2, 1, 0]));
    assert_eq!(pages("limit=2&status=running").await, newest_first(&[4, 3, 1, 0]));
    assert_eq!(pages("limit=2&status=completed").await, newest_first(&[2]));
    assert_eq!(pages("limit=2&status=killed").await, newest_first(&[]));
    for (query, field) in [
        ("status=idle", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("repo=octocat/hello", "repo"),
    ] {
        let refused = world.get(&format!("/api/workers?{query}")).await;
        assert_eq!(refused.expect_refused_field(), field, "{query}");
    }
}

#[tokio::test]
async fn items_are_filtered_by_their_fields() {
    let world = World::new().await;
    let body = |repo: &str, reference: &str, priority: &str| json!({ "repo": repo, "spec": SPEC, "source": "github", "sourceRef": reference, "priority": priority });
    let first = id_of(
        &world
            .post("/api/work", &body("octocat/hello", "1", "low"))
            .await
            .expect(201),
    );
    let second = id_of(
        &world
            .post("/api/work", &body("octocat/other", "1", "high"))
            .await
            .expect(201),
    );
    world
        .post(&format!("/api/work/{first}/cancel"), &json!({}))
        .await
        .expect(200);

    for (query, expected) in [
        ("status=queued", vec![second]),
        ("status=cancelled", vec![first]),
        ("repo=Octocat/Hello&source=github&sourceRef=1", vec![first]),
        ("sourceRef=1", vec![second, first]),
        ("priority=high", vec![second]),
        ("source=api", vec![]),
    ] {
        let page = world.get(&format!("/api/work?{query}")).await.expect(200);
        let found: Vec<_> = page["items"].as_array().unwrap().iter().map(id_of).collect();
        assert_eq!(found, expected, "{query}");
    }
    for (query, field) in [
        ("status=done", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("repo=hello", "repo"),
        ("colour=red", "colour"),
    ] {
        assert_eq!(
            world
                .get(&format!("/api/work?{query}"))
                .await
                .expect_refused_field(),
            field
        );
    }
}

#[tokio::test]
async fn a_page_of_a_rare_source_reads_few_rows_however_many_items_there_are() {
    let world = World::new().await;
    sqlx::raw_sql(
        "insert into work_items (id, repo, branch, status, priority, source)
             select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'octocat/hello', 'whim/' || n,
                    'queued', 'medium', case when n % 6000 = 0 then 'rare' else 'api' end
             from generate_series(1, 20000) as n;
         insert into work_item_texts (work_item_id) select id from work_items;
         analyze work_items, work_item_texts;",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    for (source, items) in [("rare", 3), ("api", 10), ("unknown", 0)] {
        let filter = WorkFilter {
            source: Some(source.parse().unwrap()),
            ..WorkFilter::default()
        };
        // The query of a request; the rows that it reads are counted for the transaction.
        let mut transaction = world.app.database.begin().await.unwrap();
        let page = work_items::page(&mut *transaction, &filter, 10, 3).await.unwrap();
        assert_eq!(page.len(), items, "{source}");
        let touched: i64 = sqlx::query_scalar(
            "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'work_items'",
        )
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
        assert!(touched <= 40, "{source}: {touched} rows");
    }
}

#[tokio::test]
async fn the_queue_is_listed_in_the_order_of_claims() {
    let world = World::new().await;
    let submit = async |priority: &str| {
        let body = json!({ "repo": "octocat/hello", "spec": SPEC, "priority": priority });
        id_of(&world.post("/api/work", &body).await.expect(201))
    };
    // This one is in backoff: last, whatever its priority.
    let waiting = submit("critical").await;
    let worker = world.start_worker().await;
    world.call(&worker, "fail", &fail("crash")).await.expect(200);
    let (low, medium) = (submit("low").await, submit("medium").await);
    let (critical, late_medium) = (submit("critical").await, submit("medium").await);

    let queue = world.get("/api/queue").await.expect(200);

    let shown: Vec<_> = queue["items"].as_array().unwrap().iter().map(id_of).collect();
    assert_eq!(shown, [critical, medium, late_medium, low, waiting]);
    assert_eq!(
        (&queue["byStatus"]["queued"], &queue["byStatus"]["completed"]),
        (&json!(5), &json!(0))
    );
    assert_eq!(
        (&queue["byPriority"]["critical"], &queue["byPriority"]["high"]),
        (&json!(2), &json!(0))
    );
    let mut paged = Vec::new();
    let mut cursor = String::new();
    while paged.len() < 5 {
        let page = world
            .get(&format!("/api/queue?limit=1{cursor}"))
            .await
            .expect(200);
        paged.push(id_of(&page["items"][0]));
        assert_eq!(page["nextCursor"].is_null(), paged.len() == 5);
        cursor = format!("&cursor={}", paged[paged.len() - 1]);
    }
    assert_eq!(paged, shown);
    let mut taken = Vec::new();
    while let Some(worker) = world.claim().await {
        taken.push(worker.item);
    }
    assert_eq!(taken, shown[..4]);
}
