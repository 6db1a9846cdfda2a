use super::os_driver::OsDriver;
use std::time::Instant;

/// The poller's alarm, as the driver last left it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Alarm {
    #[default]
    Off,
    At(Instant),
}

/// Resting while a host waits for the loop's descriptor.
impl OsDriver {
    /// The loop goes to rest until its descriptor, or the time, calls it: everything is told to the poller.
    pub(in crate::driver) fn rest(&mut self, until: Option<Instant>) {
        self.apply_changes();
        let alarm = until.map_or(Alarm::Off, Alarm::At);
        if let (Some(opened), true) = (&self.opened, self.alarm != alarm) {
            opened.poller.set_alarm(until.map(|at| at.saturating_duration_since(Instant::now())));
            self.alarm = alarm;
        }
        self.resting = true;
        if !self.refused.is_empty() {
            self.stir();
        }
    }

    /// The loop takes a turn.
    pub(in crate::driver) fn end_rest(&mut self) {
        self.resting = false;
    }

    /// The alarm rings until it is switched off.
    pub(super) fn end_alarm(&mut self) {
        if let Some(opened) = &self.opened {
            opened.poller.set_alarm(None);
        }
        self.alarm = Alarm::Off;
    }

    /// What changes while the loop rests is for a turn, for which its descriptor calls.
    pub(super) fn stir(&self) {
        if let (Some(opened), true) = (&self.opened, self.resting) {
            opened.waker.wake();
        }
    }
}
