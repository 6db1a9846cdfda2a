//! What a client says, and which answer it takes for service.

/// The protocol of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conversation {
    /// Everything comes back.
    Echo,
    /// HTTP/1.1; the connection stays open after the answer.
    Http,
}

impl Conversation {
    /// What the client with this number asks.
    pub(crate) fn request(self, number: usize) -> Vec<u8> {
        match self {
            Self::Echo => format!("client {number}\n").into_bytes(),
            Self::Http => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        }
    }

    /// Whether what that client received is all of its answer.
    pub(crate) fn is_answered(self, number: usize, received: &[u8]) -> bool {
        match self {
            Self::Echo => received == self.request(number),
            Self::Http => {
                received.starts_with(b"HTTP/1.1 200 OK\r\n") && received.ends_with(b"Hello, World!")
            }
        }
    }
}
