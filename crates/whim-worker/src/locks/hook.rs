//! The program that an agent's harness runs before each edit (`ralph run --pre-edit-hook`): asks the worker.

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

use super::{Answer, MAX_LINE_BYTES, Question, SOCKET};

/// The name of the subcommand.
pub const SUBCOMMAND: &str = "ask-before-edit";

/// After this code the edit goes ahead.
const HOOK_FAILED: u8 = 1;

/// The question has the new text of the file in it.
const MAX_QUESTION_BYTES: u64 = 256 * 1024 * 1024;

/// The command that asks at the desk in `directory`, and takes at most `limit`.
///
/// # Errors
/// This program does not know where it is.
pub fn command(directory: &Path, limit: Duration) -> io::Result<Vec<OsString>> {
    Ok(vec![
        std::env::current_exe()?.into(),
        SUBCOMMAND.into(),
        directory.into(),
        limit.as_secs_f64().to_string().into(),
    ])
}

/// Asks at the desk in `directory` for the file that standard input names, and says what came of it.
pub fn ask_before_edit(directory: &Path, limit: Duration) -> ExitCode {
    let (code, words) = match ask(directory, limit) {
        Ok(Answer::GoAhead) => return ExitCode::from(EDIT_ALLOWED),
        Ok(Answer::Refused { reason }) => (EDIT_REFUSED, reason),
        Err(error) => (
            HOOK_FAILED,
            format!("the edit goes ahead without a lock: {error:#}"),
        ),
    };
    // Without an output there is nobody to tell; the code says the same.
    let _told = writeln!(io::stderr(), "{words}");
    ExitCode::from(code)
}

fn ask(directory: &Path, limit: Duration) -> anyhow::Result<Answer> {
    let mut json = Vec::new();
    io::stdin()
        .take(MAX_QUESTION_BYTES)
        .read_to_end(&mut json)
        .context("reading what is to be edited")?;
    let edit = PreEdit::parse(&json).context("reading what is to be edited")?;
    let path = edit.path();
    let Some(path) = path.to_str() else {
        bail!("the file's name is not UTF-8");
    };
    let mut line = serde_json::to_vec(&Question {
        path: path.to_owned(),
    })?;
    line.push(b'\n');

    let handle = File::open(directory).context("finding the worker")?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    let mut connection = UnixStream::connect(short.join(SOCKET)).context("reaching the worker")?;
    connection.set_read_timeout(Some(limit))?;
    connection.write_all(&line).context("asking the worker")?;
    let mut answer = Vec::new();
    BufReader::new(connection.take(MAX_LINE_BYTES))
        .read_until(b'\n', &mut answer)
        .context("waiting for the worker's answer")?;
    serde_json::from_slice(&answer).context("understanding the worker's answer")
}
