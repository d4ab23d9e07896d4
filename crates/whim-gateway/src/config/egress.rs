//! Settings of the proxy.

use ipnet::IpNet;
use whim_service::environment::{Environment, Expected, one_of};

use crate::hosts::AllowedHost;

#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// `EGRESS`.
    pub(crate) policy: EgressPolicy,
    /// `EGRESS_ALLOW`, with groups as their hosts.
    pub(crate) allowed: Vec<AllowedHost>,
    /// `EGRESS_PRIVATE_NETWORKS`: networks of this list may be reached, although they are not public.
    pub(crate) private_networks: Vec<IpNet>,
}

/// What may be reached besides the hosts of `EGRESS_ALLOW`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EgressPolicy {
    /// Package registries of the usual ecosystems.
    Registries,
    Nothing,
    /// Every public address.
    Open,
}

impl EgressConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        let policy = env.or_default(
            "EGRESS",
            EgressPolicy::Registries,
            one_of(&[
                ("registries", EgressPolicy::Registries),
                ("nothing", EgressPolicy::Nothing),
                ("open", EgressPolicy::Open),
            ]),
        );
        let allowed = env.list("EGRESS_ALLOW", allowed());
        let private_networks = env.list("EGRESS_PRIVATE_NETWORKS", network());
        Self {
            policy,
            allowed: allowed.into_iter().flatten().collect(),
            private_networks,
        }
    }
}

fn allowed() -> Expected<Vec<AllowedHost>> {
    Expected::new(
        "a host such as example.org or *.example.org, with :port if it is not 443, or a group of registries: npm, pypi, \
         crates, go, maven, rubygems, packagist, nuget, debian, ubuntu or alpine",
        AllowedHost::parse_or_group,
        |hosts| {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            hosts.join(",")
        },
    )
}

fn network() -> Expected<IpNet> {
    Expected::new(
        "a network such as 10.1.0.0/16",
        |raw| raw.parse().ok(),
        IpNet::to_string,
    )
}
