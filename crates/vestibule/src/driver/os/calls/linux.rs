use super::retried;
use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SendFlags, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What poll is asked for to tell the peer's end.
pub(in crate::driver::os) const END_OF_PEER: PollFlags = PollFlags::RDHUP;

/// A stream socket, non-blocking and close-on-exec.
pub(in crate::driver::os) fn socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    net::socket_with(family, SocketType::STREAM, flags, None)
}

/// One connection, close-on-exec; a peer that is gone already may have no address left.
pub(in crate::driver::os) fn accept(
    listener: &OwnedFd,
    blocking: bool,
) -> Result<(OwnedFd, Option<SocketAddr>), Errno> {
    let blocking = if blocking { SocketFlags::empty() } else { SocketFlags::NONBLOCK };
    let (descriptor, peer) = retried(|| net::acceptfrom_with(listener, SocketFlags::CLOEXEC | blocking))?;
    Ok((descriptor, peer.and_then(|peer| peer.try_into().ok())))
}

/// Never blocks and never raises a signal; the last bytes wait for the end that follows.
pub(in crate::driver::os) fn send_flags(last: bool) -> SendFlags {
    let more = if last { SendFlags::MORE } else { SendFlags::empty() };
    SendFlags::DONTWAIT | SendFlags::NOSIGNAL | more
}

/// Whether the socket listens.
pub(in crate::driver::os) fn accepts(descriptor: &OwnedFd) -> Result<bool, Errno> {
    sockopt::socket_acceptconn(descriptor)
}

pub(in crate::driver::os) fn family(descriptor: &OwnedFd) -> Result<AddressFamily, Errno> {
    sockopt::socket_domain(descriptor)
}

/// The number of a network interface.
pub(in crate::driver::os) fn interface_index(name: &str) -> Result<u32, Errno> {
    let flags = SocketFlags::CLOEXEC;
    let any = net::socket_with(AddressFamily::INET6, SocketType::DGRAM, flags, None)?;
    net::netdevice::name_to_index(any, name)
}

/// Becomes readable when it is rung, until it is silenced.
#[derive(Debug)]
pub(in crate::driver::os) struct Doorbell(OwnedFd);

impl Doorbell {
    pub(in crate::driver::os) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(in crate::driver::os) fn ring(&self) {
        // It can only fail when the counter is full, and then it is ringing anyway.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(in crate::driver::os) fn silence(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.0, &mut count);
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
