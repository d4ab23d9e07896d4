//! Transactions and the pooled connections that they run on.

use sqlx::{Connection as _, PgConnection};
use whim_orchestrator::db::{in_transaction, in_transaction_begun_with};
use whim_testkit::wait::wait_until;

use crate::app::PATIENCE;
use crate::world::World;

// docs/faults.md, row 27.
#[tokio::test]
async fn a_transaction_begins_although_every_pooled_connection_was_terminated() {
    let world = World::new().await;
    let pool = &world.app.work_database;
    let mut killer = PgConnection::connect(world.database_url()).await.unwrap();
    for round in 0..20 {
        let backends = futures::future::try_join_all((0..3).map(|_| {
            in_transaction(pool, async |db| {
                sqlx::query_scalar::<_, i32>("select pg_backend_pid()")
                    .fetch_one(db)
                    .await
            })
        }))
        .await
        .unwrap();
        sqlx::query("select pg_terminate_backend(pid) from unnest($1::int[]) as pid")
            .bind(&backends)
            .execute(&mut killer)
            .await
            .unwrap();

        // At once, before the pool can detect the closed connections.
        let answer: sqlx::Result<i32> = in_transaction(pool, async |db| {
            sqlx::query_scalar("select 1").fetch_one(db).await
        })
        .await;

        assert!(answer.is_ok(), "round {round}: {answer:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_while_it_begins_leaves_no_connection_in_it() {
    const LOCK: i64 = 4711;
    let world = World::new().await;
    let mut holder = PgConnection::connect(world.database_url()).await.unwrap();
    sqlx::query("select pg_advisory_lock($1)")
        .bind(LOCK)
        .execute(&mut holder)
        .await
        .unwrap();
    let waiting =
        "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and not granted";

    let beginning = in_transaction_begun_with(
        "begin; select pg_advisory_xact_lock(4711)",
        &world.app.work_database,
        async |_db| Ok::<(), sqlx::Error>(()),
    );
    let given_up = wait_until("the transaction to wait", PATIENCE, async || {
        match world.number(waiting).await {
            0 => Err("the transaction does not wait"),
            _ => Ok(()),
        }
    });
    tokio::select! {
        _ = beginning => panic!("the lock is held by another connection"),
        waits = given_up => waits.unwrap(),
    }
    sqlx::query("select pg_advisory_unlock($1)")
        .bind(LOCK)
        .execute(&mut holder)
        .await
        .unwrap();

    wait_until("the lock to be released", PATIENCE, async || {
        let locks = "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711";
        match world.number(locks).await {
            0 => Ok(()),
            _ => Err("a connection is still in the transaction"),
        }
    })
    .await
    .unwrap();
}
