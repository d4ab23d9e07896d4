//! Any program. It reads the prompt from standard input and works in the current directory.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{CommandSpec, Harness, Purpose, VersionRequirement};
use crate::stream::{Decoder, PlainText};

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
            // The caller decides what the program may do; the prompt states the purpose.
            Purpose::Work | Purpose::Answer | Purpose::Review => CommandSpec {
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
