use super::refusal::ProxyRefusal;
use crate::error::SocketError as E;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// As long as the longest reply: with a name of 255 bytes.
const LONGEST: usize = 4 + 1 + 255 + 2;

/// A reply to a request, as it comes: version, code, a reserved byte, and an address with a port (RFC 1928, section 6).
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    bytes: Vec<u8>,
}

/// Whose address a reply holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReplyAddress {
    Address(SocketAddr),
    /// A name, which nobody here looks up.
    Name,
}

impl Reply {
    /// How many bytes belong to it at least that have not come.
    pub(super) fn wants(&self) -> usize {
        self.length().saturating_sub(self.bytes.len())
    }

    /// How long it is, as far as that can be known: at least so long.
    fn length(&self) -> usize {
        match (self.bytes.get(3), self.bytes.get(4)) {
            (Some(&IPV4), _) => 4 + 4 + 2,
            (Some(&IPV6), _) => 4 + 16 + 2,
            (Some(&NAME), Some(length)) => 4 + 1 + usize::from(*length) + 2,
            (Some(&NAME), None) => 5,
            _ => 4,
        }
    }

    /// The next bytes, of which it takes what belongs to it, and the address once it is whole. What is wrong is told by the first
    /// byte that is wrong, so it does not matter in which parts a reply comes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(usize, Option<ReplyAddress>), ProxyRefusal> {
        let mut taken = 0;
        while self.wants() > 0 {
            let Some(byte) = bytes.get(taken) else { return Ok((taken, None)) };
            check(self.bytes.len(), *byte)?;
            self.bytes.push(*byte);
            taken += 1;
        }
        debug_assert!(self.bytes.len() <= LONGEST, "a reply has an end");
        Ok((taken, Some(self.address())))
    }

    /// Of a whole reply.
    fn address(&self) -> ReplyAddress {
        let mut port = [0; 2];
        port.copy_from_slice(self.bytes.last_chunk::<2>().unwrap_or(&[0; 2]));
        let port = u16::from_be_bytes(port);
        let behind = self.bytes.get(4..).unwrap_or_default();
        let address: IpAddr = match (self.bytes.get(3), behind.first_chunk::<4>(), behind.first_chunk::<16>())
        {
            (Some(&IPV4), Some(bytes), _) => Ipv4Addr::from(*bytes).into(),
            (Some(&IPV6), _, Some(bytes)) => Ipv6Addr::from(*bytes).into(),
            _ => return ReplyAddress::Name,
        };
        ReplyAddress::Address(SocketAddr::new(address, port))
    }
}

/// The types of addresses.
pub(super) const IPV4: u8 = 1;
pub(super) const NAME: u8 = 3;
pub(super) const IPV6: u8 = 4;

/// Whether a byte may stand at this place of a reply.
fn check(at: usize, byte: u8) -> Result<(), ProxyRefusal> {
    match (at, byte) {
        (0, 5) | (1 | 2, 0) | (3, IPV4 | NAME | IPV6) | (4.., _) => Ok(()),
        (1, code) => Err(failure(code)),
        (0, version) => Err(ProxyRefusal::nonsense(format!("its reply has the version {version}, not 5"))),
        (2, _) => Err(ProxyRefusal::nonsense("the reserved byte of its reply is not 0")),
        (_, kind) => {
            Err(ProxyRefusal::nonsense(format!("its reply has an address of the unknown type {kind}")))
        }
    }
}

/// What the codes of replies mean.
fn failure(code: u8) -> ProxyRefusal {
    let (kind, text, words) = match code {
        1 => (E::Network, "General SOCKSv5 server failure", "the proxy failed"),
        2 => (E::SocketAccess, "Connection not allowed by SOCKSv5 server", "the proxy does not allow it"),
        3 => (E::Network, "Network unreachable", "the network is unreachable from the proxy"),
        4 => (E::HostNotFound, "Host not found", "the proxy does not find the host"),
        5 => (E::ConnectionRefused, "Connection refused", "the host refused the proxy's connection"),
        6 => (E::Network, "TTL expired", "the time to live expired behind the proxy"),
        7 => {
            let text = "SOCKSv5 command not supported";
            (E::UnsupportedSocketOperation, text, "the proxy does not support the command")
        }
        8 => {
            let text = "Address type not supported";
            (E::UnsupportedSocketOperation, text, "the proxy does not support the type of the address")
        }
        _ => {
            let words = format!("the proxy answered with the unknown code {code:#04x}");
            return ProxyRefusal::answer(E::Unknown, "Unknown SOCKSv5 proxy error code", words);
        }
    };
    ProxyRefusal::answer(kind, text, words)
}
