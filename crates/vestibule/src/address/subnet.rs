use super::host_address::{HostAddress, Kind};
use super::parse::AddressParseError;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A range of addresses with a common beginning: `192.168.0.0/16`, `2001:db8::/32`.
///
/// Parsing reads what the reference's `parseSubnet` reads: `192.168.0.0/16`, `192.168.0.0/255.255.0.0`, the short
/// `192.168` and `192.168.` (eight bits a part), `fe80::/64`, and an IPv6 address alone. Bits behind the prefix are
/// cleared.
///
/// ```
/// use vestibule::{HostAddress, Subnet};
///
/// let home: Subnet = "192.168.1.77/24".parse()?;
/// assert_eq!(home.to_string(), "192.168.1.0/24");
/// let address: HostAddress = "::ffff:192.168.1.5".parse()?;
/// assert!(!address.is_in_subnet(home));
/// assert!(address.to_canonical().is_in_subnet(home));
/// # Ok::<(), vestibule::AddressParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subnet(IpNet);

impl Subnet {
    /// The addresses that share the first `prefix_length` bits with `address`; longer prefixes than the family's are
    /// cut to it. `None` for `NULL` and `ANY`.
    pub fn new(address: HostAddress, prefix_length: u8) -> Option<Self> {
        let net = match address.0 {
            Kind::V4(address) => IpNet::V4(Ipv4Net::new(address, prefix_length.min(32)).ok()?),
            Kind::V6(address, _) => IpNet::V6(Ipv6Net::new(address, prefix_length.min(128)).ok()?),
            Kind::Null | Kind::Any => return None,
        };
        Some(Self(net.trunc()))
    }

    /// The first address of the range.
    pub fn address(&self) -> HostAddress {
        self.0.network().into()
    }

    /// How many bits are common: 0 to 32 or 0 to 128.
    pub fn prefix_length(&self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether the address is in the range. Families do not mix: see [`HostAddress::to_canonical`].
    pub fn contains(&self, address: HostAddress) -> bool {
        match (&self.0, address.0) {
            (IpNet::V4(net), Kind::V4(address)) => net.contains(&address),
            (IpNet::V6(net), Kind::V6(address, _)) => net.contains(&address),
            _ => false,
        }
    }
}

impl HostAddress {
    /// Whether the address is in the range; the reference's `isInSubnet`.
    pub fn is_in_subnet(&self, subnet: Subnet) -> bool {
        subnet.contains(*self)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Subnet {
    type Err = AddressParseError;

    fn from_str(text: &str) -> Result<Self, AddressParseError> {
        parse(text.trim()).ok_or_else(|| AddressParseError::new(text, "a subnet"))
    }
}

fn parse(text: &str) -> Option<Subnet> {
    if text.contains(char::is_whitespace) {
        return None;
    }
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    if address.contains(':') {
        let length = mask.map_or(Some(128), |mask| decimal(mask, 128))?;
        return Subnet::new(address.parse().ok()?, length);
    }
    let (address, parts) = short_ipv4(address)?;
    let length = match mask {
        None => parts * 8,
        Some(mask) if mask.contains('.') => ipnet::ipv4_mask_to_prefix(mask.parse().ok()?).ok()?,
        Some(mask) => decimal(mask, 32)?,
    };
    Subnet::new(address.into(), length)
}

/// One to four decimal parts, the last of them perhaps followed by a dot; the missing ones are zero.
fn short_ipv4(text: &str) -> Option<(Ipv4Addr, u8)> {
    let mut octets = [0; 4];
    let mut parts: u8 = 0;
    let dotted = text.strip_suffix('.');
    for part in dotted.unwrap_or(text).split('.') {
        *octets.get_mut(usize::from(parts))? = decimal(part, 255)?;
        parts += 1;
    }
    if dotted.is_some() && parts == 4 {
        return None;
    }
    Some((octets.into(), parts))
}

/// Decimal digits alone: no sign, and at most `limit`.
fn decimal(text: &str, limit: u8) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= limit)
}
