//! Environment variables of the machine that agents, compilers and package managers need.
//!
//! Child processes get a cleared environment. Of this process's environment they get at most these variables, none of
//! which holds a secret of Whim's.

/// Paths on this machine: certificates and toolchains. They are meaningless in a container.
pub const PATH_VARIABLES: [&str; 12] = [
    "CARGO_HOME",
    "GIT_SSL_CAINFO",
    "GOPATH",
    "GOROOT",
    "JAVA_HOME",
    "NODE_EXTRA_CA_CERTS",
    "NVM_DIR",
    "PIP_CERT",
    "PYENV_ROOT",
    "RUSTUP_HOME",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// Values that hold in a container as well: language, time zone, proxies, versions.
pub const VALUE_VARIABLES: [&str; 11] = [
    "GOPROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_ALL",
    "NO_PROXY",
    "RUSTUP_TOOLCHAIN",
    "TZ",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The proxies among [`VALUE_VARIABLES`]; programs differ in the case that they read.
pub const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "http_proxy", "https_proxy"];

/// The hosts that are reached without a proxy.
pub const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Toolchain managers that use a directory below the home directory unless a variable names another one, as
/// (variable, directory). A child process with a home directory of its own needs the variable to find it.
pub const HOME_DIRECTORIES: [(&str, &str); 2] = [("PYENV_ROOT", ".pyenv"), ("RUSTUP_HOME", ".rustup")];

/// The names of all [`PATH_VARIABLES`] and [`VALUE_VARIABLES`].
pub fn variables() -> impl Iterator<Item = &'static str> {
    PATH_VARIABLES.into_iter().chain(VALUE_VARIABLES)
}
