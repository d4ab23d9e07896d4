//! Which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// IANA's registry of special-purpose addresses, with the documentation networks and multicast.
const NOT_PUBLIC_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// Only global unicast (`2000::/3`) is public, without these.
const NOT_PUBLIC_V6: [Ipv6Net; 3] = [
    // Protocol assignments, with Teredo.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
/// Where clouds have their metadata: link-local addresses, and those of Azure, Alibaba and AWS.
const METADATA_V4: [Ipv4Net; 3] = [
    v4(169, 254, 0, 0, 16),
    v4(168, 63, 129, 16, 32),
    v4(100, 100, 100, 200, 32),
];
const METADATA_V6: [Ipv6Net; 2] = [
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
];

/// Whether a tunnel may lead to `address`: a public one, or one of `private_networks`. Metadata of clouds is never reached.
pub(super) fn may_be_reached(address: IpAddr, private_networks: &[IpNet]) -> bool {
    let address = plain(address);
    if is_metadata(address) {
        return false;
    }
    is_public(address) || private_networks.iter().any(|network| network.contains(&address))
}

fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => METADATA_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => METADATA_V6.iter().any(|network| network.contains(&address)),
    }
}

/// The IPv4 address that an IPv6 address stands for.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let [.., g, h] = v6.segments();
    let low = Ipv4Addr::from((u32::from(g) << 16) | u32::from(h));
    if let Some(mapped) = v6.to_ipv4_mapped() {
        return mapped.into();
    }
    if NAT64.contains(&v6) {
        return low.into();
    }
    if SIX_TO_FOUR.contains(&v6) {
        let [_, b, c, ..] = v6.segments();
        return Ipv4Addr::from((u32::from(b) << 16) | u32::from(c)).into();
    }
    address
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_UNICAST.contains(&address)
                && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(address: &str, private_networks: &[&str]) -> bool {
        let networks: Vec<IpNet> = private_networks
            .iter()
            .map(|network| network.parse().unwrap())
            .collect();
        may_be_reached(address.parse().unwrap(), &networks)
    }

    // docs/attacks.md, row 22.
    #[test]
    fn only_public_addresses_are_reached() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.65.7",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
        ] {
            assert!(!reached(address, &[]), "{address}");
        }
        for address in [
            "1.1.1.1",
            "172.15.255.255",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(reached(address, &[]), "{address}");
        }
    }

    #[test]
    fn a_private_network_may_be_named_but_no_metadata() {
        assert!(reached("10.1.2.3", &["10.1.0.0/16"]));
        assert!(reached("::ffff:10.1.2.3", &["10.1.0.0/16"]));
        assert!(!reached("10.2.2.3", &["10.1.0.0/16"]));
        let everything = ["0.0.0.0/0", "::/0"];
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "168.63.129.16",
            "fe80::1",
            "fd00:ec2::254",
        ] {
            assert!(!reached(address, &everything), "{address}");
        }
    }
}
