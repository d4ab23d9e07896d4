use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::{ffi::OsStr, fs};

use process_tree::{Marker, Orphans, ProcessIdentity, Signal, descendants, find_by_environment};

use crate::script::{SHORT, Script};

#[test]
fn a_reused_pid_is_never_signalled() {
    let mut script = Script::start("echo; sleep 1000");
    script.line();
    let real = script.identity();
    let earlier = ProcessIdentity {
        start_ticks: real.start_ticks - 1,
        ..real
    };

    assert!(!earlier.is_alive().unwrap());
    assert!(!earlier.signal(Signal::KILL).unwrap());
    assert_eq!(earlier.name().unwrap(), None);
    assert!(
        real.is_alive().unwrap(),
        "the process with the reused pid was signalled"
    );
    assert!(real.signal(Signal::KILL).unwrap());
    script.child.wait().unwrap();
    assert!(!real.signal(Signal::KILL).unwrap());
}

#[test]
fn a_zombie_is_not_alive() {
    let mut script = Script::start("exit 0");
    assert_eq!(script.line(), "", "standard output is closed at the exit");
    let identity = script.identity();
    while identity.is_alive().unwrap() {
        std::thread::yield_now();
    }
    assert_eq!(ProcessIdentity::of(identity.pid).unwrap(), Some(identity));
    script.child.wait().unwrap();
}

#[test]
fn an_identity_is_the_same_after_it_was_written_as_json() {
    let identity = ProcessIdentity::of_this_process().unwrap();
    let text = serde_json::to_string(&identity).unwrap();
    assert_eq!(serde_json::from_str::<ProcessIdentity>(&text).unwrap(), identity);
}

#[test]
fn a_pid_that_no_process_has_is_none() {
    assert_eq!(ProcessIdentity::of(u32::MAX).unwrap(), None);
    assert_eq!(ProcessIdentity::of(0).unwrap(), None);
}

#[test]
fn a_program_name_with_parentheses_spaces_and_bytes_that_are_not_utf8_is_read() {
    let directory = std::env::temp_dir().join(format!("process-tree-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let program = directory.join(OsStr::from_bytes(b"a) S 1 (\xff"));
    fs::copy("/bin/sleep", &program).unwrap();
    let mut child = Command::new(&program).arg("1000").spawn().unwrap();
    let identity = ProcessIdentity::of(child.id()).unwrap().unwrap();

    let found = descendants(std::process::id()).unwrap();

    assert_eq!(identity.name().unwrap().as_deref(), Some("a) S 1 (\u{fffd}"));
    assert!(found.contains(&identity), "{found:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn descendants_are_found_at_any_depth() {
    let mut script = Script::start("sh -c 'sh -c \"echo \\$\\$; sleep 1000\"; :'; :");
    let deepest = script.printed_process();

    let found = descendants(script.child.id()).unwrap();

    assert!(found.contains(&deepest), "{found:?}");
    assert!(!found.contains(&script.identity()));
    for process in found {
        process.signal(Signal::KILL).unwrap();
    }
    script.child.wait().unwrap();
}

#[tokio::test]
async fn processes_of_an_earlier_run_are_found_and_terminated_by_their_marker() {
    let marker = Marker {
        name: "ATTEMPT".to_owned(),
        value: format!("attempt-{}", std::process::id()),
    };
    let script = "setsid sh -c 'echo $$; sleep 1000' & wait";
    let (mut script, tree) = Script::start_in_tree(script, marker.clone(), Orphans::Recognised);
    let elsewhere = script.printed_process();
    let Marker { name, value } = &marker;

    let found = find_by_environment(name, value).unwrap();
    assert!(
        found.contains(&elsewhere) && found.contains(&tree.root()),
        "{found:?}"
    );
    assert_eq!(find_by_environment(name, &value[..value.len() - 1]).unwrap(), []);
    assert_eq!(find_by_environment("ATTEMP", value).unwrap(), []);

    let survivors = process_tree::terminate_marked(name, value, SHORT).await.unwrap();
    assert_eq!(survivors, []);
    assert!(!elsewhere.is_alive().unwrap());
    script.child.wait().unwrap();
}
