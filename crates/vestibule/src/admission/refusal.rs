use crate::error::{Error, Operation, Result, SocketError};
use std::fmt;
use std::sync::Arc;

/// What a client gets that is accepted only to be refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The connection is closed at once: the client sees its end, and a reset if it sends more than it has.
    #[default]
    Close,
    /// The connection is reset, which leaves nothing behind in the kernel either.
    Reset,
    /// The client gets these bytes, and then the end; made by [`Refusal::last_word`].
    LastWord(LastWord),
}

/// At most 1 KiB that a refused client is told.
#[derive(Clone, PartialEq, Eq)]
pub struct LastWord(Arc<[u8]>);

impl Refusal {
    /// How long a last word may be.
    pub const LONGEST_WORD: usize = 1024;

    /// A few bytes that the client gets before the end, such as a status line.
    ///
    /// It really gets them, also when it has sent something already: the connection is ended, and what the client still
    /// sends is discarded until its own end, within the loop's
    /// [linger limits](crate::EventLoop::set_linger_limits). At most 64 refused connections of a loop are waited for so;
    /// beyond that they are closed at once.
    ///
    /// # Errors
    ///
    /// `UnsupportedSocketOperation` when it is longer than [`LONGEST_WORD`](Self::LONGEST_WORD).
    pub fn last_word(word: impl AsRef<[u8]>) -> Result<Self> {
        let word = word.as_ref();
        if word.len() > Self::LONGEST_WORD {
            let words = "a last word has at most 1,024 bytes";
            return Err(Error::said(Operation::SetLimits, SocketError::UnsupportedSocketOperation, words));
        }
        Ok(Self::LastWord(LastWord(word.into())))
    }
}

impl LastWord {
    /// What the client is told.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for LastWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Why a client was refused, or its connection dropped before anybody saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalReason {
    /// As many connections are open as the server may have.
    TooManyConnections,
    /// As many connections are open as the servers that share a limit may have.
    SharedLimit,
    /// More came in a time than are let in.
    TooFast,
    /// Its source has as many connections open as one source may have.
    TooManyOfSource,
    /// Its source came more often in a time than one source may.
    SourceTooFast,
    /// The client had reset the connection before it was accepted.
    Dead,
    /// It waited in the kernel's queue for too long.
    TooOld,
    /// The server is draining.
    Draining,
    /// The process has no descriptors left but the one in reserve.
    NoDescriptors,
}

impl RefusalReason {
    /// All of them, in the order of [`Statistics::refused`](crate::Statistics::refused).
    pub const ALL: [Self; 9] = [
        Self::TooManyConnections,
        Self::SharedLimit,
        Self::TooFast,
        Self::TooManyOfSource,
        Self::SourceTooFast,
        Self::Dead,
        Self::TooOld,
        Self::Draining,
        Self::NoDescriptors,
    ];

    /// One word, for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooManyConnections => "connections",
            Self::SharedLimit => "shared",
            Self::TooFast => "rate",
            Self::TooManyOfSource => "source",
            Self::SourceTooFast => "source-rate",
            Self::Dead => "dead",
            Self::TooOld => "old",
            Self::Draining => "draining",
            Self::NoDescriptors => "descriptors",
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyConnections => "as many connections are open as may be",
            Self::SharedLimit => "as many connections are open as the servers of a shared limit may have",
            Self::TooFast => "more connections come than are let in",
            Self::TooManyOfSource => "as many connections of this source are open as may be",
            Self::SourceTooFast => "connections of this source come too fast",
            Self::Dead => "the client had reset the connection before",
            Self::TooOld => "the client has waited too long",
            Self::Draining => "the server is draining",
            Self::NoDescriptors => "no descriptors are left",
        })
    }
}
