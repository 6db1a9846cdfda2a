use super::host_address::{HostAddress, Kind};
use std::net::{Ipv4Addr, Ipv6Addr};

/// An address reduced to what classification asks about: mapped addresses are IPv4 here.
enum Plain {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    Other,
}

impl HostAddress {
    fn plain(self) -> Plain {
        match self.to_canonical().0 {
            Kind::V4(address) => Plain::V4(address),
            Kind::V6(address, _) => Plain::V6(address),
            Kind::Null | Kind::Any => Plain::Other,
        }
    }

    /// Whether it is one of `127.0.0.0/8`, or `::1`; the reference's `isLoopback`.
    pub fn is_loopback(&self) -> bool {
        match self.plain() {
            Plain::V4(address) => address.is_loopback(),
            Plain::V6(address) => address.is_loopback(),
            Plain::Other => false,
        }
    }

    /// Whether it is one of `224.0.0.0/4` or `ff00::/8`; the reference's `isMulticast`.
    pub fn is_multicast(&self) -> bool {
        match self.plain() {
            Plain::V4(address) => address.is_multicast(),
            Plain::V6(address) => address.is_multicast(),
            Plain::Other => false,
        }
    }

    /// Whether it is one of `169.254.0.0/16` or `fe80::/10`; the reference's `isLinkLocal`.
    pub fn is_link_local(&self) -> bool {
        match self.plain() {
            Plain::V4(address) => address.is_link_local(),
            Plain::V6(address) => address.is_unicast_link_local(),
            Plain::Other => false,
        }
    }

    /// Whether it is one of the deprecated `fec0::/10`; the reference's `isSiteLocal`.
    pub fn is_site_local(&self) -> bool {
        matches!(self.plain(), Plain::V6(address) if address.segments()[0] & 0xffc0 == 0xfec0)
    }

    /// Whether it is one of `fc00::/7`; the reference's `isUniqueLocalUnicast`.
    pub fn is_unique_local_unicast(&self) -> bool {
        matches!(self.plain(), Plain::V6(address) if address.is_unique_local())
    }

    /// Whether it is `255.255.255.255`; the reference's `isBroadcast`.
    pub fn is_broadcast(&self) -> bool {
        matches!(self.plain(), Plain::V4(address) if address.is_broadcast())
    }

    /// Whether it is for private use: `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16` or `fc00::/7`; the reference's
    /// `isPrivateUse`.
    pub fn is_private_use(&self) -> bool {
        match self.plain() {
            Plain::V4(address) => address.is_private(),
            Plain::V6(address) => address.is_unique_local(),
            Plain::Other => false,
        }
    }

    /// Whether it is none of the special kinds, nor of `0.0.0.0/8` (this network) or `240.0.0.0/4` (reserved). As in the
    /// reference's `isGlobal`, addresses for private use, unique local and site-local ones count as global.
    pub fn is_global(&self) -> bool {
        let special = match self.plain() {
            Plain::V4(address) => matches!(address.octets()[0], 0 | 240..),
            Plain::V6(address) => address.is_unspecified() || address.segments()[0] & 0xff80 == 0xfe00,
            Plain::Other => true,
        };
        !(special || self.is_loopback() || self.is_multicast() || self.is_link_local())
    }
}
