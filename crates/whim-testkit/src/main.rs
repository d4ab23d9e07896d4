//! Stand-ins for GitHub and the model API, and test worlds with real databases and real git.

fn main() {}
