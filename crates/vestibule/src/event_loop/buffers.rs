use crate::socket::{ReadBuffer, WriteBuffer};
use std::cell::RefCell;

/// How much one receive can bring: one buffer of this size serves all sockets of a loop in turn.
pub(crate) const RECEIVE_SIZE: usize = 256 << 10;
/// How many write buffers are kept for the next socket that writes.
const SPARE_WRITE_BUFFERS: usize = 64;

/// The buffers that sockets borrow from their loop, so that an idle connection has none.
#[derive(Debug, Default)]
#[allow(
    clippy::vec_box,
    reason = "a box changes hands with the socket; a socket that has no buffer has one word"
)]
pub(crate) struct Buffers {
    reading: RefCell<Vec<Box<ReadBuffer>>>,
    writing: RefCell<Vec<Box<WriteBuffer>>>,
}

impl Buffers {
    /// The shared read buffer, or a second one while that is lent to a slot.
    pub(crate) fn read_buffer(&self) -> Box<ReadBuffer> {
        let spare = self.reading.borrow_mut().pop();
        spare.unwrap_or_else(|| Box::new(ReadBuffer::lendable(RECEIVE_SIZE)))
    }

    pub(crate) fn give_read_buffer(&self, mut buffer: Box<ReadBuffer>) {
        if buffer.is_lent() {
            buffer.clear();
            self.reading.borrow_mut().push(buffer);
        }
    }

    pub(crate) fn write_buffer(&self) -> Box<WriteBuffer> {
        self.writing.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_write_buffer(&self, mut buffer: Box<WriteBuffer>) {
        let mut writing = self.writing.borrow_mut();
        if writing.len() < SPARE_WRITE_BUFFERS && buffer.clear_for_reuse() {
            writing.push(buffer);
        }
    }
}
