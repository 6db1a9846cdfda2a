//! Descriptors for servers to adopt.

use super::Table;
use super::listening::outcome;
use crate::arguments::Arguments;
use crate::failure::{Answer, Failure};
use crate::probe::Probe;
use crate::unopened::{forget, unopened};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with};
use rustix::pipe::{PipeFlags, pipe_with};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

pub(super) const COMMANDS: Table = &[("adopt", adopt)];

const LOOPBACK4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const LOOPBACK6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

fn adopt(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let server = probe.server(arguments.word(0)?)?.clone();
    if server.is_gone() {
        return Err(Failure::Gone);
    }
    let kind = arguments.word(1)?;
    let descriptor = make(probe, kind)?;
    let result = server.with(|server| server.set_socket_descriptor(descriptor))?;
    let told = outcome(&server, result.as_ref().err());
    if let (Err(error), "closed") = (result, kind) {
        if let Some(descriptor) = error.into_descriptor() {
            forget(descriptor);
        }
    }
    Ok(told)
}

fn make(probe: &mut Probe, kind: &str) -> Result<OwnedFd, Failure> {
    match kind {
        "listening4" => listening(LOOPBACK4),
        "listening6" => listening(LOOPBACK6),
        "closed" => Ok(unopened()),
        "pipe" => {
            let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC)?;
            probe.far_ends.push(write_end);
            Ok(read_end)
        }
        "udp" => bound(LOOPBACK4, SocketType::DGRAM),
        "bound" => bound(LOOPBACK4, SocketType::STREAM),
        "connected" => {
            let peer = listening(LOOPBACK4)?;
            let made = socket(LOOPBACK4, SocketType::STREAM)?;
            connect(&made, &getsockname(&peer)?)?;
            probe.far_ends.push(peer);
            Ok(made)
        }
        _ => Err(Failure::Malformed(format!("`{kind}` is no kind of descriptor"))),
    }
}

fn listening(address: SocketAddr) -> Result<OwnedFd, Failure> {
    let made = bound(address, SocketType::STREAM)?;
    listen(&made, 16)?;
    Ok(made)
}

fn bound(address: SocketAddr, kind: SocketType) -> Result<OwnedFd, Failure> {
    let made = socket(address, kind)?;
    bind(&made, &address)?;
    Ok(made)
}

fn socket(address: SocketAddr, kind: SocketType) -> Result<OwnedFd, Failure> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC, None)?)
}
