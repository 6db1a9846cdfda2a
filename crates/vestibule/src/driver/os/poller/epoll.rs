use super::{END, ERROR, EVENTS, EXCLUSIVE, HANGUP, READ, Signs, WRITE};
use crate::driver::os::calls::{retried, timespec};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

/// Linux: an epoll descriptor, and a timer that makes it readable for a host.
pub(in crate::driver::os) struct Poller {
    epoll: Rc<OwnedFd>,
    alarm: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    /// What stands for the loop's waker instead of a token.
    pub(in crate::driver::os) const WAKER: u64 = u64::MAX;
    /// What stands for the alarm.
    pub(in crate::driver::os) const ALARM: u64 = u64::MAX - 1;
    /// Whether the peer's end is told without asking for bytes.
    pub(in crate::driver::os) const TELLS_END_ALONE: bool = true;
    /// Whether closing a descriptor that nobody else holds ends its registration.
    pub(in crate::driver::os) const FORGETS_CLOSED: bool = true;

    pub(in crate::driver::os) fn new() -> io::Result<Self> {
        let epoll = Rc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let alarm = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        epoll::add(&epoll, &alarm, EventData::new_u64(Self::ALARM), EventFlags::IN)?;
        Ok(Self { epoll, alarm, events: Vec::with_capacity(EVENTS) })
    }

    /// Registers a descriptor, changes what is asked of it, or forgets it.
    pub(in crate::driver::os) fn register(
        &self,
        descriptor: BorrowedFd<'_>,
        number: u64,
        from: Signs,
        to: Signs,
    ) -> Result<(), Errno> {
        let data = EventData::new_u64(number);
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, to & READ != 0);
        flags.set(EventFlags::RDHUP, to & END != 0);
        flags.set(EventFlags::OUT, to & WRITE != 0);
        flags.set(EventFlags::EXCLUSIVE, to & EXCLUSIVE != 0);
        retried(|| match (from, to) {
            _ if from == to => Ok(()),
            (0, _) => epoll::add(&self.epoll, descriptor, data, flags),
            (_, 0) => epoll::delete(&self.epoll, descriptor),
            _ => epoll::modify(&self.epoll, descriptor, data, flags),
        })
    }

    /// Waits for events; those of the last wait are forgotten.
    pub(in crate::driver::os) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timespec(timeout).as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What one event of the last wait tells, of which number.
    pub(in crate::driver::os) fn event(&self, at: usize) -> Option<(u64, Signs)> {
        let event = self.events.get(at)?;
        let flags = event.flags;
        let sign = |flag, sign| if flags.contains(flag) { sign } else { 0 };
        let signs = sign(EventFlags::IN, READ)
            | sign(EventFlags::RDHUP, END)
            | sign(EventFlags::OUT, WRITE)
            | sign(EventFlags::HUP, HANGUP)
            | sign(EventFlags::ERR, ERROR);
        Some((event.data.u64(), signs))
    }

    /// Makes the poller readable after so long, for a host that waits for it; `None` takes that back.
    pub(in crate::driver::os) fn set_alarm(&self, delay: Option<Duration>) {
        let zero = rustix::time::Timespec::default();
        let soonest = Duration::from_nanos(1); // 0 would take it back
        let value = delay.and_then(|delay| timespec(Some(delay.max(soonest)))).unwrap_or(zero);
        let setting = Itimerspec { it_interval: zero, it_value: value };
        // Fails only for a time that the system cannot count to, which is as good as never.
        let _ = timerfd_settime(&self.alarm, TimerfdTimerFlags::empty(), &setting);
    }

    /// Readable while there are events to wait for.
    pub(in crate::driver::os) fn descriptor(&self) -> Rc<dyn AsFd> {
        Rc::<OwnedFd>::clone(&self.epoll)
    }
}
