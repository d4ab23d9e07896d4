//! Settings of the terminal.

use std::io;

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// While it exists, the terminal of standard error does not show control characters such as `^C`. One that is shown at the
/// end of the spinner's line moves the cursor to the next line, and the spinner could not be erased any more.
pub(super) struct HiddenControlCharacters {
    original: Termios,
}

impl HiddenControlCharacters {
    /// `None` if standard error is not the terminal of this process, or this process runs in the background.
    pub(super) fn new() -> Option<Self> {
        let original = is_foreground().then(|| tcgetattr(io::stderr()).ok())??;
        let mut settings = original.clone();
        settings.local_modes.remove(LocalModes::ECHOCTL);
        set(&settings)?;
        Some(Self { original })
    }
}

impl Drop for HiddenControlCharacters {
    fn drop(&mut self) {
        if is_foreground() {
            set(&self.original);
        }
    }
}

fn set(settings: &Termios) -> Option<()> {
    tcsetattr(io::stderr(), OptionalActions::Now, settings).ok()
}

/// Changing the settings would suspend a process in the background.
fn is_foreground() -> bool {
    tcgetpgrp(io::stderr()).is_ok_and(|group| group == getpgrp())
}
