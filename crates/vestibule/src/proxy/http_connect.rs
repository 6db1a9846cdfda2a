use super::handshake::Progress;
use super::network_proxy::NetworkProxy;
use super::refusal::ProxyRefusal;
use crate::error::SocketError as E;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt;

/// The longest head of an answer that is read.
const LONGEST: usize = 16 << 10;
/// The most lines that it may have.
const LINES: usize = 100;

/// The client's side of `CONNECT` (RFC 9110, section 9.3.6), without I/O.
pub(crate) struct HttpConnect {
    output: Vec<u8>,
    head: Vec<u8>,
    has_credentials: bool,
    done: bool,
}

impl HttpConnect {
    pub(super) fn new(proxy: &NetworkProxy, host: &str, port: u16) -> Result<Self, ProxyRefusal> {
        if proxy.user().contains(':') {
            let words = "a user of an HTTP proxy cannot have a colon in the name";
            return Err(ProxyRefusal::plain(E::ProxyAuthenticationRequired, words));
        }
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ProxyRefusal::plain(
                E::HostNotFound,
                "the host's name cannot be said to an HTTP proxy",
            ));
        }
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if proxy.has_credentials() {
            let credentials = BASE64.encode(format!("{}:{}", proxy.user(), proxy.password()));
            request.extend(["Proxy-Authorization: Basic ", &credentials, "\r\n"]);
        }
        request.push_str("\r\n");
        let has_credentials = proxy.has_credentials();
        Ok(Self { output: request.into_bytes(), head: Vec::new(), has_credentials, done: false })
    }

    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What comes behind the head is the peer's, and more than that cannot be known before.
    pub(super) fn wants(&self) -> usize {
        if self.done { 0 } else { LONGEST.saturating_sub(self.head.len()) }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(usize, Progress), ProxyRefusal> {
        if self.done || bytes.is_empty() {
            return Ok((0, Progress::GoesOn));
        }
        let before = self.head.len();
        self.head.extend(bytes);
        let mut lines = [httparse::EMPTY_HEADER; LINES];
        let mut response = httparse::Response::new(&mut lines);
        match response.parse(&self.head) {
            Ok(httparse::Status::Complete(length)) => {
                let status = response.code.unwrap_or_default();
                match status {
                    200..300 => self.done = true,
                    // Something that precedes the answer.
                    100..200 => {
                        self.head.clear();
                        return Ok((length.saturating_sub(before), Progress::GoesOn));
                    }
                    _ => return Err(self.failure(status)),
                }
                Ok((length.saturating_sub(before), Progress::Connected))
            }
            Ok(httparse::Status::Partial) if self.head.len() < LONGEST => Ok((bytes.len(), Progress::GoesOn)),
            Ok(httparse::Status::Partial) => Err(nonsense("the head of its answer has no end")),
            Err(error) => Err(nonsense(format!("it does not answer in HTTP: {error}"))),
        }
    }

    fn failure(&self, status: u16) -> ProxyRefusal {
        let (kind, text, words) = match status {
            407 if self.has_credentials => {
                let kind = E::ProxyAuthenticationRequired;
                (kind, kind.text(), "it does not accept the user and the password")
            }
            407 => {
                let kind = E::ProxyAuthenticationRequired;
                (kind, kind.text(), "it wants to know who asks")
            }
            401 | 403 | 405 => (E::SocketAccess, "Proxy denied connection", "the proxy does not allow it"),
            404 => (E::HostNotFound, E::HostNotFound.text(), "the proxy does not find the host"),
            502 | 503 => {
                (E::ConnectionRefused, E::ConnectionRefused.text(), "the proxy cannot reach the host")
            }
            504 => (E::SocketTimeout, E::SocketTimeout.text(), "the host does not answer the proxy"),
            _ => return nonsense(format!("it answers with the status {status}")),
        };
        ProxyRefusal::answer(kind, text, words)
    }
}

fn nonsense(words: impl Into<std::borrow::Cow<'static, str>>) -> ProxyRefusal {
    ProxyRefusal {
        kind: E::ProxyProtocol,
        text: "Error communicating with HTTP proxy",
        words: words.into(),
        answered: false,
    }
}

/// Without the password.
impl fmt::Debug for HttpConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConnect").field("done", &self.done).finish_non_exhaustive()
    }
}
