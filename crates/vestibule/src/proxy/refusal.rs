use crate::error::SocketError;
use std::borrow::Cow;

/// Why a proxy does not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyRefusal {
    pub(crate) kind: SocketError,
    /// The reference's English text.
    pub(crate) text: &'static str,
    /// The same in words that end a sentence, with what is known.
    pub(crate) words: Cow<'static, str>,
    /// Whether the proxy has understood and answered: asking for something else may help.
    pub(crate) answered: bool,
}

impl ProxyRefusal {
    /// With the usual text for its kind.
    pub(super) fn plain(kind: SocketError, words: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text: kind.text(), words: words.into(), answered: false }
    }

    /// What the proxy has answered, and what the reference says then.
    pub(super) fn answer(kind: SocketError, text: &'static str, words: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text, words: words.into(), answered: true }
    }

    /// The proxy does not keep to the protocol.
    pub(super) fn nonsense(words: impl Into<Cow<'static, str>>) -> Self {
        let text = "SOCKS version 5 protocol error";
        Self { kind: SocketError::ProxyProtocol, text, words: words.into(), answered: false }
    }
}
