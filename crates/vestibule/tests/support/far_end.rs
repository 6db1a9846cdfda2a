//! Both ends of a connection within this system, as `sock_diag(7)` tells of them. What one end has done may arrive at the other
//! a moment later, even on the loopback: where another core receives, or when softirqs are put off. A test that counts on it waits
//! for it here.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests, each of which uses its part")]

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

const SYN_RECEIVED: u8 = 3;
const FIN_WAIT_1: u8 = 4;
/// The system answers with the listener when there is no connection.
const LISTENS: u8 = 10;

/// Where the parts of the answer are; the first is behind the head of 16 bytes.
const STATE: usize = 17;
const UNREAD: usize = 72;
const ATTRIBUTES: usize = 88;
/// The attribute that holds a `tcp_info`, and where in it the numbers of bytes are.
const INFO: u16 = 2;
const RECEIVED: usize = 128;
const UNSENT: usize = 144;
const SENT: usize = 200;
const SENT_AGAIN: usize = 208;

/// A client that is in the listener's queue, or further.
pub fn connect(address: impl ToSocketAddrs) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    await_arrival(&client);
    client
}

/// Waits until all that this end has sent has arrived: that it is connected, what was written and fits into the other's
/// window, the end.
pub fn await_arrival(here: impl AsFd) {
    let Some([here, there]) = ends(here) else { return };
    wait_until("what was sent does not arrive", || has_arrived(here, there));
}

/// The same, and that it was read.
pub fn await_reading(here: impl AsFd) {
    let Some([here, there]) = ends(here) else { return };
    let nothing_unread = || End::of(there, here).is_none_or(|far| far.unread == 0);
    wait_until("what was sent is not read", || has_arrived(here, there) && nothing_unread());
}

/// Closes with a reset, and waits until it has come.
pub fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    let ends = ends(&stream);
    drop(stream);
    if let Some([here, there]) = ends {
        wait_until("the reset does not arrive", || End::of(there, here).is_none());
    }
}

fn ends(stream: impl AsFd) -> Option<[SocketAddr; 2]> {
    let here = rustix::net::getsockname(&stream).ok()?.try_into().ok()?;
    Some([here, rustix::net::getpeername(stream).ok()??.try_into().ok()?])
}

fn has_arrived(here: SocketAddr, there: SocketAddr) -> bool {
    let (Some(near), Some(far)) = (End::of(here, there), End::of(there, here)) else { return true };
    let ended = near.state == FIN_WAIT_1 && near.unsent == 0; // which is received like a byte
    let sent = near.sent + u64::from(ended);
    far.state != SYN_RECEIVED && far.received >= sent
}

fn wait_until(complaint: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "{complaint}");
        thread::yield_now();
    }
}

#[derive(Debug)]
struct End {
    state: u8,
    unread: u32,
    unsent: u32,
    /// Bytes that were sent once or more.
    sent: u64,
    received: u64,
}

impl End {
    /// None if there is no such end any more: it was reset or is closed. Also if the process has no free descriptor to ask.
    fn of(own: SocketAddr, far: SocketAddr) -> Option<Self> {
        let (family, protocol) = (AddressFamily::NETLINK, Some(netlink::SOCK_DIAG));
        let socket = match rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, protocol) {
            Err(Errno::MFILE) => return None,
            result => result.unwrap(),
        };
        rustix::net::send(&socket, &question(own, far), SendFlags::empty()).unwrap();
        let mut answer = [0; 4096];
        let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty()).unwrap();
        let answer = &answer[..length];
        let is_error = answer[4] == 2;
        if is_error || answer[STATE] == LISTENS {
            return None;
        }
        let info = info(&answer[ATTRIBUTES..]);
        Some(Self {
            state: answer[STATE],
            unread: number(answer, UNREAD),
            unsent: number(info, UNSENT),
            sent: long_number(info, SENT).saturating_sub(long_number(info, SENT_AGAIN)),
            received: long_number(info, RECEIVED),
        })
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

/// A socket that is only beginning or has ended tells nothing, which counts as zeros.
fn info(mut attributes: &[u8]) -> &[u8] {
    while let [a, b, c, d, rest @ ..] = attributes {
        let (length, kind) = (u16::from_ne_bytes([*a, *b]), u16::from_ne_bytes([*c, *d]));
        if kind == INFO {
            return rest;
        }
        attributes = attributes.get(usize::from(length).next_multiple_of(4).max(4)..).unwrap_or_default();
    }
    &[]
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |number| u32::from_ne_bytes(number.try_into().unwrap()))
}

fn long_number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |number| u64::from_ne_bytes(number.try_into().unwrap()))
}
