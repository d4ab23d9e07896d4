use std::time::Duration;

use process_tree::{Deadlines, Signal, Subreaper};

use crate::script::{SHORT, Script};

#[tokio::test]
async fn descendants_that_hide_are_terminated_and_reaped() {
    let subreaper = Subreaper::install().unwrap();
    let mut script = Script::start("setsid env -i /bin/sh -c 'trap \"\" INT TERM; echo $$; sleep 1000; :' &");
    let hidden = script.printed_process();
    script.child.wait().unwrap();

    let alive = subreaper.wait_for_exit(Duration::from_millis(20)).await.unwrap();
    let termination = subreaper.terminate(SHORT).await.unwrap();

    assert!(alive.contains(&hidden), "{alive:?}");
    assert_eq!(
        (termination.last_signal, termination.survivors),
        (Some(Signal::KILL), vec![])
    );
    assert_eq!(
        process_tree::ProcessIdentity::of(hidden.pid).unwrap(),
        None,
        "reaped"
    );
}

#[tokio::test]
async fn children_that_were_there_before_are_left_alone() {
    let mut inherited = Script::start("sh -c 'echo $$; sleep 1000'; :");
    let below_inherited = inherited.printed_process();
    let subreaper = Subreaper::install().unwrap();
    let mut own = Script::start("echo; sleep 1000");
    own.line();

    let termination = subreaper.terminate(Deadlines::IMMEDIATE).await.unwrap();

    assert_eq!(termination.survivors, []);
    assert!(inherited.identity().is_alive().unwrap() && below_inherited.is_alive().unwrap());
    below_inherited.signal(Signal::KILL).unwrap();
    inherited.child.wait().unwrap();
}

#[test]
fn orphans_that_ended_are_reaped_and_the_awaited_child_is_not() {
    let subreaper = Subreaper::install().unwrap();
    let mut awaited = Script::start("(echo $$; exec 2>&-) & sleep 0; exit 7");
    awaited.line();
    let pid = awaited.child.id();
    let identity = awaited.identity();
    while identity.is_alive().unwrap() {
        std::thread::yield_now();
    }

    while !process_tree::descendants(std::process::id()).unwrap().is_empty() {
        std::thread::yield_now();
    }
    subreaper.reap_orphans(Some(pid)).unwrap();

    assert_eq!(awaited.child.wait().unwrap().code(), Some(7));
}
