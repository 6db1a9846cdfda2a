//! The other end of a connection within this system, as `sock_diag(7)` tells of it: what one end has done may arrive at the
//! other a moment later.

use super::LIMIT;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

const SYN_RECEIVED: u8 = 3;
/// The system answers with the listener when there is no connection.
const LISTENS: u8 = 10;

/// Where the parts of the answer are; the first is behind the head of 16 bytes.
const STATE: usize = 17;
const UNREAD: usize = 72;
const ATTRIBUTES: usize = 88;
/// The attribute that holds a `tcp_info`, and where in it the number of bytes received is.
const INFO: u16 = 2;
const BYTES_RECEIVED: usize = 128;

#[derive(Debug)]
pub struct FarEnd {
    state: u8,
    unread: u32,
    received: u64,
}

impl FarEnd {
    /// None if there is no such end any more: it was reset or is closed.
    pub fn of(stream: &TcpStream) -> Option<Self> {
        let (peer, here) = (stream.peer_addr().ok()?, stream.local_addr().ok()?);
        Self::between(peer, here)
    }

    fn between(own: SocketAddr, far: SocketAddr) -> Option<Self> {
        let socket =
            rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::SOCK_DIAG)).unwrap();
        rustix::net::send(&socket, &question(own, far), SendFlags::empty()).unwrap();
        let mut answer = [0; 4096];
        let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty()).unwrap();
        let answer = &answer[..length];
        let is_error = answer[4] == 2;
        (!is_error && answer[STATE] != LISTENS).then(|| Self {
            state: answer[STATE],
            unread: u32::from_ne_bytes(answer[UNREAD..UNREAD + 4].try_into().unwrap()),
            received: bytes_received(&answer[ATTRIBUTES..]),
        })
    }

    /// Waits until the other end is connected too, and lies in its listener's queue.
    pub fn await_connected(stream: &TcpStream) {
        wait_until("the connection is not complete", || {
            Self::of(stream).is_none_or(|end| end.state != SYN_RECEIVED)
        });
    }

    /// Waits until something has come that is unread.
    pub fn await_arrived(stream: &TcpStream) {
        wait_until("what was sent does not arrive", || Self::of(stream).is_none_or(|end| end.unread > 0));
    }

    /// Waits until everything that was sent, so many bytes, has come and was read.
    pub fn await_read(stream: &TcpStream, sent: u64) {
        let is_read = |end: Self| end.received >= sent && end.unread == 0;
        wait_until("what was sent is not read", || Self::of(stream).is_none_or(is_read));
    }

    /// Closes with a reset, and waits until it has come.
    pub fn await_reset(stream: TcpStream) {
        rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
        let ends: io::Result<_> = stream.peer_addr().and_then(|peer| Ok((peer, stream.local_addr()?)));
        drop(stream);
        if let Ok((peer, here)) = ends {
            wait_until("the reset does not arrive", || Self::between(peer, here).is_none());
        }
    }
}

fn wait_until(complaint: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "{complaint}");
        thread::yield_now();
    }
}

/// Asks for the one socket with these ends, in any state, and for its `tcp_info`.
fn question(own: SocketAddr, far: SocketAddr) -> Vec<u8> {
    const HEAD: [u16; 4] = [72, 0, 20, 1]; // a length of 32 bits, `SOCK_DIAG_BY_FAMILY`, `NLM_F_REQUEST`
    let mut message: Vec<u8> = HEAD.iter().flat_map(|part| part.to_ne_bytes()).collect();
    message.extend([0; 8]);
    let family = if own.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let tcp = 6;
    message.extend([u8::try_from(family.as_raw()).unwrap(), tcp, 1 << (INFO - 1), 0, 0xff, 0xff, 0xff, 0xff]);
    message.extend([own.port().to_be_bytes(), far.port().to_be_bytes()].concat());
    for end in [own, far] {
        let mut address = [0; 16];
        match end.ip() {
            IpAddr::V4(ip) => address[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => address = ip.octets(),
        }
        message.extend(address);
    }
    message.extend([[0; 4], [0xff; 4], [0xff; 4]].concat()); // on any interface, whatever its cookie
    message
}

/// Of a socket that tells no `tcp_info`, because it is only beginning or has ended, it is not known: 0.
fn bytes_received(mut attributes: &[u8]) -> u64 {
    while let [a, b, c, d, ..] = *attributes {
        let (length, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
        if kind == INFO {
            let at = 4 + BYTES_RECEIVED;
            return attributes
                .get(at..at + 8)
                .map_or(0, |number| u64::from_ne_bytes(number.try_into().unwrap()));
        }
        attributes = attributes.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
    }
    0
}
