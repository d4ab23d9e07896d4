use whim_service::readiness::Readiness;

#[test]
fn ready_is_the_absence_of_latches() {
    let readiness = Readiness::new();
    assert!(readiness.is_ready());

    let database = readiness.latch("database");
    let listener = readiness.latch("listener");
    assert_eq!(readiness.waiting_for(), ["database", "listener"]);

    database.release();
    assert!(!readiness.is_ready());
    listener.release();
    assert!(readiness.is_ready());
}

#[test]
fn a_component_that_failed_before_its_release_keeps_the_process_unready() {
    let readiness = Readiness::new();
    drop(readiness.latch("database"));
    assert_eq!(readiness.waiting_for(), ["database"]);
}

#[test]
fn two_components_may_wait_for_the_same_thing() {
    let readiness = Readiness::new();
    let (first, second) = (readiness.latch("port"), readiness.latch("port"));
    first.release();
    assert!(!readiness.is_ready());
    second.release();
    assert!(readiness.is_ready());
}

#[test]
fn a_stopping_process_is_not_ready_any_more() {
    let readiness = Readiness::new();
    readiness.stopping();
    assert_eq!(readiness.waiting_for(), ["stopping"]);
}

#[tokio::test]
async fn waiting_ends_with_the_last_release() {
    let readiness = Readiness::new();
    let latch = readiness.latch("database");
    let waiter = readiness.clone();
    tokio::join!(waiter.wait(), async { latch.release() });
    readiness.wait().await;
}
