//! What a system is made of.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// What a system is like; further settings go by their names.
#[derive(Debug, Clone)]
pub struct Options {
    /// The repositories that the intake watches.
    pub repositories: Vec<String>,
    /// Settings of the orchestrator and the intake on top of, or instead of, the ones for quick tests.
    pub settings: BTreeMap<&'static str, String>,
    /// The address of this machine at which workers find the stand-ins and the orchestrator.
    pub address: IpAddr,
}

impl Options {
    /// A system that watches these repositories.
    pub fn watching<'a>(repositories: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            repositories: repositories.into_iter().map(str::to_owned).collect(),
            settings: BTreeMap::new(),
            address: Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// The same with workers that find everything at another address of this machine.
    #[must_use]
    pub fn at(self, address: IpAddr) -> Self {
        let options = self.setting("WORKER_BIND_ADDRESS", address.to_string());
        Self { address, ..options }
    }

    /// The same with another setting.
    #[must_use]
    pub fn setting(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.insert(name, value.into());
        self
    }
}
