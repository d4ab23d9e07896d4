//! Counts by peer in fixed windows, to slow down those that guess credentials.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Peers that are counted separately; further ones share one account.
const MAX_PEERS: usize = 1024;

/// Counts of the current windows, by peer.
///
/// The window of a peer starts with its first count. The addresses of one IPv6 /64 network are one peer, because its holder
/// usually has all of them.
#[derive(Debug)]
pub struct Throttle {
    window: Duration,
    by_peer: HashMap<IpAddr, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    since: Instant,
    number: u32,
}

/// The position of an occurrence in the window of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// From 1.
    pub number: u32,
    /// Time to the end of the window.
    pub window_left: Duration,
}

impl Throttle {
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            by_peer: HashMap::new(),
        }
    }

    /// Counts one occurrence.
    pub fn count(&mut self, peer: IpAddr, now: Instant) -> Count {
        let window = self.window;
        let current = |account: &Account| now.saturating_duration_since(account.since) < window;
        let mut peer = network_of(peer);
        if !self.by_peer.contains_key(&peer) && self.by_peer.len() >= MAX_PEERS {
            self.by_peer.retain(|_, account| current(account));
            if self.by_peer.len() >= MAX_PEERS {
                peer = Ipv6Addr::UNSPECIFIED.into();
            }
        }
        let new = Account {
            since: now,
            number: 0,
        };
        let account = self.by_peer.entry(peer).or_insert(new);
        if !current(account) {
            *account = new;
        }
        account.number = account.number.saturating_add(1);
        Count {
            number: account.number,
            window_left: window.saturating_sub(now.saturating_duration_since(account.since)),
        }
    }

    /// Takes one occurrence back that turned out to be legitimate.
    pub fn take_back(&mut self, peer: IpAddr) {
        if let Some(account) = self.by_peer.get_mut(&network_of(peer)) {
            account.number = account.number.saturating_sub(1);
        }
    }
}

fn network_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn numbered(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn peers_are_counted_separately_until_their_window_ends() {
        let (mut throttle, begin) = (Throttle::new(WINDOW), Instant::now());
        for number in 1..=3 {
            assert_eq!(throttle.count(numbered(1), begin).number, number);
        }
        let later = begin + Duration::from_secs(20);
        let expected = Count {
            number: 4,
            window_left: Duration::from_secs(40),
        };
        assert_eq!(throttle.count(numbered(1), later), expected);
        assert_eq!(throttle.count(numbered(2), later).number, 1);
        assert_eq!(throttle.count(numbered(1), begin + WINDOW).number, 1);
    }

    #[test]
    fn what_is_taken_back_does_not_count() {
        let (mut throttle, begin) = (Throttle::new(WINDOW), Instant::now());
        throttle.count(numbered(1), begin);
        throttle.take_back(numbered(1));
        throttle.take_back(numbered(1));
        throttle.take_back(numbered(2));
        assert_eq!(throttle.count(numbered(1), begin).number, 1);
    }

    #[test]
    fn the_number_of_accounts_is_bounded() {
        let (mut throttle, begin) = (Throttle::new(WINDOW), Instant::now());
        for number in 0..3_000 {
            throttle.count(numbered(number), begin);
        }
        assert!(throttle.by_peer.len() <= MAX_PEERS + 1);
        assert!(throttle.count(numbered(100_001), begin).number > 1);
        assert_eq!(throttle.count(numbered(100_001), begin + WINDOW).number, 1);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one_peer() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
