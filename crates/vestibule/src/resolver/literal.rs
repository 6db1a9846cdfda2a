use crate::address::{HostAddress, Kind};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// The address that a text spells out, with a port; `None` when it is a name. Asks nobody.
///
/// A text whose last part is a number is an address or nothing: `127.1` and `0x7f000001`, which the system's call would
/// take for addresses, are refused as [`HostAddress`] refuses them.
pub(crate) fn literal(host: &str, port: u16) -> Option<io::Result<SocketAddr>> {
    let Ok(address) = host.parse::<HostAddress>() else {
        let words = "neither an address nor the name of a host";
        return ends_in_a_number(host).then(|| Err(io::Error::new(io::ErrorKind::InvalidInput, words)));
    };
    Some(match (address.0, address.to_ip_addr()) {
        // The system knows the numbers of the interfaces that scopes name.
        (Kind::V6(..), _) if address.scope_id().is_some() => scoped(host.trim(), port),
        (_, Some(address)) => Ok(SocketAddr::new(address, port)),
        (_, None) => Err(io::ErrorKind::InvalidInput.into()),
    })
}

fn ends_in_a_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal || hexadecimal.is_some_and(is_hexadecimal)
}

fn scoped(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut found = (host, port).to_socket_addrs()?;
    found.next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_text_is_an_address_or_a_name_or_neither() {
        for address in ["127.0.0.1", "::1", "::ffff:1.2.3.4", "0.0.0.0", " 127.0.0.1 "] {
            assert!(matches!(literal(address, 1), Some(Ok(_))), "{address}");
        }
        for name in ["localhost", "a.example", "1.example", "4.5.x", "0xyz", "", "7a"] {
            assert!(literal(name, 1).is_none(), "{name}");
        }
        for neither in
            ["127.1", "1", "0x7f000001", "1.2.3.0x4", "010.0.0.1", "1.2.3.4.5", "127.1.", "256.1.1.1"]
        {
            assert!(matches!(literal(neither, 1), Some(Err(_))), "{neither}");
        }
    }
}
