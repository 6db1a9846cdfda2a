use super::host_address::{HostAddress, Kind};
use super::scope::Scope;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A text that is no address, endpoint or subnet; it says which text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressParseError {
    text: Box<str>,
    expected: &'static str,
}

impl AddressParseError {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.into(), expected }
    }
}

impl fmt::Display for AddressParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.text, self.expected)
    }
}

impl std::error::Error for AddressParseError {}

impl FromStr for HostAddress {
    type Err = AddressParseError;

    /// Parses four decimal numbers, or RFC 4291's text of an IPv6 address with an optional `%scope`; blanks around
    /// it do not matter.
    ///
    /// Later versions of the reference also read `127.1`, octal and hexadecimal numbers. Those forms let two readers
    /// of one text see two addresses, so they are refused here, as in the reference's version 4.6.
    fn from_str(text: &str) -> Result<Self, AddressParseError> {
        let trimmed = text.trim();
        if let Ok(address) = trimmed.parse::<Ipv4Addr>() {
            return Ok(address.into());
        }
        let (address, scope) = trimmed.split_once('%').unwrap_or((trimmed, ""));
        match (address.parse::<Ipv6Addr>(), Scope::new(scope)) {
            (Ok(address), Some(scope)) => Ok(Self(Kind::V6(address, scope))),
            _ => Err(AddressParseError::new(text, "an IP address")),
        }
    }
}

impl TryFrom<&str> for HostAddress {
    type Error = AddressParseError;

    fn try_from(text: &str) -> Result<Self, AddressParseError> {
        text.parse()
    }
}
