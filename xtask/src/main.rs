//! Rules that run.

fn main() {}
