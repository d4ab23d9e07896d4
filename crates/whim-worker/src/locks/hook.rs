//! The program that the agent's harness runs before each edit (`ralph run --pre-edit-hook`).

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ralph_contract::pre_edit::{EDIT_ALLOWED, EDIT_REFUSED, PreEdit};

use super::protocol::{LockDecision, LockRequest, MAX_LINE_BYTES, SOCKET};

/// The name of the subcommand.
pub const SUBCOMMAND: &str = "lock-before-edit";

/// The harness makes the edit after this exit code, too.
const HOOK_FAILED: u8 = 1;

/// The harness passes the new text of the file along.
const MAX_INPUT_BYTES: u64 = 256 * 1024 * 1024;

/// The command line of the hook for the server's socket in `directory`.
///
/// # Errors
/// The path of this program cannot be determined.
pub fn command(directory: &Path, timeout: Duration) -> io::Result<Vec<OsString>> {
    Ok(vec![
        std::env::current_exe()?.into(),
        SUBCOMMAND.into(),
        directory.into(),
        timeout.as_secs_f64().to_string().into(),
    ])
}

/// Requests the lock of the file named on standard input. Prints the reason to standard error unless the edit is allowed.
pub fn lock_before_edit(directory: &Path, timeout: Duration) -> ExitCode {
    let (code, message) = match request(directory, timeout) {
        Ok(LockDecision::Allowed) => return ExitCode::from(EDIT_ALLOWED),
        Ok(LockDecision::Denied { reason }) => (EDIT_REFUSED, reason),
        Err(error) => (HOOK_FAILED, format!("the edit is made without a lock: {error:#}")),
    };
    // If standard error is closed, the exit code remains.
    writeln!(io::stderr(), "{message}").ok();
    ExitCode::from(code)
}

fn request(directory: &Path, timeout: Duration) -> anyhow::Result<LockDecision> {
    let mut json = Vec::new();
    io::stdin()
        .take(MAX_INPUT_BYTES)
        .read_to_end(&mut json)
        .context("reading the edit from standard input")?;
    let edit = PreEdit::parse(&json).context("parsing the edit")?;
    let path = edit.path();
    let Some(path) = path.to_str() else {
        bail!("the file name is not UTF-8");
    };
    let mut line = serde_json::to_vec(&LockRequest {
        path: path.to_owned(),
    })?;
    line.push(b'\n');

    let handle = File::open(directory).context("opening the directory of the worker's socket")?;
    // The path of a socket is limited to 107 bytes, which a deep directory exceeds.
    let short = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    let mut connection = UnixStream::connect(short.join(SOCKET)).context("connecting to the worker")?;
    connection.set_read_timeout(Some(timeout))?;
    connection
        .write_all(&line)
        .context("sending the request to the worker")?;
    let mut answer = Vec::new();
    BufReader::new(connection.take(MAX_LINE_BYTES))
        .read_until(b'\n', &mut answer)
        .context("waiting for the worker's decision")?;
    serde_json::from_slice(&answer).context("parsing the worker's decision")
}
