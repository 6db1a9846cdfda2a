//! Why a command has no result.

use rustix::io::Errno;
use std::{fmt, io};

/// Why a command has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The object that it names does not exist any more; that is a result like any other.
    Gone,
    /// It is unknown, or an argument is missing or cannot be read.
    Malformed(String),
    /// The probe itself cannot go on.
    System(String),
}

/// What a command prints behind its arrow.
pub(crate) type Answer = Result<String, Failure>;

/// The answer of commands that have nothing to tell.
#[allow(clippy::unnecessary_wraps, reason = "it is what such commands end with, and they answer so")]
pub(crate) fn done() -> Answer {
    Ok("ok".to_owned())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("gone"),
            Self::Malformed(what) | Self::System(what) => f.write_str(what),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error.to_string())
    }
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        io::Error::from(error).into()
    }
}

impl From<vestibule::Error> for Failure {
    fn from(error: vestibule::Error) -> Self {
        Self::System(error.to_string())
    }
}
