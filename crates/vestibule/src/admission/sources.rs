use super::rate::{Pace, Rate};
use super::refusal::RefusalReason;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

/// How many places of the table are looked at for each newcomer, to forget those that nobody needs.
const SWEPT: usize = 2;

/// What one source may do, and what a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceLimits {
    pub(crate) connections: Option<u32>,
    pub(crate) rate: Option<Rate>,
    pub(crate) prefixes: (u8, u8),
    pub(crate) remembered: usize,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self { connections: None, rate: None, prefixes: (32, 64), remembered: 1 << 16 }
    }
}

impl SourceLimits {
    pub(crate) fn is_limited(&self) -> bool {
        self.connections.is_some() || self.rate.is_some()
    }

    /// The source that an address belongs to: its leading bits.
    pub(super) fn source(&self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefixes.0)).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefixes.1)).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        }
    }
}

/// What is known of the sources of one server: how many connections each has open, and how far its rate is used up.
///
/// A source is known while it has a connection open or its rate is not free again. Nobody new is remembered while as many
/// rest as the limits say, so no more are known than those and twice as many as ever had connections open at once. The hash is keyed, so nobody can choose addresses that collide.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    places: HashMap<IpAddr, usize>,
    known: Vec<Option<Source>>,
    free: Vec<usize>,
    /// How many of the known have no connection open.
    resting: usize,
    /// The place that is looked at next.
    hand: usize,
    /// The rate of all that there was no room to remember.
    crowd: Pace,
}

#[derive(Debug)]
struct Source {
    address: IpAddr,
    open: u32,
    pace: Pace,
    /// There was no room to remember its rate: it shares that of the crowd.
    crowded: bool,
}

impl Sources {
    /// Takes a place for a source, or tells why it gets none.
    pub(super) fn take(
        &mut self,
        source: IpAddr,
        limits: &SourceLimits,
        now: Instant,
    ) -> Result<(), RefusalReason> {
        self.sweep(now);
        let known = self.places.get(&source).and_then(|at| self.known.get(*at)?.as_ref());
        let no_room = limits.rate.is_some() && self.resting >= limits.remembered;
        let (open, own, crowded) =
            known.map_or((0, Pace::default(), no_room), |known| (known.open, known.pace, known.crowded));
        if limits.connections.is_some_and(|most| open >= most) {
            return Err(RefusalReason::TooManyOfSource);
        }
        let mut pace = if crowded { self.crowd } else { own };
        if let Some(rate) = limits.rate {
            if pace.available(rate, now) == 0 {
                return Err(RefusalReason::SourceTooFast);
            }
            pace.spend(rate, now);
        }
        let at = self.place(source, crowded);
        if crowded {
            self.crowd = pace;
        }
        if let Some(Some(known)) = self.known.get_mut(at) {
            known.open += 1;
            known.pace = if crowded { own } else { pace };
            self.resting -= usize::from(open == 0);
        }
        Ok(())
    }

    /// Another rate from now on.
    pub(super) fn change_rate(&mut self, from: Rate, to: Rate, now: Instant) {
        self.crowd.convert(from, to, now);
        for known in self.known.iter_mut().flatten() {
            known.pace.convert(from, to, now);
        }
    }

    /// A connection of a source has ended.
    pub(super) fn give_back(&mut self, source: IpAddr) {
        let Some(at) = self.places.get(&source).copied() else { return };
        let Some(Some(known)) = self.known.get_mut(at) else { return };
        known.open = known.open.saturating_sub(1);
        if known.open == 0 {
            let needless = known.pace == Pace::default();
            self.resting += 1;
            if needless {
                self.forget(at);
            }
        }
    }

    /// Where a source stands; a new one rests at first.
    fn place(&mut self, source: IpAddr, crowded: bool) -> usize {
        if let Some(at) = self.places.get(&source) {
            return *at;
        }
        let known = Some(Source { address: source, open: 0, pace: Pace::default(), crowded });
        let at = self.free.pop().unwrap_or(self.known.len());
        match self.known.get_mut(at) {
            Some(place) => *place = known,
            None => self.known.push(known),
        }
        self.places.insert(source, at);
        self.resting += 1;
        at
    }

    /// Looks at a few places, and forgets whose rate is free again.
    fn sweep(&mut self, now: Instant) {
        for _ in 0..SWEPT.min(self.known.len()) {
            self.hand = (self.hand + 1) % self.known.len();
            let known = self.known.get(self.hand).and_then(Option::as_ref);
            if known.is_some_and(|known| known.open == 0 && known.pace.is_free(now)) {
                self.forget(self.hand);
            }
        }
    }

    fn forget(&mut self, at: usize) {
        if let Some(forgotten) = self.known.get_mut(at).and_then(Option::take) {
            self.places.remove(&forgotten.address);
            self.free.push(at);
            self.resting -= 1;
        }
    }

    /// How many sources are known.
    #[cfg(any(test, fuzzing))]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}
