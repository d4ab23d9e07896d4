use std::time::Duration;

use whim_service::process::{CommandSpec, Ending, ProcessIdentity, run_bounded};

const LONG: Duration = Duration::from_secs(60);

fn shell(script: &str) -> CommandSpec {
    CommandSpec::new("sh")
        .args(["-c", script])
        .env("PATH", "/usr/bin:/bin")
}

#[tokio::test]
async fn output_and_exit_status_are_captured() {
    let finished = run_bounded(&shell("echo out; echo err >&2; exit 3"), LONG, 1000)
        .await
        .unwrap();

    assert!(!finished.is_success());
    assert!(matches!(finished.ending, Ending::Exited(status) if status.code() == Some(3)));
    assert_eq!(
        (finished.stdout.text().as_str(), finished.stderr.text().as_str()),
        ("out\n", "err\n")
    );
    assert_eq!(finished.stdout.complete().unwrap(), b"out\n");
}

#[tokio::test]
async fn of_a_large_output_the_beginning_and_the_end_are_kept() {
    let script = "echo first; i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo last";
    let finished = run_bounded(&shell(script), LONG, 100).await.unwrap();

    let text = finished.stdout.text();
    assert!(finished.is_success());
    assert!(
        text.starts_with("first\n0123456789\n") && text.ends_with("\nlast\n"),
        "{text}"
    );
    assert!(text.contains("[… 219911 bytes omitted …]"), "{text}");
    assert_eq!(
        (finished.stdout.dropped(), finished.stdout.complete()),
        (219_911, None)
    );
}

#[tokio::test]
async fn the_time_limit_ends_the_command_with_all_its_descendants() {
    let script = "setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000";
    let finished = run_bounded(&shell(script), Duration::from_millis(500), 1000)
        .await
        .unwrap();

    assert_eq!(finished.ending, Ending::TimedOut);
    let pid = finished.stdout.text().trim().parse().unwrap();
    let left = ProcessIdentity::of(pid).unwrap();
    assert!(
        left.is_none_or(|process| !process.is_alive().unwrap()),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_background_process_that_holds_the_pipe_does_not_keep_the_call() {
    let finished = run_bounded(&shell("setsid sleep 1000 & echo $!"), LONG, 1000)
        .await
        .unwrap();

    assert!(finished.is_success());
    assert!(finished.elapsed < LONG / 2, "{:?}", finished.elapsed);
    let pid = finished.stdout.text().trim().parse().unwrap();
    assert!(
        ProcessIdentity::of(pid)
            .unwrap()
            .is_none_or(|process| !process.is_alive().unwrap())
    );
}

#[tokio::test]
async fn a_dropped_call_leaves_no_process_behind() {
    let directory = tempfile::tempdir().unwrap();
    let command = shell("echo $$ > pid.new; mv pid.new pid; exec sleep 1000").directory(directory.path());
    let pid_file = directory.path().join("pid");
    let written = async {
        loop {
            if let Ok(pid) = std::fs::read_to_string(&pid_file) {
                return pid.trim().parse().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let pid: u32 = tokio::select! {
        _ = run_bounded(&command, LONG, 1000) => panic!("the command ended"),
        pid = written => pid,
    };
    let process = ProcessIdentity::of(pid).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while process.is_some_and(|process| process.is_alive().unwrap()) {
        assert!(std::time::Instant::now() < deadline, "{process:?} lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn arguments_are_passed_as_they_are() {
    let hostile = "$(touch pwned); `id` \"'\n--option";
    let command = CommandSpec::new("printf")
        .args(["%s", hostile])
        .env("PATH", "/usr/bin:/bin");
    assert_eq!(
        run_bounded(&command, LONG, 1000).await.unwrap().stdout.text(),
        hostile
    );
}

#[tokio::test]
async fn a_command_that_cannot_be_started_is_an_error() {
    let error = run_bounded(&CommandSpec::new("/does/not/exist"), LONG, 1000)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "starting /does/not/exist");
}
