#![doc = include_str!("../README.md")]

mod identity;
mod subreaper;
mod table;
mod terminate;
mod tree;

pub use rustix::process::Signal;

pub use self::identity::ProcessIdentity;
pub use self::subreaper::{Subreaper, become_subreaper};
pub use self::table::{descendants, find_by_environment};
pub use self::terminate::{Deadlines, Termination, terminate_marked};
pub use self::tree::{Marker, Orphans, Tree};
