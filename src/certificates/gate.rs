//! How often anybody may verify without a login: so many a minute for each address.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

/// Addresses that are remembered at once. About 100 bytes each: 1 MB.
const MAX_ADDRESSES: usize = 10_000;
/// When to come back where the addresses themselves are too many.
const CROWDED: Duration = Duration::from_secs(10);
/// An IPv6 customer holds a whole /64: its addresses count as one.
const IPV6_NETWORK: u128 = !0 << 64;

/// Counts verifications by address. Behind a proxy that hides the addresses, all callers share one count.
pub struct Gate<C: Clock = DefaultClock> {
    limiter: RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, C, NoOpMiddleware<C::Instant>>,
    max_addresses: usize,
}

impl Gate {
    /// Lets `per_minute` verifications of each address pass.
    #[must_use]
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self::with_clock(per_minute, MAX_ADDRESSES, DefaultClock::default())
    }
}

impl<C: Clock> Gate<C> {
    pub(super) fn with_clock(per_minute: NonZeroU32, max_addresses: usize, clock: C) -> Self {
        let quota = Quota::per_minute(per_minute);
        let state = DefaultKeyedStateStore::default();
        Self {
            limiter: RateLimiter::new(quota, state, clock),
            max_addresses,
        }
    }

    /// One more from `address`.
    ///
    /// # Errors
    /// How long to wait, where it is one too many, or too many addresses ask.
    pub fn pass(&self, address: IpAddr) -> Result<(), Duration> {
        if self.limiter.len() >= self.max_addresses {
            self.limiter.retain_recent();
            if self.limiter.len() >= self.max_addresses {
                return Err(CROWDED);
            }
        }
        self.limiter
            .check_key(&network(address))
            .map_err(|until| until.wait_time_from(self.limiter.clock().now()))
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn gate(per_minute: u32, max_addresses: usize) -> (Gate<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let per_minute = NonZeroU32::new(per_minute).unwrap();
        (
            Gate::with_clock(per_minute, max_addresses, clock.clone()),
            clock,
        )
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_waits_after_its_share_and_does_not_slow_another() {
        let (gate, clock) = gate(3, 10);
        for _ in 0..3 {
            gate.pass(address("192.0.2.1")).unwrap();
        }
        let wait = gate.pass(address("192.0.2.1")).unwrap_err();
        assert_eq!(wait, Duration::from_secs(20));
        gate.pass(address("192.0.2.2")).unwrap();
        clock.advance(wait);
        gate.pass(address("192.0.2.1")).unwrap();
    }

    #[test]
    fn the_addresses_of_one_network_share_their_count() {
        let (gate, _) = gate(1, 10);
        gate.pass(address("2001:db8:1:2::1")).unwrap();
        assert!(gate.pass(address("2001:db8:1:2:ffff::2")).is_err());
        assert!(gate.pass(address("2001:db8:1:3::1")).is_ok());
        gate.pass(address("192.0.2.1")).unwrap();
        assert!(gate.pass(address("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn the_addresses_remembered_are_bounded_and_forgotten_when_idle() {
        let (gate, clock) = gate(60, 3);
        for host in 1..=3 {
            gate.pass(address(&format!("192.0.2.{host}"))).unwrap();
        }
        assert_eq!(gate.pass(address("192.0.2.4")), Err(CROWDED));
        clock.advance(Duration::from_mins(2));
        gate.pass(address("192.0.2.4")).unwrap();
        assert_eq!(gate.limiter.len(), 1);
    }
}
