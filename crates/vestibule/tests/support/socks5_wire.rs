//! The messages of SOCKS5, as a proxy reads and writes them.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpStream};

pub fn read<const N: usize>(mut stream: &TcpStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A text behind its length.
pub fn read_text(mut stream: &TcpStream) -> Result<String> {
    let [length] = read(stream)?;
    let mut text = vec![0; length.into()];
    stream.read_exact(&mut text)?;
    String::from_utf8(text).map_err(|_| ErrorKind::InvalidData.into())
}

/// A host of a request, whose kind was read.
pub fn read_host(stream: &TcpStream, kind: u8) -> Result<String> {
    match kind {
        1 => Ok(Ipv4Addr::from(read::<4>(stream)?).to_string()),
        4 => Ok(format!("[{}]", Ipv6Addr::from(read::<16>(stream)?))),
        _ => read_text(stream),
    }
}

/// The reply to a request that fails.
pub fn refuse(mut control: &TcpStream, code: u8) -> Result<()> {
    control.write_all(&reply(code, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into()))
}

/// A reply to a request, with an address.
pub fn reply(code: u8, address: SocketAddr) -> Vec<u8> {
    let mut bytes = vec![5, code, 0];
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.push(1);
            bytes.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes.push(4);
            bytes.extend(ip.octets());
        }
    }
    bytes.extend(address.port().to_be_bytes());
    bytes
}
