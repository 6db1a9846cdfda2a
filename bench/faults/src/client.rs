//! One client.

use crate::conversation::Conversation;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Connecting,
    /// It has asked.
    Waiting,
    Answered,
    /// It was refused, reset or closed before it had an answer.
    Lost,
    /// It had its answer, and one side has closed.
    Gone,
}

/// A client, which never blocks.
#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    conversation: Conversation,
    stream: Option<TcpStream>,
    received: Vec<u8>,
    progress: Progress,
}

impl Client {
    /// Begins to connect.
    pub(crate) fn connect(
        address: SocketAddr,
        number: usize,
        conversation: Conversation,
    ) -> Result<Self, Errno> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        let progress = match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Progress::Connecting,
            Err(Errno::CONNREFUSED) => Progress::Lost,
            Err(error) => return Err(error),
        };
        Ok(Self { number, conversation, stream: Some(socket.into()), received: Vec::new(), progress })
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(AsFd::as_fd)
    }

    /// Goes as far as it can without waiting.
    pub(crate) fn advance(&mut self, writable: bool) {
        if self.progress == Progress::Connecting && writable {
            self.ask();
        }
        if matches!(self.progress, Progress::Waiting | Progress::Answered) {
            self.receive();
        }
    }

    fn ask(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        // An empty send buffer takes the whole request.
        match stream.write_all(&self.conversation.request(self.number)) {
            Ok(()) => self.progress = Progress::Waiting,
            Err(_) => self.end(),
        }
    }

    fn receive(&mut self) {
        let mut bytes = [0; 1024];
        while let Some(stream) = &mut self.stream {
            match stream.read(&mut bytes) {
                Ok(length @ 1..) => self.take(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.end(),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        if self.conversation.is_answered(self.number, &self.received) {
            self.progress = Progress::Answered;
        }
    }

    /// Closes its connection.
    pub(crate) fn end(&mut self) {
        self.stream = None;
        self.progress = if self.progress == Progress::Answered { Progress::Gone } else { Progress::Lost };
    }
}
