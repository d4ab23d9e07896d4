//! Which uptime of this machine, or of the container that this program runs in, it is.

use std::fs;
use std::io;

use whim_service::process::ProcessIdentity;

const INIT_PID: u32 = 1;

/// Identifies the current uptime: another value after each restart of the machine or of the container.
pub(super) fn uptime_id() -> io::Result<String> {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    // A restarted container has the same boot id, and another init. `/proc` may hide init from this user.
    let init = ProcessIdentity::of(INIT_PID)?.map_or(0, |init| init.start_ticks);
    Ok(format!("{}/{init}", boot_id.trim()))
}
