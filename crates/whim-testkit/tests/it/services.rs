//! The Postgres and Redis servers for tests.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use redis::AsyncCommands as _;
use sqlx::{Connection as _, PgConnection};
use whim_testkit::postgres::{Postgres, TestDatabase};
use whim_testkit::redis::TestRedis;
use whim_testkit::wait::wait_until;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_test_database_is_empty_and_its_own() {
    let first = TestDatabase::create().await.unwrap();
    let second = first.server().create_database().await.unwrap();
    let (first_pool, second_pool) = (first.connect().await.unwrap(), second.connect().await.unwrap());
    sqlx::raw_sql("create table marks (id int)")
        .execute(&first_pool)
        .await
        .unwrap();
    let table: Option<String> = sqlx::query_scalar("select to_regclass('marks')::text")
        .fetch_one(&second_pool)
        .await
        .unwrap();
    assert_eq!(table, None);
}

#[tokio::test]
async fn on_a_shared_server_the_database_is_dropped_with_its_test_unless_that_panicked() {
    let server = Postgres::start().await.unwrap();
    let shared = Postgres::at(server.url()).await.unwrap();
    shared.stop_immediate().await.unwrap_err();
    let database = shared.create_database().await.unwrap();
    let url = database.url().to_owned();
    PgConnection::connect(&url).await.unwrap();
    drop(database);
    PgConnection::connect(&url).await.unwrap_err();

    let kept = shared.create_database().await.unwrap();
    let url = kept.url().to_owned();
    std::thread::spawn(move || {
        let _kept = kept;
        panic!("the test fails");
    })
    .join()
    .unwrap_err();
    PgConnection::connect(&url).await.unwrap();
}

#[tokio::test]
async fn on_a_shared_redis_the_keys_under_the_prefix_are_deleted_with_the_test() {
    let server = TestRedis::start().await.unwrap();
    let mut connection = redis::Client::open(server.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let shared = TestRedis::at(server.url());
    let own = format!("{}mark", shared.prefix());
    for key in [own.as_str(), "whim:mark"] {
        connection.set::<_, _, ()>(key, 7).await.unwrap();
    }
    drop(shared);
    let left: Vec<String> = connection.keys("*").await.unwrap();
    assert_eq!(left, ["whim:mark"]);
}

#[tokio::test]
async fn pgvector_is_installed() {
    let database = TestDatabase::create().await.unwrap();
    let pool = database.connect().await.unwrap();
    sqlx::raw_sql("create extension vector")
        .execute(&pool)
        .await
        .unwrap();
    let distance: f64 = sqlx::query_scalar("select '[1,2,2]'::vector <-> '[0,0,0]'::vector")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!((distance - 3.0).abs() < f64::EPSILON, "{distance}");
}

#[tokio::test]
async fn a_restarted_postgres_has_what_was_committed() {
    let server = Postgres::start().await.unwrap();
    let database = server.create_database().await.unwrap();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let marks = "create table marks (id int); insert into marks values (7)";
    sqlx::raw_sql(marks).execute(&mut connection).await.unwrap();

    server.stop_immediate().await.unwrap();
    sqlx::raw_sql("select id from marks")
        .execute(&mut connection)
        .await
        .unwrap_err();
    PgConnection::connect(database.url()).await.unwrap_err();

    server.restart().await.unwrap();
    let pool = database.connect().await.unwrap();
    let mark: i32 = sqlx::query_scalar("select id from marks")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(mark, 7);
}

#[tokio::test]
async fn a_restarted_redis_is_empty_and_has_the_same_address() {
    let server = TestRedis::start().await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let key = format!("{}mark", server.prefix());
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    connection.set::<_, _, ()>(&key, 7).await.unwrap();

    server.stop().await.unwrap();
    client.get_multiplexed_async_connection().await.unwrap_err();

    server.restart_empty().await.unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mark: Option<i32> = connection.get(&key).await.unwrap();
    assert_eq!(mark, None);
}

/// Set for the process that is killed in the test below, which runs this binary again.
const VICTIM: &str = "WHIM_TESTKIT_VICTIM";

#[tokio::test]
async fn servers_exit_when_their_process_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        let postgres = Postgres::start().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        println!("servers: {} {}", postgres.url(), redis.url());
        return std::future::pending().await;
    }
    let output = tempfile::NamedTempFile::new().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([
            "services::servers_exit_when_their_process_is_killed",
            "--exact",
            "--nocapture",
        ])
        .env(VICTIM, "1")
        .stdout(output.reopen().unwrap())
        .spawn()
        .unwrap();
    wait_until("the servers to be up", PATIENCE, async || {
        let said = std::fs::read_to_string(output.path()).unwrap();
        if said.contains("servers: ") {
            Ok(())
        } else {
            Err(said)
        }
    })
    .await
    .unwrap();
    let servers = children_of(process.id());
    assert_eq!(servers.len(), 2, "{servers:?}");

    process.kill().unwrap();
    process.wait().unwrap();
    for server in servers {
        wait_until("a server to exit", PATIENCE, async || {
            if is_running(server) {
                Err(format!("process {server} is still there"))
            } else {
                Ok(())
            }
        })
        .await
        .unwrap();
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    tasks
        .flat_map(|task| {
            let children = std::fs::read_to_string(task.unwrap().path().join("children")).unwrap();
            children
                .split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    // A zombie has ended; its parent has not waited for it.
    stat.is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}
