use rustix::io::Errno;
use std::collections::BTreeMap;

/// What is to go wrong on a network, and what was done on it so far.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) accepts: Calls,
    pub(super) receives: Calls,
    pub(super) sends: Calls,
    /// How many connections may still be accepted before a descriptor is released.
    pub(super) descriptors: Option<usize>,
    /// How many bytes one send takes at most.
    pub(super) longest_send: Option<usize>,
}

/// The calls of one kind, of which some are to fail.
#[derive(Debug, Default)]
pub(super) struct Calls {
    made: u64,
    failures: BTreeMap<u64, Errno>,
}

impl Calls {
    /// A call is made; how it is to fail, if it is.
    pub(super) fn make(&mut self) -> Result<(), Errno> {
        self.made += 1;
        self.failures.remove(&self.made).map_or(Ok(()), Err)
    }

    /// The same for a call that is made again when a signal has interrupted it.
    pub(super) fn make_again(&mut self) -> Result<(), Errno> {
        loop {
            match self.make() {
                Err(Errno::INTR) => {}
                result => return result,
            }
        }
    }

    pub(super) fn forgive(&mut self) {
        self.failures.clear();
    }

    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// The n-th call from the beginning of the network fails; the first is 1.
    pub(super) fn fail(&mut self, nth: u64, raw_os_error: i32) {
        let known = (1..4096).contains(&raw_os_error); // no system has others
        self.failures.insert(nth, if known { Errno::from_raw_os_error(raw_os_error) } else { Errno::IO });
    }
}
