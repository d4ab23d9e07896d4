//! Recognises that a package manager could not reach its registry, from its output.
//!
//! Only network failures count: a package that does not exist, a rejected credential and a broken lock file are not among
//! them. The output is untrusted, so it is confirmed on the base before it has an effect.

use std::sync::LazyLock;

use regex::Regex;

use crate::text::shorten;

const MAX_LINE_CHARACTERS: usize = 300;

/// Alternatives of one expression; each matches within a line.
const SIGNS: [&str; 20] = [
    // npm
    r"npm (?:error|ERR!) code (?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|EPROTO|UNABLE_TO_\w+|SELF_SIGNED_CERT_IN_CHAIN|E407|E5\d\d)\b",
    // Yarn 1
    r"^error (?:Error: |An unexpected error occurred: .*)?(?:getaddrinfo|connect|read|tunneling socket) ?.*E[A-Z]{4,}",
    r"There appears to be trouble with your network connection",
    // Yarn 2 and newer
    r"RequestError: (?:getaddrinfo|connect|read|Timeout|tunneling socket)",
    // pnpm
    r"ERR_PNPM_(?:META_FETCH_FAIL|FETCH_5\d\d|[A-Z_]*NETWORK_ERROR)",
    // corepack
    r"Error when performing the request to |Server answered with HTTP 5\d\d when performing the request",
    // bun
    r"error: (?:ConnectionRefused|ConnectionClosed|ConnectionReset|FailedToOpenSocket|DNS\w*|Timeout) downloading",
    // pip
    r"after connection broken by |HTTP error 5\d\d while getting",
    // uv, Deno and other users of reqwest
    r"error sending request for url|client error \(Connect\)|dns error: ",
    // Poetry
    r"All attempts to connect to .+ failed",
    // Cargo: codes of curl
    r"^\s*\[(?:5|6|7|16|18|28|35|52|55|56)\] (?:Could ?n.t|Timeout was|SSL connect|Fail|Server returned|Error in the HTTP|Transferred a)|spurious network error",
    // Go
    r"^(?:go: |\S+@v\S+: ).*(?:dial tcp|TLS handshake timeout|proxyconnect tcp).*(?:no such host|refused|timeout|unreachable|misbehaving|reset)",
    // Maven
    r"Could not transfer (?:artifact|metadata) .*(?:failed: Connection|Connect to .* failed|Unknown host|timed out|Connection re|No route|Name or service|Temporary failure|status: 5\d\d)",
    // Gradle, and its wrapper
    r"Could not (?:GET|HEAD) '[^']*'\.(?: Received status code 5\d\d|\s*$)",
    r"java\.net\.UnknownHostException: \S*gradle|Could not install Gradle distribution",
    // Bundler
    r"Could not reach host |Network error while fetching|Bundler::HTTPError Could not fetch specs",
    // Composer: codes of curl
    r"curl error (?:5|6|7|16|28|35|52|56) while downloading",
    // NuGet
    r"error NU1301: ",
    // Hex
    r"\{:?failed_connect",
    // git
    r"fatal: unable to access '[^']+': (?:Could not resolve|Failed to connect|Couldn't connect|Connection timed out|Recv failure)",
];

static UNREACHABLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("(?m)(?:{})", SIGNS.join(")|(?:"))).ok());

/// The line that shows it; `None` if the output shows no network failure of a package manager.
pub(super) fn unreachable_registry(output: &str) -> Option<String> {
    let found = UNREACHABLE.as_ref()?.find(output)?;
    let start = output[..found.start()].rfind('\n').map_or(0, |end| end + 1);
    let line = output[start..].trim_start().lines().next()?;
    Some(shorten(line.trim(), MAX_LINE_CHARACTERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from the named versions; the others, without a version, are from their documentation or source.
    #[test]
    fn a_registry_that_cannot_be_reached_is_recognised() {
        for (manager, output, line) in [
            (
                "npm 11.19.1",
                "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error FetchError: request to http://127.0.0.1:9/left-pad failed, reason: connect ECONNREFUSED 127.0.0.1:9\n",
                "npm error code ECONNREFUSED",
            ),
            (
                "npm 11.19.1",
                "npm error code ENOTFOUND\nnpm error network request to http://registry.invalid/left-pad failed, reason: getaddrinfo ENOTFOUND registry.invalid\n",
                "npm error code ENOTFOUND",
            ),
            (
                "yarn 1.22.22",
                "[1/4] Resolving packages...\nerror Error: connect ECONNREFUSED 127.0.0.1:9\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)\n",
                "error Error: connect ECONNREFUSED 127.0.0.1:9",
            ),
            (
                "yarn 1.22.22",
                "info There appears to be trouble with your network connection. Retrying...\nerror Error: getaddrinfo ENOTFOUND registry.invalid\n",
                "info There appears to be trouble with your network connection. Retrying...",
            ),
            (
                "yarn 4.18.1",
                "➤ YN0000: ┌ Resolution step\n➤ YN0001: │ RequestError: getaddrinfo ENOTFOUND registry.invalid\n    at ClientRequest.<anonymous>\n",
                "➤ YN0001: │ RequestError: getaddrinfo ENOTFOUND registry.invalid",
            ),
            (
                "pnpm 9",
                " ERR_PNPM_META_FETCH_FAIL  GET http://registry.invalid/left-pad: request to http://registry.invalid/left-pad failed, reason: getaddrinfo ENOTFOUND registry.invalid\n",
                "ERR_PNPM_META_FETCH_FAIL  GET http://registry.invalid/left-pad: request to http://registry.invalid/left-pad failed, reason: getaddrinfo ENOTFOUND registry.invalid",
            ),
            (
                "pnpm 12.21.0",
                "Error: ERR_PNPM_RESOLVING_NPM_RESOLVER_NETWORK_ERROR\n\n  × installing dependencies\n",
                "Error: ERR_PNPM_RESOLVING_NPM_RESOLVER_NETWORK_ERROR",
            ),
            (
                "corepack 0.34.6",
                "    throw new Error(\n          ^\n\nError: Error when performing the request to http://127.0.0.1:9/pnpm/9.1.0; for troubleshooting help, see https://github.com/nodejs/corepack#troubleshooting\n",
                "Error: Error when performing the request to http://127.0.0.1:9/pnpm/9.1.0; for troubleshooting help, see https://github.com/nodejs/corepack#troubleshooting",
            ),
            (
                "bun",
                "error: ConnectionRefused downloading package manifest left-pad\n",
                "error: ConnectionRefused downloading package manifest left-pad",
            ),
            (
                "pip 23.2",
                "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError('Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/left-pad/\nERROR: No matching distribution found for left-pad\n",
                "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError('Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/left-pad/",
            ),
            (
                "uv 0.13.9",
                "error: Failed to fetch: http://registry.invalid/simple/requests/\n  cause: error sending request for url (http://registry.invalid/simple/requests/)\n  cause: client error (Connect)\n  cause: dns error\n",
                "cause: error sending request for url (http://registry.invalid/simple/requests/)",
            ),
            (
                "poetry 2.5.1",
                "Resolving dependencies...\n\nAll attempts to connect to registry.invalid failed.\n",
                "All attempts to connect to registry.invalid failed.",
            ),
            (
                "maven 3.8",
                "[ERROR] Could not transfer artifact a:b:pom:2.6 from/to central (http://127.0.0.1:9/m): transfer failed for http://127.0.0.1:9/m/b.pom: Connect to 127.0.0.1:9 [/127.0.0.1] failed: Connection refused -> [Help 1]\n",
                "[ERROR] Could not transfer artifact a:b:pom:2.6 from/to central (http://127.0.0.1:9/m): transfer failed for http://127.0.0.1:9/m/b.pom: Connect to 127.0.0.1:9 [/127.0.0.1] failed: Connection refused -> [Help 1]",
            ),
            (
                "go",
                "go: example.com/x@v1.0.0: Get \"https://proxy.golang.org/example.com/x/@v/v1.0.0.mod\": dial tcp: lookup proxy.golang.org: no such host\n",
                "go: example.com/x@v1.0.0: Get \"https://proxy.golang.org/example.com/x/@v/v1.0.0.mod\": dial tcp: lookup proxy.golang.org: no such host",
            ),
            (
                "gradle",
                "> Could not resolve org.junit:junit:5.\n   > Could not GET 'https://repo.maven.apache.org/maven2/x.pom'.\n      > Connection refused\n",
                "> Could not GET 'https://repo.maven.apache.org/maven2/x.pom'.",
            ),
            (
                "gradle wrapper",
                "Exception in thread \"main\" java.net.UnknownHostException: services.gradle.org\n",
                "Exception in thread \"main\" java.net.UnknownHostException: services.gradle.org",
            ),
            (
                "bundler",
                "Could not reach host rubygems.org. Check your network connection and try again.\n",
                "Could not reach host rubygems.org. Check your network connection and try again.",
            ),
            (
                "composer",
                "  curl error 6 while downloading https://repo.packagist.org/packages.json: Could not resolve host: repo.packagist.org\n",
                "curl error 6 while downloading https://repo.packagist.org/packages.json: Could not resolve host: repo.packagist.org",
            ),
            (
                "dotnet",
                "error NU1301: Unable to load the service index for source https://api.nuget.org/v3/index.json.\n",
                "error NU1301: Unable to load the service index for source https://api.nuget.org/v3/index.json.",
            ),
            (
                "mix",
                "** (Mix) httpc request failed with: {:failed_connect, [{:to_address, {~c\"builds.hex.pm\", 443}}]}\n",
                "** (Mix) httpc request failed with: {:failed_connect, [{:to_address, {~c\"builds.hex.pm\", 443}}]}",
            ),
            (
                "swift",
                "fatal: unable to access 'https://github.com/apple/x/': Could not resolve host: github.com\n",
                "fatal: unable to access 'https://github.com/apple/x/': Could not resolve host: github.com",
            ),
        ] {
            assert_eq!(unreachable_registry(output).as_deref(), Some(line), "{manager}");
        }
    }

    #[test]
    fn other_failures_of_package_managers_are_no_network_failures() {
        for output in [
            "npm error code E404\nnpm error 404 Not Found - GET https://registry.npmjs.org/no-such-thing\n",
            "npm error code EUSAGE\nnpm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.\n",
            "error This project's package.json defines \"packageManager\": \"yarn@4.1.0\". However the current global version of Yarn is 1.22.22.\n",
            " ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with \"frozen-lockfile\"\n",
            "ERROR: No matching distribution found for left-pad\n",
            "error: Multiple top-level packages discovered in a flat-layout: ['a', 'b'].\n",
            "error: no matching package named `no-such-thing` found\n",
            "[ERROR] Could not find artifact a:b:jar:1 in central (https://repo.maven.apache.org/maven2)\n",
            "   > Could not GET 'https://repo.example/x.pom'. Received status code 401 from server: Unauthorized\n",
            "1 failed, 2 passed in 0.1s\n",
            // Of the project's tests.
            "panic: dial tcp 127.0.0.1:5432: connect: connection refused\nFAIL\texample.com/x\t0.01s\n",
            "setup failed: dial tcp 10.0.0.1:6379: i/o timeout\n",
            "[6] the sixth case is red\n",
            "java.net.ConnectException: Connection refused\n\tat com.example.ShopTest.orders(ShopTest.java:12)\n",
            "",
        ] {
            assert_eq!(unreachable_registry(output), None, "{output}");
        }
    }
}
