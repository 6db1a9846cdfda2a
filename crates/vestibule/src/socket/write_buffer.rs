use std::fmt;

/// A buffer that grew beyond this is not kept for the next socket.
const LARGEST_KEPT: usize = 64 << 10;

/// Bytes that were written and not sent.
#[derive(Default)]
pub(crate) struct WriteBuffer {
    bytes: Vec<u8>,
    sent: usize,
}

impl WriteBuffer {
    pub(crate) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        // Moving the rest to the front pays as soon as that is the smaller part.
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn consume(&mut self, length: usize) {
        self.sent = self.bytes.len().min(self.sent + length);
    }

    /// Empties the buffer; false when it is too large to be kept.
    pub(crate) fn clear_for_reuse(&mut self) -> bool {
        self.bytes.clear();
        self.sent = 0;
        self.bytes.capacity() <= LARGEST_KEPT
    }
}

impl fmt::Debug for WriteBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBuffer").field("unsent", &self.len()).finish_non_exhaustive()
    }
}
