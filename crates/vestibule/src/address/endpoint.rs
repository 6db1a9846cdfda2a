use super::host_address::{HostAddress, Kind};
use super::parse::AddressParseError;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// An address and a port: what a server listens on.
///
/// Texts are `127.0.0.1:80`, `[::1]:80`, `[fe80::1%eth0]:80`, and `*:80` or `:80` for [`HostAddress::ANY`]. Port 0 asks
/// the system for a free one. Names of hosts are not looked up.
///
/// ```
/// use vestibule::{Endpoint, HostAddress};
///
/// let endpoint: Endpoint = "[::1]:7777".parse()?;
/// assert_eq!(endpoint, Endpoint::new(HostAddress::LOCALHOST_IPV6, 7777));
/// assert_eq!("*:0".parse(), Ok(Endpoint::new(HostAddress::ANY, 0)));
/// # Ok::<(), vestibule::AddressParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: HostAddress,
    /// The port; 0 for one that the system picks.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint of its two parts.
    pub const fn new(address: HostAddress, port: u16) -> Self {
        Self { address, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.0 {
            Kind::Null => write!(f, "no address, port {}", self.port),
            Kind::Any => write!(f, "*:{}", self.port),
            Kind::V4(address) => write!(f, "{address}:{}", self.port),
            Kind::V6(..) => write!(f, "[{}]:{}", self.address, self.port),
        }
    }
}

impl FromStr for Endpoint {
    type Err = AddressParseError;

    fn from_str(text: &str) -> Result<Self, AddressParseError> {
        parse(text.trim()).ok_or_else(|| AddressParseError::new(text, "ADDRESS:PORT"))
    }
}

fn parse(text: &str) -> Option<Endpoint> {
    let (address, port) = text.rsplit_once(':')?;
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits)?;
    if address.contains(char::is_whitespace) {
        return None;
    }
    let address = match address {
        "" | "*" => HostAddress::ANY,
        _ => match address.strip_prefix('[') {
            Some(inner) => {
                let address: HostAddress = inner.strip_suffix(']')?.parse().ok()?;
                matches!(address.0, Kind::V6(..)).then_some(address)?
            }
            None if address.contains(':') => return None,
            None => address.parse().ok()?,
        },
    };
    Some(Endpoint { address, port })
}

impl TryFrom<&str> for Endpoint {
    type Error = AddressParseError;

    fn try_from(text: &str) -> Result<Self, AddressParseError> {
        text.parse()
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.into(), address.port())
    }
}

impl<A: Into<HostAddress>> From<(A, u16)> for Endpoint {
    fn from((address, port): (A, u16)) -> Self {
        Self::new(address.into(), port)
    }
}
