use super::tcp_socket::TcpSocket;

impl TcpSocket {
    /// Lends what was received to a closure, which tells how many bytes it used; those are read then.
    ///
    /// In `ready_read` that is the loop's own buffer: nothing is copied. What is not used stays. Inside the closure the
    /// socket reads as empty. Gives how many bytes were used: what the closure told, but at most what there was.
    ///
    /// ```
    /// # use vestibule::TcpSocket;
    /// /// Sends every complete message of four bytes back, and leaves what is not complete.
    /// fn answer(socket: &TcpSocket) {
    ///     socket.read_with(|bytes| {
    ///         let complete = bytes.len() / 4 * 4;
    ///         socket.write(&bytes[..complete]);
    ///         complete
    ///     });
    /// }
    /// ```
    #[allow(clippy::must_use_candidate, reason = "the closure knows already")]
    pub fn read_with(&self, reader: impl FnOnce(&[u8]) -> usize) -> usize {
        self.core().lend_input(reader)
    }

    /// Copies what was received into the buffer, as much as fits; 0 when nothing is there. Never waits.
    #[allow(clippy::must_use_candidate, reason = "reading to discard is usual")]
    pub fn read(&self, buffer: &mut [u8]) -> usize {
        self.core().lend_input(|bytes| {
            let length = bytes.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..length), bytes.get(..length)) {
                to.copy_from_slice(from);
            }
            length
        })
    }

    /// Everything that was received and not read; the reference's `readAll`. Never waits.
    #[allow(clippy::must_use_candidate, reason = "reading to discard is usual")]
    pub fn read_all(&self) -> Vec<u8> {
        let mut all = Vec::new();
        self.core().lend_input(|bytes| {
            all.extend_from_slice(bytes);
            bytes.len()
        });
        all
    }

    /// A copy of the first `limit` bytes that were received and not read; they stay unread. The reference's `peek`.
    pub fn peek(&self, limit: usize) -> Vec<u8> {
        self.core().with_input(|bytes| bytes.get(..limit).unwrap_or(bytes).to_vec())
    }

    /// Whether a whole line was received and not read; the reference's `canReadLine`.
    pub fn can_read_line(&self) -> bool {
        self.core().with_input(|bytes| bytes.contains(&b'\n'))
    }

    /// The next whole line with its `\n`, or `None` when none is there. Never waits. The reference's `readLine`, which also
    /// gives part of a line.
    ///
    /// What a peer sends before its end without a `\n` is no line; [`read_all`](Self::read_all) gives it. A line longer than
    /// [`read_buffer_size`](Self::read_buffer_size) never becomes whole, and the peer waits: a server looks for that.
    ///
    /// ```
    /// # use vestibule::TcpSocket;
    /// /// Answers every complete line.
    /// fn answer_lines(socket: &TcpSocket) {
    ///     while let Some(line) = socket.read_line() {
    ///         socket.write(&line);
    ///     }
    ///     if socket.bytes_available() > 1000 {
    ///         socket.abort(); // nobody's line is that long
    ///     }
    /// }
    /// ```
    pub fn read_line(&self) -> Option<Vec<u8>> {
        let mut line = None;
        self.core().lend_input(|bytes| {
            line = bytes
                .split_inclusive(|byte| *byte == b'\n')
                .next()
                .filter(|it| it.ends_with(b"\n"))
                .map(Vec::from);
            line.as_ref().map_or(0, Vec::len)
        });
        line
    }

    /// How many bytes were received and not read; the reference's `bytesAvailable`.
    pub fn bytes_available(&self) -> usize {
        self.core().bytes_available()
    }

    /// How many bytes at most are kept unread, 0 for no limit; the reference's `readBufferSize`.
    pub fn read_buffer_size(&self) -> usize {
        self.core().read_limit.get() as usize
    }

    /// Keeps at most so many bytes unread, and leaves the rest to the kernel, which makes the peer wait. 0 is no limit;
    /// values above 4 GiB count as 4 GiB. Default: 256 KiB. The reference's `setReadBufferSize`, where the default is no
    /// limit.
    ///
    /// What is unread already stays. The peer's end is told as soon as all that came before it was received.
    pub fn set_read_buffer_size(&self, size: usize) {
        self.core().read_limit.set(u32::try_from(size).unwrap_or(u32::MAX));
        self.core().update_reading();
    }
}
