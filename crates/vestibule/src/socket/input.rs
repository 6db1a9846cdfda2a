use super::core::{Flag, Phase, SocketCore};
use super::read_buffer::ReadBuffer;
use super::socket_signal::{SignalKind, Told};
use crate::driver::Token;
use crate::event_loop::RECEIVE_SIZE;
use rustix::io::Errno;
use std::rc::Rc;

/// What one receive brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Bytes,
    Nothing,
    End,
    Failure(Errno),
}

impl SocketCore {
    /// Looks at what was received and not read, without running anything of the program's.
    pub(super) fn with_input<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        let input = self.input.take();
        let result = look(input.as_deref().map(ReadBuffer::unread).unwrap_or_default());
        self.input.set(input);
        result
    }

    /// Whether nothing more will be received.
    pub(super) fn has_finished_reading(&self) -> bool {
        self.is_closed() || self.has(Flag::InputEnded)
    }

    pub(super) fn bytes_available(&self) -> usize {
        self.with_input(<[u8]>::len)
    }

    /// How much may be received now.
    pub(super) fn credit(&self) -> u32 {
        if self.has(Flag::InputEnded) || !self.has_connection() {
            return 0;
        }
        if self.phase.get() == Phase::Ending {
            return u32::MAX; // what is too much is discarded, so that a peer that sends first gets to reading
        }
        match self.read_limit.get() {
            _ if self.has(Flag::Pressed) => 0,
            0 => u32::MAX,
            limit => limit.saturating_sub(u32::try_from(self.bytes_available()).unwrap_or(u32::MAX)),
        }
    }

    /// Tells the driver when it may receive more or less than before.
    pub(crate) fn update_reading(&self) {
        if !self.has_connection() {
            return; // the connection may linger, with a credit of its own
        }
        let credit = self.credit();
        if self.granted.replace(credit) != credit {
            self.event_loop.driver.borrow_mut().grant_bytes(self.token(), credit);
        }
    }

    /// The loop received something: lends it to the slots of `ready_read` and keeps what they leave.
    pub(crate) fn deliver(self: &Rc<Self>, mut buffer: Box<ReadBuffer>) {
        match self.phase.get() {
            Phase::Open | Phase::Closed => _ = self.tell_surplus(), // which came before
            Phase::Ending => buffer.truncate(self.room_while_ending()),
            Phase::Connecting => {
                self.deliver_from_proxy(buffer);
                self.tell_surplus();
                return;
            }
        }
        if buffer.is_empty() {
            return self.event_loop.buffers.give_read_buffer(buffer);
        }
        if self.has(Flag::Watched) {
            self.event_loop.watches.received(&self.event_loop, self.token(), buffer.len());
        }
        self.add_input(buffer);
        self.tell_ready_read();
    }

    /// How much of what still comes is kept.
    fn room_while_ending(&self) -> usize {
        match self.read_limit.get() {
            _ if self.is_abandoned() => 0,
            0 => usize::MAX,
            limit => (limit as usize).saturating_sub(self.bytes_available()),
        }
    }

    /// The reference does not tell it inside itself.
    pub(super) fn tell_ready_read(self: &Rc<Self>) {
        if self.set(Flag::Delivering, true) {
            return self.update_reading();
        }
        let outer = self.event_loop.set_delivering(Some(self.token()));
        let _delivering = Delivering { core: self, outer };
        self.emit(SignalKind::ReadyRead, Told::Nothing);
    }

    /// Puts bytes behind those that are unread.
    pub(super) fn add_input(&self, newer: Box<ReadBuffer>) {
        let Some(older) = self.input.take() else {
            return self.input.set(Some(newer));
        };
        let buffers = &self.event_loop.buffers;
        let joined = if older.is_empty() {
            buffers.give_read_buffer(older);
            newer
        } else {
            let mut joined = self.owned(older);
            joined.append(newer.unread());
            buffers.give_read_buffer(newer);
            joined
        };
        self.input.set(Some(joined));
    }

    /// The same bytes in a buffer of the socket's own.
    fn owned(&self, buffer: Box<ReadBuffer>) -> Box<ReadBuffer> {
        if !buffer.is_lent() {
            return buffer;
        }
        let own = Box::new(ReadBuffer::own(buffer.unread()));
        self.event_loop.buffers.give_read_buffer(buffer);
        own
    }

    /// Gives the loop its buffer back and keeps what was left in it.
    fn keep_input(self: &Rc<Self>) {
        if let Some(input) = self.input.take() {
            if input.is_empty() {
                self.event_loop.buffers.give_read_buffer(input);
            } else {
                self.input.set(Some(self.owned(input)));
            }
        }
        self.update_reading();
        self.look_soon();
    }

    /// Discards what is unread, also what a reader is looking at.
    pub(super) fn drop_input(&self) {
        self.discarded.set(self.discarded.get().wrapping_add(1));
        let surplus = self.outgoing_if_any().and_then(|outgoing| outgoing.surplus.take());
        drop(surplus);
        if let Some(input) = self.input.take() {
            self.event_loop.buffers.give_read_buffer(input);
        }
    }

    /// Lends what is unread; a panic or a nested receive loses nothing.
    pub(super) fn lend_input(self: &Rc<Self>, reader: impl FnOnce(&[u8]) -> usize) -> usize {
        let Some(buffer) = self.input.take() else {
            reader(&[]);
            return 0;
        };
        let discarded = self.discarded.get();
        let mut lent = LentInput { core: self, buffer: Some(buffer), used: 0, discarded };
        let there = lent.buffer.as_deref().map(ReadBuffer::unread).unwrap_or_default();
        let used = reader(there).min(there.len());
        lent.used = used;
        drop(lent);
        used
    }

    /// Receives once, for a wait, and tells it.
    pub(super) fn receive_now(self: &Rc<Self>) -> Received {
        let credit = usize::try_from(self.credit()).unwrap_or(usize::MAX).min(RECEIVE_SIZE);
        if credit == 0 {
            return Received::Nothing; // a slot has filled the buffer since the wait began
        }
        let mut buffer = self.event_loop.buffers.read_buffer();
        let received = {
            let room = buffer.room().get_mut(..credit).unwrap_or_default();
            self.event_loop.driver.borrow_mut().receive(self.token(), room)
        };
        match received {
            Ok(length) if length > 0 => {
                buffer.received(length);
                self.deliver(buffer);
                Received::Bytes
            }
            result => {
                self.event_loop.buffers.give_read_buffer(buffer);
                match result {
                    Ok(_) => Received::End,
                    Err(Errno::AGAIN) => Received::Nothing,
                    Err(errno) => Received::Failure(errno),
                }
            }
        }
    }
}

/// `ready_read` is being told.
struct Delivering<'a> {
    core: &'a Rc<SocketCore>,
    /// Whose is being told around it.
    outer: Option<Token>,
}

impl Drop for Delivering<'_> {
    fn drop(&mut self) {
        self.core.event_loop.set_delivering(self.outer);
        self.core.set(Flag::Delivering, false);
        self.core.keep_input();
    }
}

/// Bytes that a reader looks at; what it does not use goes back in front of what came meanwhile.
struct LentInput<'a> {
    core: &'a Rc<SocketCore>,
    buffer: Option<Box<ReadBuffer>>,
    used: usize,
    /// As it was before.
    discarded: u8,
}

impl Drop for LentInput<'_> {
    fn drop(&mut self) {
        let Some(mut buffer) = self.buffer.take() else {
            return;
        };
        buffer.consume(self.used);
        if self.core.discarded.get() != self.discarded {
            return self.core.event_loop.buffers.give_read_buffer(buffer);
        }
        let newer = self.core.input.replace(Some(buffer));
        if let Some(newer) = newer {
            self.core.add_input(newer);
        }
        if !self.core.has(Flag::Delivering) {
            self.core.keep_input();
        }
    }
}
