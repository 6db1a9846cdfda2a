use std::fmt;

/// Bytes that were received and not read: in the loop's buffer while that is lent, else in one of the socket's own.
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    lent: bool,
}

impl ReadBuffer {
    /// A buffer for the loop to lend.
    pub(crate) fn lendable(size: usize) -> Self {
        Self { bytes: vec![0; size], start: 0, end: 0, lent: true }
    }

    /// A copy of exactly these bytes.
    pub(crate) fn own(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), start: 0, end: bytes.len(), lent: false }
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.lent
    }

    /// Where the driver may put what it receives.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The first so many bytes of the room were received.
    pub(crate) fn received(&mut self, length: usize) {
        self.start = 0;
        self.end = length.min(self.bytes.len());
    }

    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// More than there is counts as all.
    pub(crate) fn consume(&mut self, length: usize) {
        self.start = self.end.min(self.start.saturating_add(length));
    }

    /// Keeps the first so many unread bytes.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.end = self.end.min(self.start.saturating_add(length));
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Adds to what is unread; for a buffer of the socket's own.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        debug_assert!(!self.lent, "the loop's buffer is not for keeping");
        self.bytes.drain(..self.start);
        self.bytes.truncate(self.end - self.start);
        self.bytes.extend_from_slice(bytes);
        (self.start, self.end) = (0, self.bytes.len());
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuffer")
            .field("unread", &self.len())
            .field("lent", &self.lent)
            .finish_non_exhaustive()
    }
}
