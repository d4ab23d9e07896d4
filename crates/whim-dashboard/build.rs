//! A build that embeds the pages is repeated when they change. Other debug builds read them when the program starts.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_release = std::env::var_os("PROFILE").is_some_and(|profile| profile == "release");
    if is_release || std::env::var_os("CARGO_FEATURE_EMBED").is_some() {
        println!("cargo::rerun-if-changed=../../dashboard/dist");
    }
}
