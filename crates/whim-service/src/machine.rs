//! Variables of the machine that agents, compilers and package managers need to find their way. Child processes get a
//! cleared environment and, of this one, no more than these; none of them is a secret of Whim's.

/// Name files and directories of this machine: certificates and toolchains. They mean nothing in a container.
pub const PLACES: [&str; 12] = [
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

/// Hold everywhere: language, time zone, proxies, versions.
pub const HABITS: [&str; 11] = [
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

/// Toolchain managers that look below the home directory unless a variable says where they are: a child process with a
/// home of its own would find nothing. The variable, and the directory below the home directory.
pub const BELOW_HOME: [(&str, &str); 2] = [("PYENV_ROOT", ".pyenv"), ("RUSTUP_HOME", ".rustup")];

/// All of [`PLACES`] and [`HABITS`].
pub fn variables() -> impl Iterator<Item = &'static str> {
    PLACES.into_iter().chain(HABITS)
}
