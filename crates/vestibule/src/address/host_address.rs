use super::scope::Scope;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// An IPv4 or IPv6 address, or one of the addresses that only a listener knows: `ANY` and `NULL`.
///
/// The reference calls it `QHostAddress`. Beside what [`IpAddr`] holds it tells apart [`ANY`](Self::ANY) (both
/// families through one socket), [`ANY_IPV4`](Self::ANY_IPV4) and [`ANY_IPV6`](Self::ANY_IPV6) (one family each), and
/// keeps the scope of an IPv6 address (`fe80::1%eth0`). It is small and `Copy`.
///
/// Equality is strict: `127.0.0.1` is not `::ffff:127.0.0.1`, and `ANY` is not `ANY_IPV4`. A client of a dual-stack
/// server that came over IPv4 has an IPv4-mapped address; [`to_canonical`](Self::to_canonical) brings both forms
/// together, and all classification does so by itself.
///
/// # Examples
///
/// ```
/// use vestibule::HostAddress;
///
/// let address: HostAddress = "fe80::1%eth0".parse()?;
/// assert!(address.is_link_local());
/// assert_eq!(address.scope_id(), Some("eth0"));
/// assert_eq!(address.to_string(), "fe80::1%eth0");
/// # Ok::<(), vestibule::AddressParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostAddress(pub(crate) Kind);

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Null,
    Any,
    V4(Ipv4Addr),
    V6(Ipv6Addr, Scope),
}

/// Which family an address belongs to; the reference's `QAbstractSocket::NetworkLayerProtocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkLayerProtocol {
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// [`HostAddress::ANY`]: IPv4 and IPv6.
    AnyIp,
    /// [`HostAddress::NULL`].
    Unknown,
}

impl HostAddress {
    /// No address at all: what an object that is not connected or not listening answers.
    pub const NULL: Self = Self(Kind::Null);
    /// Every address of the host, over IPv6 and IPv4 alike where the host has IPv6, else over IPv4.
    pub const ANY: Self = Self(Kind::Any);
    /// Every IPv4 address of the host, `0.0.0.0`; the reference's `AnyIPv4`.
    pub const ANY_IPV4: Self = Self(Kind::V4(Ipv4Addr::UNSPECIFIED));
    /// Every IPv6 address of the host, `::`; the reference's `AnyIPv6`.
    pub const ANY_IPV6: Self = Self(Kind::V6(Ipv6Addr::UNSPECIFIED, Scope::NONE));
    /// The IPv4 loopback address, `127.0.0.1`; the reference's `LocalHost`.
    pub const LOCALHOST: Self = Self(Kind::V4(Ipv4Addr::LOCALHOST));
    /// The IPv6 loopback address, `::1`; the reference's `LocalHostIPv6`.
    pub const LOCALHOST_IPV6: Self = Self(Kind::V6(Ipv6Addr::LOCALHOST, Scope::NONE));
    /// The IPv4 broadcast address, `255.255.255.255`.
    pub const BROADCAST: Self = Self(Kind::V4(Ipv4Addr::BROADCAST));

    /// Whether this is [`NULL`](Self::NULL); the reference's `isNull`.
    pub const fn is_null(&self) -> bool {
        matches!(self.0, Kind::Null)
    }

    /// The family; the reference's `protocol`.
    pub const fn protocol(&self) -> NetworkLayerProtocol {
        match self.0 {
            Kind::Null => NetworkLayerProtocol::Unknown,
            Kind::Any => NetworkLayerProtocol::AnyIp,
            Kind::V4(_) => NetworkLayerProtocol::Ipv4,
            Kind::V6(..) => NetworkLayerProtocol::Ipv6,
        }
    }

    /// The IPv4 address, also of an IPv4-mapped IPv6 address, of `ANY` and of `::`; the reference's `toIPv4Address`.
    pub fn to_ipv4(&self) -> Option<Ipv4Addr> {
        match self.0 {
            Kind::Null => None,
            Kind::Any | Kind::V6(Ipv6Addr::UNSPECIFIED, _) => Some(Ipv4Addr::UNSPECIFIED),
            Kind::V4(address) => Some(address),
            Kind::V6(address, _) => address.to_ipv4_mapped(),
        }
    }

    /// The address as `std` has it: `ANY` is `::`, `NULL` is `None`, a scope is lost.
    pub fn to_ip_addr(&self) -> Option<IpAddr> {
        match self.0 {
            Kind::Null => None,
            Kind::Any => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            Kind::V4(address) => Some(IpAddr::V4(address)),
            Kind::V6(address, _) => Some(IpAddr::V6(address)),
        }
    }

    /// The same address with an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) turned into the IPv4 one.
    #[must_use]
    pub fn to_canonical(self) -> Self {
        match self.0 {
            Kind::V6(address, _) => address.to_ipv4_mapped().map_or(self, Self::from),
            _ => self,
        }
    }

    /// The scope of an IPv6 address, an interface's name or number; the reference's `scopeId`.
    pub fn scope_id(&self) -> Option<&str> {
        match &self.0 {
            Kind::V6(_, scope) => scope.text(),
            _ => None,
        }
    }

    /// The same IPv6 address in another scope; `None` removes it. Other addresses stay as they are.
    ///
    /// A text that cannot name an interface (longer than 15 bytes, or with blanks or the like) removes the scope too.
    #[must_use]
    pub fn with_scope_id(self, scope: Option<&str>) -> Self {
        match self.0 {
            Kind::V6(address, _) => {
                Self(Kind::V6(address, scope.and_then(Scope::new).unwrap_or(Scope::NONE)))
            }
            _ => self,
        }
    }
}

impl From<Ipv4Addr> for HostAddress {
    fn from(address: Ipv4Addr) -> Self {
        Self(Kind::V4(address))
    }
}

impl From<Ipv6Addr> for HostAddress {
    fn from(address: Ipv6Addr) -> Self {
        Self(Kind::V6(address, Scope::NONE))
    }
}

impl From<IpAddr> for HostAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => address.into(),
        }
    }
}

/// Drops the port and keeps the scope.
impl From<SocketAddr> for HostAddress {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => (*address.ip()).into(),
            SocketAddr::V6(address) => address.into(),
        }
    }
}

impl From<SocketAddrV6> for HostAddress {
    fn from(address: SocketAddrV6) -> Self {
        Self(Kind::V6(*address.ip(), Scope::from_index(address.scope_id())))
    }
}

impl fmt::Display for HostAddress {
    /// As the reference prints it: `ANY` is `0.0.0.0`, `NULL` is empty, IPv6 is in RFC 5952's form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Null => Ok(()),
            Kind::Any => Ipv4Addr::UNSPECIFIED.fmt(f),
            Kind::V4(address) => address.fmt(f),
            Kind::V6(address, scope) => match scope.text() {
                Some(scope) => write!(f, "{address}%{scope}"),
                None => address.fmt(f),
            },
        }
    }
}

impl fmt::Debug for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Null => f.write_str("HostAddress(NULL)"),
            Kind::Any => f.write_str("HostAddress(ANY)"),
            _ => write!(f, "HostAddress({self})"),
        }
    }
}
