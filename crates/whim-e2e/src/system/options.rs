//! The options of a system.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

#[derive(Debug, Clone)]
pub struct Options {
    /// The repositories that the intake watches.
    pub repositories: Vec<String>,
    /// Settings of the orchestrator and the intake, in addition to the default ones for fast tests or overriding them.
    pub settings: BTreeMap<&'static str, String>,
    /// The address of this machine at which workers reach the fakes and the orchestrator.
    pub address: IpAddr,
}

impl Options {
    /// The intake watches these repositories.
    pub fn watching<'a>(repositories: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            repositories: repositories.into_iter().map(str::to_owned).collect(),
            settings: BTreeMap::new(),
            address: Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// Sets the address at which workers reach this machine.
    #[must_use]
    pub fn at(self, address: IpAddr) -> Self {
        let options = self.setting("WORKER_BIND_ADDRESS", address.to_string());
        Self { address, ..options }
    }

    #[must_use]
    pub fn setting(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.insert(name, value.into());
        self
    }
}
