//! Ports for programs that have to know each other's before they start.

use std::net::{IpAddr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

/// Below the range from which the kernel takes ports for connections and for port 0.
const FIRST: u32 = 12_000;
const COUNT: u32 = 16_000;
/// Ports that are tried first by one process, so that processes with neighbouring identifiers do not compete.
const PER_PROCESS: u32 = 16;

/// A port of `address` that is not in use. Another process chooses the same only if its identifier differs by a multiple of 1000.
pub(super) fn unused_port(address: IpAddr) -> anyhow::Result<u16> {
    static USED: AtomicU32 = AtomicU32::new(0);
    let first = process::id().wrapping_mul(PER_PROCESS);
    (0..COUNT)
        .map(|_| first.wrapping_add(USED.fetch_add(1, Ordering::Relaxed)))
        .filter_map(|number| u16::try_from(FIRST + number % COUNT).ok())
        .find(|port| TcpListener::bind((address, *port)).is_ok())
        .context("every port is in use")
}
