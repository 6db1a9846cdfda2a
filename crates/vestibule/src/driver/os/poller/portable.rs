use super::{END, ERROR, EVENTS, HANGUP, READ, Signs, WRITE};
use polling::{Event, Events, PollMode};
use rustix::io::Errno;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("on this system vestibule needs 64-bit numbers for the events of the polling crate");

/// Unix systems other than Linux: kqueue and its like, through the `polling` crate.
pub(in crate::driver::os) struct Poller {
    system: Rc<polling::Poller>,
    events: Events,
    found: Vec<Event>,
}

impl Poller {
    /// What stands for the loop's waker instead of a token; the crate keeps the number after it for itself.
    pub(in crate::driver::os) const WAKER: u64 = u64::MAX - 1;
    /// What would stand for an alarm.
    pub(in crate::driver::os) const ALARM: u64 = u64::MAX - 2;
    /// Whether the peer's end is told without asking for bytes.
    pub(in crate::driver::os) const TELLS_END_ALONE: bool = false;
    /// Whether closing a descriptor that nobody else holds ends its registration.
    pub(in crate::driver::os) const FORGETS_CLOSED: bool = false;

    pub(in crate::driver::os) fn new() -> io::Result<Self> {
        let system = Rc::new(polling::Poller::new()?);
        if !system.supports_level() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let events = Events::with_capacity(NonZeroUsize::new(EVENTS).unwrap_or(NonZeroUsize::MIN));
        Ok(Self { system, events, found: Vec::with_capacity(EVENTS) })
    }

    /// Registers a descriptor, changes what is asked of it, or forgets it.
    #[allow(unsafe_code, reason = "the crate wants to be told that a descriptor outlives its registration")]
    pub(in crate::driver::os) fn register(
        &self,
        descriptor: BorrowedFd<'_>,
        number: u64,
        from: Signs,
        to: Signs,
    ) -> Result<(), Errno> {
        // Where only the end is of interest, reading tells it too; the driver then looks whether bytes precede it.
        let readable = to & (READ | END) != 0;
        let Ok(key) = usize::try_from(number) else { return Err(Errno::OVERFLOW) };
        let event = Event::new(key, readable, to & WRITE != 0);
        let result = match (from, to) {
            _ if from == to => Ok(()),
            // SAFETY: the driver owns the descriptor and takes it back from the poller before it lets go of it: in
            // `remove`, and of all that are left when the driver itself is dropped.
            (0, _) => unsafe { self.system.add_with_mode(&descriptor, event, PollMode::Level) },
            (_, 0) => self.system.delete(descriptor),
            _ => self.system.modify_with_mode(descriptor, event, PollMode::Level),
        };
        result.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// Waits for events; those of the last wait are forgotten.
    pub(in crate::driver::os) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        let result = self.system.wait(&mut self.events, timeout);
        self.found.clear();
        self.found.extend(self.events.iter());
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// What one event of the last wait tells, of which number.
    pub(in crate::driver::os) fn event(&self, at: usize) -> Option<(u64, Signs)> {
        let event = self.found.get(at)?;
        let sign = |there, sign| if there { sign } else { 0 };
        let signs = sign(event.readable, READ | END)
            | sign(event.writable, WRITE)
            | sign(event.is_interrupt(), HANGUP)
            | sign(event.is_err() == Some(true), ERROR);
        Some((event.key as u64, signs))
    }

    /// A host asks for the next deadline instead.
    #[allow(clippy::unused_self, reason = "on Linux it is used")]
    pub(in crate::driver::os) fn set_alarm(&self, _delay: Option<Duration>) {}

    /// Readable while there are events to wait for.
    pub(in crate::driver::os) fn descriptor(&self) -> Rc<dyn AsFd> {
        Rc::<polling::Poller>::clone(&self.system)
    }
}
