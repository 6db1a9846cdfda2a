use super::core::{Flag, Phase, SocketCore};
use super::telling::Tale;
use super::write_buffer::WriteBuffer;
use crate::error::SocketError;
use rustix::io::Errno;
use std::rc::Rc;

/// A write of this size on an empty buffer is sent from the caller's own bytes.
const SENT_THROUGH: usize = 16 << 10;
/// With more than this unsent, nothing is received until half has left.
const PRESSURE: usize = 256 << 10;

impl SocketCore {
    pub(crate) fn bytes_to_write(&self) -> usize {
        let output = self.output.take();
        let length = output.as_deref().map_or(0, WriteBuffer::len);
        self.output.set(output);
        length
    }

    /// Whether something is to be sent that can be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        self.has_connection() && self.bytes_to_write() > 0
    }

    /// Whether what is written will be sent.
    pub(super) fn can_write(&self) -> bool {
        self.is_open() || (self.is_connecting() && !self.outgoing().end_when_connected.get())
    }

    /// Takes all bytes or none; tells nothing.
    pub(super) fn write(self: &Rc<Self>, bytes: &[u8]) -> usize {
        if !self.can_write() || bytes.is_empty() {
            return 0;
        }
        let unsent = self.bytes_to_write();
        if bytes.len() > (self.write_limit.get() as usize).saturating_sub(unsent) {
            self.error.set(SocketError::SocketResource);
            self.note(Tale::Error);
            self.tell_later();
            return 0;
        }
        let at_once = self.is_open() && unsent == 0 && bytes.len() >= SENT_THROUGH;
        let through = if at_once { self.send_now(bytes) } else { Ok(0) };
        let Ok(through) = through else {
            self.tell_later();
            return 0;
        };
        self.buffer(bytes.get(through..).unwrap_or_default());
        if self.is_open() {
            self.make_dirty();
        }
        bytes.len()
    }

    /// What is unsent is lost.
    pub(super) fn drop_output(&self) {
        if let Some(output) = self.output.take() {
            self.set(Flag::Cut, output.len() > 0);
            self.event_loop.buffers.give_write_buffer(output);
        }
    }

    fn buffer(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut output = self.output.take().unwrap_or_else(|| self.event_loop.buffers.write_buffer());
        output.append(bytes);
        let pressed = output.len() > PRESSURE;
        self.output.set(Some(output));
        if pressed && !self.set(Flag::Pressed, true) {
            self.update_reading();
        }
    }

    /// Something is to be sent, or told, at the end of the turn.
    pub(super) fn make_dirty(self: &Rc<Self>) {
        if !self.set(Flag::Dirty, true) {
            self.event_loop.add_dirty(Rc::clone(self));
        }
    }

    /// The turn ends.
    pub(crate) fn flush_at_end(self: &Rc<Self>) {
        self.set(Flag::Dirty, false);
        if !self.has(Flag::Stalled) {
            self.push_out();
        }
        if self.phase.get() == Phase::Ending {
            self.update_reading();
        }
        if self.is_abandoned() && self.has_unsent() {
            let unsent = self.bytes_to_write();
            self.event_loop.departing.watch_sending(&self.event_loop, self.token(), unsent);
        }
    }

    /// Sends what fits, and ends the connection if that was all of one that is ending. Tells nothing; what the
    /// driver has no room for leaves when it tells that it has.
    pub(crate) fn push_out(self: &Rc<Self>) -> usize {
        if !self.has_connection() {
            if self.is_connecting() {
                self.say(); // to a proxy, if there is one
            }
            return 0;
        }
        let mut sent = 0;
        if let Some(mut output) = self.output.take() {
            let result = self.send_now(output.unsent());
            let Ok(length) = result else {
                self.set(Flag::Cut, true);
                self.event_loop.buffers.give_write_buffer(output);
                return 0;
            };
            sent = length;
            output.consume(length);
            let left = output.len();
            if left > 0 {
                self.output.set(Some(output));
            } else {
                self.event_loop.buffers.give_write_buffer(output);
            }
            if left <= PRESSURE / 2 && self.set(Flag::Pressed, false) {
                self.update_reading();
            }
            if left > 0 {
                return sent;
            }
            self.look_soon();
        }
        if self.phase.get() == Phase::Ending {
            self.finish();
        }
        sent
    }

    /// Sends what fits of these bytes; a failure has ended the connection.
    fn send_now(self: &Rc<Self>, bytes: &[u8]) -> Result<usize, Errno> {
        let last = self.phase.get() == Phase::Ending;
        let result = self.event_loop.driver.borrow_mut().send(self.token(), bytes, last);
        match result {
            Ok(length) => {
                self.set(Flag::Stalled, length < bytes.len());
                let number = u32::try_from(length).unwrap_or(u32::MAX);
                self.sent.set(self.sent.get().saturating_add(number));
                if self.has(Flag::Watched) {
                    let unsent = length < bytes.len();
                    self.event_loop.watches.sent(&self.event_loop, self.token(), length, unsent);
                }
                if length > 0 && !self.is_abandoned() {
                    self.untold.set(self.untold.get().saturating_add(number));
                    self.note(Tale::BytesWritten);
                }
            }
            Err(errno) => self.fail(errno),
        }
        result
    }
}
