use super::{Operation, SocketError, describe};
use crate::address::{AddressParseError, Endpoint};
use crate::proxy::NetworkProxy;
use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::{fmt, io};

/// What a call of this library returns when it can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed: the operation, the address, the kind, and the system's own error.
///
/// It prints as one sentence, also with `{:?}`, since that is what `main` prints: `cannot listen on 127.0.0.1:80:
/// permission denied`. It is as large as a pointer. A call that took a descriptor gives it back in the error, see
/// [`into_descriptor`](Self::into_descriptor).
///
/// # Examples
///
/// ```
/// use vestibule::{EventLoop, HostAddress, SocketError, TcpServer};
///
/// let event_loop = EventLoop::new()?;
/// let first = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
/// let second = TcpServer::new(&event_loop);
/// match second.listen(HostAddress::LOCALHOST, first.server_port()) {
///     Err(error) if error.kind() == SocketError::AddressInUse => {
///         // cannot listen on 127.0.0.1:40123: address already in use
///         assert!(error.to_string().starts_with("cannot listen on 127.0.0.1:"));
///     }
///     result => panic!("{result:?}"),
/// }
/// # Ok::<(), vestibule::Error>(())
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    operation: Operation,
    endpoint: Option<Endpoint>,
    host: Option<String>,
    /// The proxy between here and there.
    proxy: Option<String>,
    kind: SocketError,
    text: &'static str,
    cause: Cause,
    descriptor: Option<OwnedFd>,
}

enum Cause {
    System(io::Error),
    Address(AddressParseError),
    AlreadyListening,
    Said(Cow<'static, str>),
}

impl Error {
    pub(crate) fn system(operation: Operation, error: io::Error) -> Self {
        let (kind, text) = describe(&error, operation);
        Self::new(operation, kind, text, Cause::System(error))
    }

    pub(crate) fn already_listening(operation: Operation) -> Self {
        let kind = SocketError::Operation;
        Self::new(operation, kind, kind.text(), Cause::AlreadyListening)
    }

    /// An error that no system call reported, in words that end the sentence.
    pub(crate) fn said(operation: Operation, kind: SocketError, words: impl Into<Cow<'static, str>>) -> Self {
        Self::new(operation, kind, kind.text(), Cause::Said(words.into()))
    }

    /// There are proxies, and none of them can do it.
    pub(crate) fn no_proxy_can(operation: Operation) -> Self {
        let kind = SocketError::UnsupportedSocketOperation;
        let text = "Operation on socket is not supported";
        Self::said(operation, kind, "none of the proxies that are to be used can do it").with_text(text)
    }

    fn new(operation: Operation, kind: SocketError, text: &'static str, cause: Cause) -> Self {
        Self(Box::new(Inner {
            operation,
            endpoint: None,
            host: None,
            proxy: None,
            kind,
            text,
            cause,
            descriptor: None,
        }))
    }

    #[must_use]
    pub(crate) fn at(mut self, endpoint: Endpoint) -> Self {
        self.0.endpoint = Some(endpoint);
        self
    }

    /// The host, with its port, that was to be reached.
    #[must_use]
    pub(crate) fn to(mut self, host: String) -> Self {
        self.0.host = Some(host);
        self
    }

    /// The proxy that was in between.
    #[must_use]
    pub(crate) fn through(mut self, proxy: &NetworkProxy) -> Self {
        self.0.proxy = Some(proxy.to_string());
        self
    }

    /// The same failure, of a server that was to listen.
    #[must_use]
    pub(crate) fn while_listening(mut self, endpoint: Endpoint) -> Self {
        (self.0.operation, self.0.host) = (Operation::Listen, None);
        self.at(endpoint)
    }

    /// The reference's text, where it is not the usual one for the kind.
    #[must_use]
    pub(crate) fn with_text(mut self, text: &'static str) -> Self {
        self.0.text = text;
        self
    }

    /// Says of what kind it is, where the system's error does not.
    #[must_use]
    pub(crate) fn of_kind(mut self, kind: SocketError) -> Self {
        (self.0.kind, self.0.text) = (kind, kind.text());
        self
    }

    #[must_use]
    pub(crate) fn with_descriptor(mut self, descriptor: OwnedFd) -> Self {
        self.0.descriptor = Some(descriptor);
        self
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The kind, in the reference's terms.
    pub fn kind(&self) -> SocketError {
        self.0.kind
    }

    /// The address and port that the call was about, if there is one.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.0.endpoint
    }

    /// The reference's English text for this error, as its `errorString` has it: `The address is not available`.
    pub fn error_string(&self) -> &'static str {
        self.0.text
    }

    /// Whether a server refused to listen because it listens already.
    pub fn is_already_listening(&self) -> bool {
        matches!(self.0.cause, Cause::AlreadyListening)
    }

    /// The descriptor that the failed call had taken, unharmed.
    pub fn into_descriptor(self) -> Option<OwnedFd> {
        self.0.descriptor
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.0.operation)?;
        if let Some(endpoint) = &self.0.endpoint {
            let word = if self.0.operation == Operation::BindSocket { "to" } else { "on" };
            write!(f, " {word} {endpoint}")?;
        }
        if let Some(host) = &self.0.host {
            write!(f, " to {host}")?;
        }
        if let Some(proxy) = &self.0.proxy {
            write!(f, " through {proxy}")?;
        }
        match &self.0.cause {
            Cause::System(error) => write!(f, ": {}", plain_words(error)),
            Cause::Address(error) => write!(f, ": {error}"),
            Cause::AlreadyListening => f.write_str(": the server is listening already"),
            Cause::Said(words) => write!(f, ": {words}"),
        }
    }
}

/// The system's words as the end of a sentence: `Permission denied (os error 13)` becomes `permission denied`.
fn plain_words(error: &io::Error) -> String {
    let words = error.to_string();
    let words = words.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The same sentence as [`Display`](fmt::Display).
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.cause {
            Cause::System(error) => Some(error),
            Cause::Address(error) => Some(error),
            Cause::AlreadyListening | Cause::Said(_) => None,
        }
    }
}

impl From<AddressParseError> for Error {
    fn from(error: AddressParseError) -> Self {
        let kind = SocketError::HostNotFound;
        Self::new(Operation::ParseAddress, kind, kind.text(), Cause::Address(error))
    }
}

/// Conversions that cannot fail need no error of their own.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// Keeps the kind of the system's error, and the whole sentence.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error.0.cause {
            Cause::System(cause) => cause.kind(),
            Cause::Address(_) => io::ErrorKind::InvalidInput,
            Cause::AlreadyListening => io::ErrorKind::AlreadyExists,
            Cause::Said(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
