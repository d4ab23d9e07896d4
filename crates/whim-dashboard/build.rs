//! The crate is built again when the pages change: a release build embeds them, and a debug build remembers whether there were
//! any.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../dashboard/dist");
}
