//! Any program: it gets the prompt on its standard input and works in the current directory.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{CommandSpec, Harness, Purpose, VersionRequirement};
use crate::stream::{Decoder, PlainText};

/// A program of the caller's.
#[derive(Debug)]
pub(crate) struct CommandHarness {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
}

impl Harness for CommandHarness {
    fn name(&self) -> &'static str {
        "command"
    }

    fn version_requirement(&self) -> Option<VersionRequirement> {
        None
    }

    fn command(&self, purpose: Purpose) -> CommandSpec {
        match purpose {
            // What the program may do is the caller's business; the prompt says what is wanted.
            Purpose::Work | Purpose::Answer => CommandSpec {
                program: self.program.clone(),
                arguments: self.arguments.clone(),
                default_environment: Vec::new(),
            },
        }
    }

    fn decoder(&self, _directory: PathBuf) -> Box<dyn Decoder> {
        Box::new(PlainText)
    }

    fn reports_result(&self) -> bool {
        false
    }
}
