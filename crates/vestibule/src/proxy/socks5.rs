use super::handshake::Progress;
use super::network_proxy::NetworkProxy;
use super::refusal::ProxyRefusal;
use super::socks5_reply::{IPV4, IPV6, NAME, Reply, ReplyAddress};
use crate::address::{Endpoint, Kind};
use crate::error::SocketError;
use std::fmt;

/// What a proxy is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A connection to a host, which is a name or an address, and a port.
    Connect(String, u16),
    /// One connection of a client that comes to this address of the proxy's; it decides what it makes of the wish.
    Bind(Endpoint),
}

/// The client's side of SOCKS version 5 (RFC 1928, RFC 1929), without I/O: it is told what has come, and says what is to be
/// sent and how much may be received, which is never more than what the proxy still has to say.
pub(crate) struct Socks5 {
    stage: Stage,
    /// What is to be sent and was not taken.
    output: Vec<u8>,
    /// The messages that follow.
    credentials: Option<Vec<u8>>,
    request: Vec<u8>,
    is_bind: bool,
}

/// What is waited for.
enum Stage {
    /// The method; and when the version is there, the method alone.
    Method(Option<u8>),
    /// Whether user and password are right, in two bytes.
    Verdict(Option<u8>),
    Reply(Reply),
    /// The reply that tells of the client.
    SecondReply(Reply),
    Done,
}

const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

impl Socks5 {
    /// Begins: there is something to send at once. One method is offered, as the reference does.
    pub(super) fn new(proxy: &NetworkProxy, request: &Request) -> Result<Self, ProxyRefusal> {
        let credentials = proxy.has_credentials().then(|| message_of(proxy)).transpose()?;
        let method = if credentials.is_some() { USER_AND_PASSWORD } else { NO_AUTHENTICATION };
        Ok(Self {
            stage: Stage::Method(None),
            output: vec![5, 1, method],
            credentials,
            request: encode(request)?,
            is_bind: matches!(request, Request::Bind(_)),
        })
    }

    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Whether the request was sent and not answered.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Reply(_))
    }

    pub(super) fn wants(&self) -> usize {
        match &self.stage {
            Stage::Method(version) | Stage::Verdict(version) => 2 - usize::from(version.is_some()),
            Stage::Reply(reply) | Stage::SecondReply(reply) => reply.wants(),
            Stage::Done => 0,
        }
    }

    /// Takes bytes up to the next progress, and tells how many.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(usize, Progress), ProxyRefusal> {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let Some(byte) = rest.first().copied() else { return Ok((taken, Progress::GoesOn)) };
            match &mut self.stage {
                Stage::Method(version @ None) => *version = Some(check_version(byte)?),
                Stage::Method(Some(_)) => self.method_chosen(byte)?,
                Stage::Verdict(version @ None) => *version = Some(byte),
                Stage::Verdict(Some(version)) => {
                    let verdict = (*version, byte);
                    self.credentials_checked(verdict)?;
                }
                Stage::Reply(reply) | Stage::SecondReply(reply) => {
                    let (length, address) = reply.take(rest)?;
                    let progress = address.map(|address| self.answered(&address)).transpose()?;
                    return Ok((taken + length, progress.unwrap_or(Progress::GoesOn)));
                }
                Stage::Done => return Ok((taken, Progress::GoesOn)),
            }
            taken += 1;
        }
    }

    fn method_chosen(&mut self, method: u8) -> Result<(), ProxyRefusal> {
        match (method, self.credentials.take()) {
            (NO_AUTHENTICATION, None) => self.ask(),
            (USER_AND_PASSWORD, Some(credentials)) => {
                self.output.extend(credentials);
                self.stage = Stage::Verdict(None);
            }
            (NO_METHOD, credentials) => {
                let words = match credentials {
                    Some(_) => "it does not take a user and a password",
                    None => "it wants to know who asks",
                };
                return Err(ProxyRefusal::plain(SocketError::ProxyAuthenticationRequired, words));
            }
            // The reference waits in vain for what such a proxy will never say.
            (method, _) => {
                let words = format!("it chose the method {method:#04x}, which was not offered");
                return Err(ProxyRefusal::plain(SocketError::SocketTimeout, words));
            }
        }
        Ok(())
    }

    fn credentials_checked(&mut self, verdict: (u8, u8)) -> Result<(), ProxyRefusal> {
        if verdict != (1, 0) {
            let words = "it does not accept the user and the password";
            return Err(ProxyRefusal::plain(SocketError::ProxyAuthenticationRequired, words));
        }
        self.ask();
        Ok(())
    }

    fn ask(&mut self) {
        self.output.append(&mut self.request);
        self.stage = Stage::Reply(Reply::default());
    }

    /// A reply is whole.
    fn answered(&mut self, address: &ReplyAddress) -> Result<Progress, ProxyRefusal> {
        let first = matches!(self.stage, Stage::Reply(_));
        self.stage = if self.is_bind && first { Stage::SecondReply(Reply::default()) } else { Stage::Done };
        match address {
            ReplyAddress::Address(address) if self.is_bind && first => Ok(Progress::Bound(*address)),
            ReplyAddress::Address(address) if self.is_bind => Ok(Progress::ClientCame(*address)),
            // Where the proxy's end of the connection is concerns nobody.
            _ if !self.is_bind => Ok(Progress::Connected),
            _ => Err(ProxyRefusal::nonsense("its reply has a name for an address")),
        }
    }
}

fn check_version(byte: u8) -> Result<u8, ProxyRefusal> {
    if byte == 5 {
        return Ok(byte);
    }
    Err(ProxyRefusal::nonsense(format!("it answers with the version {byte}, not 5")))
}

/// User and password as one message.
fn message_of(proxy: &NetworkProxy) -> Result<Vec<u8>, ProxyRefusal> {
    let mut message = vec![1];
    for text in [proxy.user(), proxy.password()] {
        let Ok(length) = u8::try_from(text.len()) else {
            let words = "user and password have room for 255 bytes each";
            return Err(ProxyRefusal::plain(SocketError::ProxyAuthenticationRequired, words));
        };
        message.push(length);
        message.extend(text.bytes());
    }
    Ok(message)
}

fn encode(request: &Request) -> Result<Vec<u8>, ProxyRefusal> {
    let (command, port) = match request {
        Request::Connect(_, port) => (1, *port),
        Request::Bind(endpoint) => (2, endpoint.port),
    };
    let mut message = vec![5, command, 0];
    let (kind, name) = match request {
        Request::Connect(host, _) => match host.parse() {
            Ok(crate::address::HostAddress(kind)) => (kind, None),
            Err(_) => (Kind::Null, Some(host)),
        },
        Request::Bind(endpoint) => (endpoint.address.0, None),
    };
    match (kind, name) {
        (Kind::V4(address), _) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        (Kind::V6(address, _), _) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        (Kind::Any, _) => message.extend([IPV4, 0, 0, 0, 0]),
        (Kind::Null, Some(name)) => {
            let words = "a host's name has 1 to 255 bytes";
            let length = u8::try_from(name.len()).ok().filter(|length| *length > 0);
            if name.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
                let words = "a host's name has no blanks";
                return Err(ProxyRefusal::plain(SocketError::HostNotFound, words));
            }
            let length = length.ok_or_else(|| ProxyRefusal::plain(SocketError::HostNotFound, words))?;
            message.extend([NAME, length]);
            message.extend(name.bytes());
        }
        (Kind::Null, None) => {
            let words = "there is no address to listen on";
            return Err(ProxyRefusal::plain(SocketError::UnsupportedSocketOperation, words));
        }
    }
    message.extend(port.to_be_bytes());
    Ok(message)
}

/// Without the password.
impl fmt::Debug for Socks5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5").field("is_bind", &self.is_bind).finish_non_exhaustive()
    }
}
