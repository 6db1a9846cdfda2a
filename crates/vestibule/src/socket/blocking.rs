use super::core::Flag;
use super::tcp_socket::TcpSocket;
use crate::event_loop::later;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// A socket whose `Read` and `Write` wait, made by [`TcpSocket::blocking`].
#[derive(Debug)]
pub struct BlockingSocket<'a> {
    socket: &'a TcpSocket,
    timeout: Option<Duration>,
}

/// So much at most is taken at once, and is unsent when a write returns.
const CHUNK: usize = 64 << 10;

impl TcpSocket {
    /// The socket with [`Read`] and [`Write`] that wait, each call at most so long; `None` waits for ever. For code that
    /// wants a plain stream, and for programs without a loop. Slots of the socket run in the waits, no others.
    ///
    /// ```
    /// use std::io::{BufRead, BufReader, Write};
    /// use std::time::Duration;
    /// use vestibule::{HostAddress, TcpServer, TcpSocket};
    ///
    /// let server = TcpServer::standalone()?;
    /// server.listen(HostAddress::LOCALHOST, 0)?;
    /// # let port = server.server_port();
    /// # let client = std::thread::spawn(move || -> std::io::Result<()> {
    /// let socket = TcpSocket::standalone();
    /// socket.connect_to_host("127.0.0.1", port)?;
    /// socket.blocking(Some(Duration::from_secs(5))).write_all(b"how do you do?\n")?;
    /// #     Ok(())
    /// # });
    /// server.wait_for_new_connection(None)?;
    /// if let Some(socket) = server.next_pending_connection() {
    ///     let mut line = String::new();
    ///     BufReader::new(socket.blocking(Some(Duration::from_secs(5)))).read_line(&mut line)?;
    ///     assert_eq!(line, "how do you do?\n");
    /// }
    /// # client.join().unwrap()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn blocking(&self, timeout: Option<Duration>) -> BlockingSocket<'_> {
        BlockingSocket { socket: self, timeout }
    }
}

impl BlockingSocket<'_> {
    /// When a call that begins now has to end.
    fn deadline(&self) -> Option<Instant> {
        self.timeout.map(|timeout| later(self.socket.core().now(), timeout))
    }

    fn left(&self, deadline: Option<Instant>) -> Option<Duration> {
        deadline.map(|deadline| deadline.saturating_duration_since(self.socket.core().now()))
    }

    fn connected_by(&self, deadline: Option<Instant>) -> io::Result<()> {
        let core = self.socket.core();
        let there = || core.is_connected_by(&core.event_loop.begin_wait(self.left(deadline)));
        if !core.is_connecting() || there()? { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }

    fn flushed_by(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.connected_by(deadline)?;
        self.socket.flush();
        while self.socket.bytes_to_write() > 0 {
            if self.left(deadline) == Some(Duration::ZERO) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.socket.wait_for_bytes_written(self.left(deadline))?;
        }
        // What was unsent went with the connection.
        let lost = self.socket.core().has(Flag::Broken) || self.socket.core().has(Flag::Cut);
        if lost { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

/// `Ok(0)` at the end; `TimedOut` after the time, which loses nothing: also a connection that is being made goes on.
impl Read for BlockingSocket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let deadline = self.deadline();
        self.connected_by(deadline)?;
        loop {
            match Read::read(&mut &*self.socket, buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            match self.socket.wait_for_ready_read(self.left(deadline)) {
                Ok(true) => {}
                Ok(false) => return Err(io::ErrorKind::TimedOut.into()),
                // The end, perhaps behind bytes that a slot has left; a break is told by the read above.
                Err(_) if self.socket.core().has_finished_reading() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Sends what was written before, then takes up to 64 KiB and sends what fits. `TimedOut` after the time: nothing of
/// these bytes was taken.
impl Write for BlockingSocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flushed_by(self.deadline())?;
        let most = CHUNK.min(self.socket.write_buffer_limit());
        let chunk = bytes.get(..most).unwrap_or(bytes);
        let length = Write::write(&mut &*self.socket, chunk)?;
        self.socket.flush();
        Ok(length)
    }

    /// Waits until everything was handed to the system.
    fn flush(&mut self) -> io::Result<()> {
        self.flushed_by(self.deadline())
    }
}
