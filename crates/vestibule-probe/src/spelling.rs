//! How scenarios spell addresses, errors, states and data.

use crate::arguments::read;
use crate::failure::Failure;
use vestibule::{HostAddress, ProxyType, SocketError, SocketState};

/// Data of more bytes than this prints as a number.
const LONGEST: usize = 64;

/// The names of the errors, by the reference's numbers.
const ERRORS: [&str; 23] = [
    "ConnectionRefused",
    "RemoteHostClosed",
    "HostNotFound",
    "SocketAccess",
    "SocketResource",
    "SocketTimeout",
    "DatagramTooLarge",
    "Network",
    "AddressInUse",
    "SocketAddressNotAvailable",
    "UnsupportedSocketOperation",
    "UnfinishedSocketOperation",
    "ProxyAuthenticationRequired",
    "SslHandshakeFailed",
    "ProxyConnectionRefused",
    "ProxyConnectionClosed",
    "ProxyConnectionTimeout",
    "ProxyNotFound",
    "ProxyProtocol",
    "Operation",
    "SslInternal",
    "SslInvalidUserData",
    "Temporary",
];

pub(crate) fn error(error: SocketError) -> &'static str {
    usize::try_from(error.code()).ok().and_then(|code| ERRORS.get(code).copied()).unwrap_or("Unknown")
}

pub(crate) fn state(state: SocketState) -> &'static str {
    match state {
        SocketState::Unconnected => "unconnected",
        SocketState::HostLookup => "hostlookup",
        SocketState::Connecting => "connecting",
        SocketState::Connected => "connected",
        SocketState::Bound => "bound",
        SocketState::Listening => "listening",
        SocketState::Closing => "closing",
        _ => "unknown",
    }
}

/// The address that a scenario's word means.
pub(crate) fn read_address(word: &str) -> Result<HostAddress, Failure> {
    Ok(match word {
        "null" => HostAddress::NULL,
        "any" => HostAddress::ANY,
        "any4" => HostAddress::ANY_IPV4,
        "any6" => HostAddress::ANY_IPV6,
        "localhost" => HostAddress::LOCALHOST,
        "localhost6" => HostAddress::LOCALHOST_IPV6,
        _ => read(word, "an address")?,
    })
}

/// The type of proxy that a scenario's word means.
pub(crate) fn read_proxy_type(word: &str) -> Result<ProxyType, Failure> {
    Ok(match word {
        "default" => ProxyType::Default,
        "none" => ProxyType::None,
        "socks5" => ProxyType::Socks5,
        "http" => ProxyType::Http,
        "httpcaching" => ProxyType::HttpCaching,
        "ftpcaching" => ProxyType::FtpCaching,
        _ => return Err(Failure::Malformed(format!("`{word}` is no type of proxy"))),
    })
}

pub(crate) fn address(address: HostAddress) -> String {
    match address {
        HostAddress::ANY => "any".to_owned(),
        HostAddress::NULL => "null".to_owned(),
        _ => address.to_string(),
    }
}

pub(crate) fn data(bytes: &[u8]) -> String {
    if bytes.len() > LONGEST {
        format!("{} bytes", bytes.len())
    } else {
        format!("\"{}\"", String::from_utf8_lossy(bytes))
    }
}
