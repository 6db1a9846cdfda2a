use crate::address::{HostAddress, Kind};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// The address that a text spells out, with a port; `None` when it is a name. Asks nobody.
pub(crate) fn literal(host: &str, port: u16) -> Option<io::Result<SocketAddr>> {
    let address: HostAddress = host.parse().ok()?;
    Some(match (address.0, address.to_ip_addr()) {
        // The system knows the numbers of the interfaces that scopes name.
        (Kind::V6(..), _) if address.scope_id().is_some() => scoped(host.trim(), port),
        (_, Some(address)) => Ok(SocketAddr::new(address, port)),
        (_, None) => Err(io::ErrorKind::InvalidInput.into()),
    })
}

fn scoped(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut found = (host, port).to_socket_addrs()?;
    found.next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}
