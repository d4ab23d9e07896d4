//! File locks in a real Redis.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use redis::AsyncCommands as _;
use whim_core::{RelativePath, RepoName, WorkerId};
use whim_orchestrator::locks::{CopiedLock, LockHolder, LockMode, LockOutcome, Locks};
use whim_orchestrator::redis_connection::RedisConnection;
use whim_testkit::redis::TestRedis;

use crate::app::{answers_again, connect};

struct World {
    redis: TestRedis,
    connection: RedisConnection,
    locks: Locks,
}

async fn world() -> World {
    let redis = TestRedis::shared_or_start().await.unwrap();
    let connection = connect(&redis);
    let locks = Locks::new(connection.clone());
    locks.restore(&[]).await.unwrap();
    World {
        locks,
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
async fn a_set_is_locked_all_or_nothing_and_the_refusal_names_each_holder() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let (first, second, third) = (WorkerId::new(), WorkerId::new(), WorkerId::new());
    let repo = repo("octocat/hello-world");
    assert_eq!(
        locks
            .acquire(first, &repo, &files(&["a", "b"]), LockMode::AllOrNothing)
            .await
            .unwrap(),
        LockOutcome::Granted
    );
    assert_eq!(
        locks
            .acquire(second, &repo, &files(&["c"]), LockMode::AllOrNothing)
            .await
            .unwrap(),
        LockOutcome::Granted
    );

    let refused = locks
        .acquire(
            third,
            &repo,
            &files(&["d", "b", "c", "e"]),
            LockMode::AllOrNothing,
        )
        .await
        .unwrap();

    let holding = |file: &str, worker| LockHolder {
        file: file.parse().unwrap(),
        worker,
    };
    assert_eq!(
        refused,
        LockOutcome::Held(vec![holding("b", first), holding("c", second)])
    );
    // Nothing of the refused set is locked.
    assert_eq!(
        locks
            .acquire(first, &repo, &files(&["d", "e"]), LockMode::AllOrNothing)
            .await
            .unwrap(),
        LockOutcome::Granted
    );
    let mut holders = vec![first, second];
    holders.sort_unstable();
    assert_eq!(locks.holders().await.unwrap(), holders);
}

#[tokio::test]
async fn a_lock_is_granted_again_to_its_holder() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let worker = WorkerId::new();
    let repo = repo("octocat/hello-world");

    for _ in 0..2 {
        let granted = locks
            .acquire(worker, &repo, &files(&["a", "b", "a"]), LockMode::AllOrNothing)
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
    locks
        .acquire(holder, &repo, &files(&["a", "b"]), LockMode::AllOrNothing)
        .await
        .unwrap();

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
        locks
            .acquire(stranger, &repo, &files(&["a"]), LockMode::AllOrNothing)
            .await
            .unwrap(),
        LockOutcome::Granted
    );
    assert!(matches!(
        locks
            .acquire(stranger, &repo, &files(&["b"]), LockMode::AllOrNothing)
            .await
            .unwrap(),
        LockOutcome::Held(_)
    ));
}

#[tokio::test]
async fn locks_are_per_repository_regardless_of_case() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let (one, other) = (WorkerId::new(), WorkerId::new());
    let file = files(&["a"]);
    locks
        .acquire(one, &repo("octocat/hello-world"), &file, LockMode::AllOrNothing)
        .await
        .unwrap();

    assert_eq!(
        locks
            .acquire(other, &repo("octocat/other"), &file, LockMode::AllOrNothing)
            .await
            .unwrap(),
        LockOutcome::Granted
    );
    assert!(matches!(
        locks
            .acquire(other, &repo("Octocat/Hello-World"), &file, LockMode::AllOrNothing)
            .await
            .unwrap(),
        LockOutcome::Held(_)
    ));
}

#[tokio::test]
async fn of_concurrent_requests_one_gets_the_set() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let repo = repo("octocat/hello-world");
    let workers: Vec<WorkerId> = (0..20).map(|_| WorkerId::new()).collect();
    let wanted: Vec<_> = (0..20).map(|n| files(&["shared", &format!("own-{n}")])).collect();

    let asked = workers
        .iter()
        .zip(&wanted)
        .map(|(worker, files)| locks.acquire(*worker, &repo, files, LockMode::AllOrNothing));
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
        .acquire(
            worker,
            &repo("octocat/hello-world"),
            &files(&["src/a.rs"]),
            LockMode::AllOrNothing,
        )
        .await
        .unwrap();
    let lock = connection.key("lock:octocat/hello-world:src/a.rs");
    let index = connection.key(&format!("worker-locks:{worker}"));
    let mut raw = raw(&redis).await;

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

#[tokio::test]
async fn of_files_that_were_changed_already_the_free_ones_are_locked() {
    let World {
        locks, redis: _redis, ..
    } = world().await;
    let (first, second) = (WorkerId::new(), WorkerId::new());
    let repo = repo("octocat/hello-world");
    locks
        .acquire(first, &repo, &files(&["b"]), LockMode::AllOrNothing)
        .await
        .unwrap();

    let outcome = locks
        .acquire(second, &repo, &files(&["a", "b", "c"]), LockMode::FreeOnly)
        .await
        .unwrap();

    let held = LockHolder {
        file: "b".parse().unwrap(),
        worker: first,
    };
    assert_eq!(outcome, LockOutcome::Held(vec![held]));
    assert!(locks.holds(second, &repo, &files(&["a", "c"])).await.unwrap());
    assert!(!locks.holds(second, &repo, &files(&["a", "b"])).await.unwrap());
}

// docs/faults.md, row 33: emptied by FLUSHALL, or restarted from an older snapshot.
#[tokio::test]
async fn a_redis_that_lost_the_locks_grants_nothing_before_they_are_restored() {
    let redis = TestRedis::start().await.unwrap();
    let connection = connect(&redis);
    let locks = Locks::new(connection.clone());
    let (first, second) = (WorkerId::new(), WorkerId::new());
    let repo = repo("octocat/hello-world");
    let wanted = files(&["a"]);
    let known = [CopiedLock {
        repo: repo.clone(),
        file: wanted[0].clone(),
        worker: first,
    }];
    for restarts in [false, true] {
        if restarts {
            redis.restart_empty().await.unwrap();
            answers_again(&connection).await;
            // An older snapshot has another marker and other locks.
            raw(&redis)
                .await
                .set::<_, _, ()>(format!("{}locks-complete", redis.prefix()), "1")
                .await
                .unwrap();
            let lock = format!("{}lock:octocat/hello-world:a", redis.prefix());
            raw(&redis)
                .await
                .set::<_, _, ()>(lock, WorkerId::new().to_string())
                .await
                .unwrap();
        } else {
            let mut raw = raw(&redis).await;
            redis::cmd("FLUSHALL").exec_async(&mut raw).await.unwrap();
        }
        assert!(!locks.are_complete().await.unwrap());
        for worker in [first, second] {
            assert_eq!(
                locks
                    .acquire(worker, &repo, &wanted, LockMode::AllOrNothing)
                    .await
                    .unwrap(),
                LockOutcome::Incomplete
            );
        }

        assert_eq!(locks.restore(&known).await.unwrap(), 1);
        assert_eq!(
            locks.restore(&[]).await.unwrap(),
            0,
            "a second restore changes nothing"
        );

        assert!(locks.are_complete().await.unwrap());
        assert!(matches!(
            locks
                .acquire(second, &repo, &wanted, LockMode::AllOrNothing)
                .await
                .unwrap(),
            LockOutcome::Held(_)
        ));
        assert_eq!(
            locks
                .acquire(first, &repo, &wanted, LockMode::AllOrNothing)
                .await
                .unwrap(),
            LockOutcome::Granted
        );
    }
    assert_eq!(locks.release_all(first).await.unwrap(), 1);
}

async fn raw(redis: &TestRedis) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}
