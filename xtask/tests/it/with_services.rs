use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running `with-services` and what its command prints.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

fn start(script: &str) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["with-services", "--", "sh", "-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    Running { child, output }
}

impl Running {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The rest of the output, and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

/// Host and port of a URL such as `redis://127.0.0.1:1234/`.
fn address(url: &str) -> String {
    let authority = url.split("//").nth(1).unwrap().split('/').next().unwrap();
    authority.rsplit('@').next().unwrap().to_owned()
}

#[test]
fn a_command_finds_both_servers_and_its_exit_code_is_passed_on() {
    let mut running = start("echo $DATABASE_URL; echo $REDIS_URL; read reply; exit 7");
    let servers = [running.line(), running.line()].map(|url| address(&url));
    let (_, code) = running.end();

    assert_eq!(code, Some(7));
    for server in servers {
        TcpStream::connect(&server).map(|_| ()).unwrap_err();
    }
}

#[test]
fn an_interrupt_reaches_the_command_once_and_the_servers_end_after_it() {
    let script = "trap 'echo interrupted; exit 9' INT; echo $REDIS_URL; while :; do sleep 0.05; done";
    let mut running = start(script);
    let redis = address(&running.line());
    TcpStream::connect(&redis).unwrap();

    kill_process(Pid::from_child(&running.child), Signal::INT).unwrap();

    assert_eq!(running.end(), ("interrupted\n".to_owned(), Some(9)));
    TcpStream::connect(&redis).map(|_| ()).unwrap_err();
}
