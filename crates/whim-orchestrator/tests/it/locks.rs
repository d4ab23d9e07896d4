//! File locks in a real Redis.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use redis::AsyncCommands as _;
use whim_core::protocol::worker::LockConflict;
use whim_core::{RelativePath, RepoName, WorkerId};
use whim_orchestrator::locks::{LockOutcome, Locks};
use whim_orchestrator::redis_connection::RedisConnection;
use whim_testkit::redis::TestRedis;

use crate::app::connect;

struct World {
    redis: TestRedis,
    connection: RedisConnection,
    locks: Locks,
}

async fn world() -> World {
    let redis = TestRedis::shared_or_start().await.unwrap();
    let connection = connect(&redis);
    World {
        locks: Locks::new(connection.clone()),
        connection,
        redis,
    }
}

fn repo(name: &str) -> RepoName {
    name.parse().unwrap()
}

fn files(names: &[&str]) -> Vec<RelativePath> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_set_is_locked_whole_or_not_at_all_and_the_refusal_names_each_holder() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let (first, second, third) = (WorkerId::new(), WorkerId::new(), WorkerId::new());
    let repo = repo("octocat/hello-world");
    assert_eq!(
        locks.acquire(first, &repo, &files(&["a", "b"])).await.unwrap(),
        LockOutcome::Granted
    );
    assert_eq!(
        locks.acquire(second, &repo, &files(&["c"])).await.unwrap(),
        LockOutcome::Granted
    );

    let refused = locks
        .acquire(third, &repo, &files(&["d", "b", "c", "e"]))
        .await
        .unwrap();

    let conflict = |file: &str, worker_id| LockConflict {
        file: file.parse().unwrap(),
        worker_id,
    };
    assert_eq!(
        refused,
        LockOutcome::Refused(vec![conflict("b", first), conflict("c", second)])
    );
    // Nothing of the refused set stayed behind.
    assert_eq!(
        locks.acquire(first, &repo, &files(&["d", "e"])).await.unwrap(),
        LockOutcome::Granted
    );
    let mut holders = vec![first, second];
    holders.sort_unstable();
    assert_eq!(locks.holders().await.unwrap(), holders);
}

#[tokio::test]
async fn what_one_holds_is_granted_again() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let worker = WorkerId::new();
    let repo = repo("octocat/hello-world");

    for _ in 0..2 {
        let granted = locks
            .acquire(worker, &repo, &files(&["a", "b", "a"]))
            .await
            .unwrap();
        assert_eq!(granted, LockOutcome::Granted);
    }

    assert_eq!(locks.release_all(worker).await.unwrap(), 2);
}

#[tokio::test]
async fn only_the_holder_releases_a_lock() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let (holder, stranger) = (WorkerId::new(), WorkerId::new());
    let repo = repo("octocat/hello-world");
    locks.acquire(holder, &repo, &files(&["a", "b"])).await.unwrap();

    assert_eq!(
        locks.release(stranger, &repo, &files(&["a", "b"])).await.unwrap(),
        0
    );
    assert_eq!(locks.release_all(stranger).await.unwrap(), 0);
    assert_eq!(
        locks
            .release(holder, &repo, &files(&["a", "never-locked"]))
            .await
            .unwrap(),
        1
    );

    assert_eq!(
        locks.acquire(stranger, &repo, &files(&["a"])).await.unwrap(),
        LockOutcome::Granted
    );
    assert!(matches!(
        locks.acquire(stranger, &repo, &files(&["b"])).await.unwrap(),
        LockOutcome::Refused(_)
    ));
}

#[tokio::test]
async fn repositories_have_locks_of_their_own_and_names_that_ignore_case() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let (one, other) = (WorkerId::new(), WorkerId::new());
    let file = files(&["a"]);
    locks
        .acquire(one, &repo("octocat/hello-world"), &file)
        .await
        .unwrap();

    assert_eq!(
        locks.acquire(other, &repo("octocat/other"), &file).await.unwrap(),
        LockOutcome::Granted
    );
    assert!(matches!(
        locks
            .acquire(other, &repo("Octocat/Hello-World"), &file)
            .await
            .unwrap(),
        LockOutcome::Refused(_)
    ));
}

#[tokio::test]
async fn of_many_that_ask_at_once_one_gets_the_set() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let repo = repo("octocat/hello-world");
    let workers: Vec<WorkerId> = (0..20).map(|_| WorkerId::new()).collect();
    let wanted: Vec<_> = (0..20).map(|n| files(&["shared", &format!("own-{n}")])).collect();

    let asked = workers
        .iter()
        .zip(&wanted)
        .map(|(worker, files)| locks.acquire(*worker, &repo, files));
    let outcomes = futures::future::try_join_all(asked).await.unwrap();

    let granted = outcomes
        .iter()
        .filter(|outcome| **outcome == LockOutcome::Granted)
        .count();
    assert_eq!(granted, 1);
    assert_eq!(locks.holders().await.unwrap().len(), 1);
}

#[tokio::test]
async fn locks_last_an_hour_and_are_renewed_when_half_of_it_is_over() {
    let World {
        locks,
        redis,
        connection,
    } = world().await;
    let worker = WorkerId::new();
    locks
        .acquire(worker, &repo("octocat/hello-world"), &files(&["src/a.rs"]))
        .await
        .unwrap();
    let lock = connection.key("lock:octocat/hello-world:src/a.rs");
    let index = connection.key(&format!("worker-locks:{worker}"));
    let mut raw = redis::Client::open(redis.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();

    let holder: String = raw.get(&lock).await.unwrap();
    assert_eq!(holder, worker.to_string());
    assert!((3_590..=3_600).contains(&raw.ttl::<_, i64>(&lock).await.unwrap()));
    assert_eq!(locks.renew(worker).await.unwrap(), 0, "nothing to renew yet");

    for key in [&lock, &index] {
        let _set: bool = raw.expire(key, 60).await.unwrap();
    }
    assert_eq!(locks.renew(worker).await.unwrap(), 1);
    assert!((3_590..=3_600).contains(&raw.ttl::<_, i64>(&lock).await.unwrap()));
}
