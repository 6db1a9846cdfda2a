use super::tcp_socket::TcpSocket;

impl TcpSocket {
    /// Takes all the bytes, to be sent when control returns to the loop, or none. Never blocks, and tells nothing.
    ///
    /// Gives the number of bytes, or 0 when the socket is not open for writing, or when more than
    /// [`write_buffer_limit`](Self::write_buffer_limit) would wait to be sent; the latter is told by `error_occurred` with
    /// `SocketResource`. The reference's `write`.
    ///
    /// A write of 16 KiB or more is tried at once if nothing else waits to be sent. While more than 256 KiB wait, the
    /// socket stops receiving until half has left, so that a server that answers requests is bounded without code.
    #[allow(clippy::must_use_candidate, reason = "a failure is told by a signal and the state too")]
    pub fn write(&self, bytes: &[u8]) -> usize {
        self.core().write(bytes)
    }

    /// How many bytes were written and not sent; the reference's `bytesToWrite`.
    pub fn bytes_to_write(&self) -> usize {
        self.core().bytes_to_write()
    }

    /// Sends as much as the system takes now, and tells it; true if any byte left. The reference's `flush`.
    #[allow(clippy::must_use_candidate, reason = "most callers only want it sent")]
    pub fn flush(&self) -> bool {
        let sent = self.core().push_out();
        self.core().tell();
        sent > 0
    }

    /// How many bytes at most wait to be sent. Default: 64 MiB.
    pub fn write_buffer_limit(&self) -> usize {
        self.core().write_limit.get() as usize
    }

    /// Bounds how many bytes may wait to be sent; values above 4 GiB count as 4 GiB. What waits already stays.
    pub fn set_write_buffer_limit(&self, limit: usize) {
        self.core().write_limit.set(u32::try_from(limit).unwrap_or(u32::MAX));
    }
}
