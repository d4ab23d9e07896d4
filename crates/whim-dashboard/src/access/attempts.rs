//! Limits of login attempts, per peer and in all.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use whim_service::throttle::Throttle;

const WINDOW: Duration = Duration::from_mins(10);
const MAX_PER_PEER: u32 = 10;
/// Bounds guessing from many addresses, and the time that is spent on hashes.
const MAX_IN_ALL: u32 = 100;

const EVERYONE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[derive(Debug)]
pub(super) struct Attempts(RwLock<Counts>);

#[derive(Debug)]
struct Counts {
    by_peer: Throttle,
    in_all: Throttle,
}

/// A refused attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) retry_after: Duration,
}

impl Default for Attempts {
    fn default() -> Self {
        Self(RwLock::new(Counts {
            by_peer: Throttle::new(WINDOW),
            in_all: Throttle::new(WINDOW),
        }))
    }
}

impl Attempts {
    /// Counts an attempt.
    ///
    /// # Errors
    /// The peer, or all peers together, made too many.
    pub(super) fn begin(&self, peer: IpAddr, now: Instant) -> Result<(), TooMany> {
        let mut counts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let of_peer = counts.by_peer.count(peer, now);
        if of_peer.number > MAX_PER_PEER {
            return Err(TooMany {
                retry_after: of_peer.window_left,
            });
        }
        // A peer that is refused uses up nothing of the others.
        let in_all = counts.in_all.count(EVERYONE, now);
        if in_all.number > MAX_IN_ALL {
            return Err(TooMany {
                retry_after: in_all.window_left,
            });
        }
        Ok(())
    }

    /// The attempt was made with the password.
    pub(super) fn succeeded(&self, peer: IpAddr) {
        let mut counts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        counts.by_peer.take_back(peer);
        counts.in_all.take_back(EVERYONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    #[test]
    fn a_peer_has_ten_attempts_in_ten_minutes_and_others_have_their_own() {
        let (attempts, begin) = (Attempts::default(), Instant::now());
        for _ in 0..MAX_PER_PEER {
            assert_eq!(attempts.begin(peer(1), begin), Ok(()));
        }
        let later = begin + Duration::from_mins(4);
        let retry_after = Duration::from_mins(6);
        assert_eq!(attempts.begin(peer(1), later), Err(TooMany { retry_after }));
        assert_eq!(attempts.begin(peer(2), later), Ok(()));
        assert_eq!(attempts.begin(peer(1), begin + WINDOW), Ok(()));
    }

    #[test]
    fn guesses_from_many_addresses_are_limited_in_all() {
        let (attempts, begin) = (Attempts::default(), Instant::now());
        for number in 0..MAX_IN_ALL {
            assert_eq!(attempts.begin(peer(number), begin), Ok(()));
        }
        assert_eq!(
            attempts.begin(peer(MAX_IN_ALL), begin),
            Err(TooMany { retry_after: WINDOW })
        );
        assert_eq!(attempts.begin(peer(MAX_IN_ALL), begin + WINDOW), Ok(()));
    }

    #[test]
    fn attempts_with_the_password_are_not_limited() {
        let (attempts, begin) = (Attempts::default(), Instant::now());
        for _ in 0..2 * MAX_IN_ALL {
            assert_eq!(attempts.begin(peer(1), begin), Ok(()));
            attempts.succeeded(peer(1));
        }
    }

    #[test]
    fn a_peer_that_is_refused_uses_up_nothing_of_the_others() {
        let (attempts, begin) = (Attempts::default(), Instant::now());
        for _ in 0..10 * MAX_IN_ALL {
            attempts.begin(peer(1), begin).ok();
        }
        assert_eq!(attempts.begin(peer(2), begin), Ok(()));
    }
}
