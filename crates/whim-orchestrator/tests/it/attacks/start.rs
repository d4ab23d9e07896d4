//! docs/attacks.md, row 28: without a key only loopback is served.

use std::process::Stdio;

use whim_orchestrator::config::Config;
use whim_service::environment::Environment;

use crate::workers::orchestrator_program;

const NEEDED: [(&str, &str); 2] = [("GITHUB_TOKEN", "a-token"), ("ANTHROPIC_API_KEY", "a-key")];

fn started(address: &str, key: Option<&str>) -> Result<(), String> {
    let settings = [("BIND_ADDRESS", address)]
        .into_iter()
        .chain(key.map(|key| ("API_KEY", key)))
        .chain(NEEDED);
    match Config::from_environment(Environment::from_pairs(settings)) {
        Ok(_configured) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn without_a_key_only_loopback_addresses_are_allowed() {
    let loopback = ["127.0.0.1", "127.1.2.3", "::1"];
    let open = [
        "0.0.0.0",
        "::",
        "192.168.0.7",
        "10.0.0.1",
        "172.17.0.1",
        "169.254.169.254",
        "203.0.113.9",
        "fe80::1",
        "2001:db8::1",
        "::ffff:192.168.0.7",
    ];
    for address in loopback {
        started(address, None).unwrap();
        started(address, Some("a-key-of-some-length")).unwrap();
    }
    for address in open {
        // A blank key counts as none.
        for no_key in [None, Some("")] {
            let text = started(address, no_key).unwrap_err();
            assert!(
                text.contains("BIND_ADDRESS") && text.contains("set API_KEY"),
                "{text}"
            );
        }
        started(address, Some("a-key-of-some-length")).unwrap();
    }
    // A host name may resolve to another address later.
    for name in ["localhost", "example.org", "127.0.0.1:3002", "0"] {
        started(name, Some("a-key-of-some-length")).unwrap_err();
    }
}

#[test]
fn without_a_key_the_program_refuses_a_public_address_and_names_the_setting() {
    let output = std::process::Command::new(orchestrator_program())
        .env_clear()
        .envs(NEEDED)
        .env("BIND_ADDRESS", "0.0.0.0")
        .stdin(Stdio::null())
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("BIND_ADDRESS is 0.0.0.0") && text.contains("set API_KEY"),
        "{text}"
    );
}
