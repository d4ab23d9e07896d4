use process_tree::{Deadlines, Marker, Orphans, Signal, Termination, become_subreaper};

use crate::script::{SHORT, Script};

async fn terminate(script: &mut Script, tree: &mut process_tree::Tree, deadlines: Deadlines) -> Termination {
    let child = &mut script.child;
    tree.terminate(deadlines, || child.try_wait().map(drop))
        .await
        .unwrap()
}

#[tokio::test]
async fn termination_includes_descendants_in_sessions_of_their_own() {
    let (mut script, mut tree) = Script::start_in_tree(
        "setsid sh -c 'echo $$; sleep 1000' & wait",
        Marker::unique(),
        Orphans::Recognised,
    );
    let elsewhere = script.printed_process();
    assert!(tree.members().unwrap().contains(&elsewhere));

    let termination = terminate(&mut script, &mut tree, SHORT).await;

    assert_eq!(termination.survivors, []);
    assert!(!elsewhere.is_alive().unwrap() && !tree.root().is_alive().unwrap());
}

#[tokio::test]
async fn an_orphan_is_recognised_by_its_marker() {
    let (mut script, mut tree) = Script::start_in_tree(
        "setsid sh -c 'echo $$; sleep 1000' &",
        Marker::unique(),
        Orphans::Recognised,
    );
    let orphan = script.printed_process();
    script.child.wait().unwrap();
    tree.root_was_reaped();

    terminate(&mut script, &mut tree, SHORT).await;

    assert!(!orphan.is_alive().unwrap());
}

#[tokio::test]
async fn an_orphan_that_nothing_recognises_belongs_to_the_tree_that_adopts_and_another_child_does_not() {
    become_subreaper().unwrap();
    let (mut script, mut tree) = Script::start_in_tree(
        "setsid env -i /bin/sh -c 'echo $$; exec sleep 1000' &",
        Marker::unique(),
        Orphans::Adopted,
    );
    let orphan = script.printed_process();
    script.child.wait().unwrap();
    tree.root_was_reaped();
    let (mut other, mut other_tree) =
        Script::start_in_tree("echo; sleep 1000", Marker::unique(), Orphans::Recognised);
    other.line();

    let termination = terminate(&mut script, &mut tree, SHORT).await;

    assert_eq!(termination.survivors, []);
    assert!(!orphan.is_alive().unwrap());
    assert!(other_tree.root().is_alive().unwrap());
    terminate(&mut other, &mut other_tree, Deadlines::IMMEDIATE).await;
}

#[tokio::test]
async fn each_process_gets_int_then_term_then_kill_and_each_signal_once() {
    let (mut script, mut tree) = Script::start_in_tree(
        "trap 'echo INT' INT; trap 'echo TERM' TERM; echo ready; while :; do sleep 0.02; done",
        Marker::unique(),
        Orphans::Recognised,
    );
    assert_eq!(script.line(), "ready");

    let termination = terminate(&mut script, &mut tree, SHORT).await;

    assert_eq!(termination.last_signal, Some(Signal::KILL));
    assert_eq!([script.line(), script.line(), script.line()], ["INT", "TERM", ""]);
}

#[tokio::test]
async fn no_signal_is_sent_where_no_process_is_alive() {
    let (mut script, mut tree) = Script::start_in_tree("exit 0", Marker::unique(), Orphans::Recognised);
    script.child.wait().unwrap();
    tree.root_was_reaped();

    let termination = terminate(&mut script, &mut tree, SHORT).await;

    assert_eq!((termination.last_signal, termination.survivors), (None, vec![]));
}

#[tokio::test]
async fn descendants_of_a_fork_chain_are_all_killed() {
    // Each process starts the next one and exits.
    let (mut script, mut tree) = Script::start_in_tree(
        "echo; f() { sleep 0.1; f & }; f; wait",
        Marker::unique(),
        Orphans::Recognised,
    );
    script.line();

    let termination = terminate(&mut script, &mut tree, Deadlines::IMMEDIATE).await;

    assert_eq!(termination.survivors, []);
    assert_eq!(tree.members().unwrap(), []);
}

#[tokio::test]
async fn this_process_and_its_ancestors_are_never_members() {
    let path = std::env::vars().find(|(name, _)| name == "PATH").unwrap();
    let marker = Marker {
        name: path.0,
        value: path.1,
    };
    let (mut script, mut tree) = Script::start_in_tree("echo; sleep 1000", marker, Orphans::Recognised);
    script.line();
    let parent = std::os::unix::process::parent_id();

    let members = tree.members().unwrap();

    let is_above = |pid| pid == std::process::id() || pid == parent || pid == 1;
    assert!(!members.iter().any(|member| is_above(member.pid)), "{members:?}");
    // Other processes of the test run have the same PATH, so the tree must not be terminated.
    script.child.kill().unwrap();
    script.child.wait().unwrap();
}
