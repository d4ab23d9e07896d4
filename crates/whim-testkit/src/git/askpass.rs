//! A `GIT_ASKPASS` program.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Writes a program for `GIT_ASKPASS` that prints `x-access-token` and the token, as GitHub requires, and returns its
/// path. The token is in a file next to it, so that no text of the caller is part of the script.
///
/// # Errors
/// The directory cannot be written to.
pub fn write_askpass(directory: &Path, token: &str) -> io::Result<PathBuf> {
    const SCRIPT: &str = "#!/bin/sh\n\
        case \"$1\" in\n\
        Username*) echo x-access-token ;;\n\
        *) cat \"${0%/*}/askpass-token\" ;;\n\
        esac\n";
    let program = directory.join("askpass");
    fs::write(directory.join("askpass-token"), format!("{token}\n"))?;
    fs::write(&program, SCRIPT)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o500))?;
    Ok(program)
}
