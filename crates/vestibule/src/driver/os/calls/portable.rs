use super::retried;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SendFlags, SocketType};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// What poll is asked for to tell the peer's end; whether bytes precede it is looked at then.
pub(in crate::driver::os) const END_OF_PEER: PollFlags = PollFlags::IN;

/// A stream socket, non-blocking and close-on-exec.
pub(in crate::driver::os) fn socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    #[cfg(not(target_vendor = "apple"))]
    {
        let flags = net::SocketFlags::CLOEXEC | net::SocketFlags::NONBLOCK;
        net::socket_with(family, SocketType::STREAM, flags, None)
    }
    #[cfg(target_vendor = "apple")]
    {
        let descriptor = net::socket(family, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        // What a listener accepts inherits it.
        net::sockopt::set_socket_nosigpipe(&descriptor, true)?;
        Ok(descriptor)
    }
}

/// One connection, close-on-exec; a peer that is gone already may have no address left.
pub(in crate::driver::os) fn accept(
    listener: &OwnedFd,
    blocking: bool,
) -> Result<(OwnedFd, Option<SocketAddr>), Errno> {
    #[cfg(not(target_vendor = "apple"))]
    let (descriptor, peer) = {
        let flag = if blocking { net::SocketFlags::empty() } else { net::SocketFlags::NONBLOCK };
        retried(|| net::acceptfrom_with(listener, net::SocketFlags::CLOEXEC | flag))?
    };
    #[cfg(target_vendor = "apple")]
    let (descriptor, peer) = {
        let (descriptor, peer) = retried(|| net::acceptfrom(listener))?;
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&descriptor, !blocking)?; // it is as the listener, else
        (descriptor, peer)
    };
    Ok((descriptor, peer.and_then(|peer| peer.try_into().ok())))
}

/// Never blocks and never raises a signal; that these are the last bytes cannot be said everywhere.
pub(in crate::driver::os) fn send_flags(_last: bool) -> SendFlags {
    #[cfg(not(target_vendor = "apple"))]
    return SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    return SendFlags::DONTWAIT;
}

/// Whether the socket listens, as far as the system tells.
#[allow(clippy::unnecessary_wraps, reason = "where the system tells, it may fail")]
pub(in crate::driver::os) fn accepts(descriptor: &OwnedFd) -> Result<bool, Errno> {
    #[cfg(not(target_vendor = "apple"))]
    return net::sockopt::socket_acceptconn(descriptor);
    #[cfg(target_vendor = "apple")]
    return Ok(matches!(net::getpeername(descriptor), Err(Errno::NOTCONN)));
}

pub(in crate::driver::os) fn family(descriptor: &OwnedFd) -> Result<AddressFamily, Errno> {
    Ok(net::getsockname(descriptor)?.address_family())
}

/// The number of a network interface.
pub(in crate::driver::os) fn interface_index(name: &str) -> Result<u32, Errno> {
    // The one portable call without unsafe code that knows interfaces reads a literal address; it asks nobody.
    let mut found = (format!("fe80::1%{name}"), 0).to_socket_addrs().map_err(|_| Errno::NODEV)?;
    match found.next() {
        Some(SocketAddr::V6(address)) if address.scope_id() != 0 => Ok(address.scope_id()),
        _ => Err(Errno::NODEV),
    }
}

/// Becomes readable when it is rung, until it is silenced.
#[derive(Debug)]
pub(in crate::driver::os) struct Doorbell {
    inside: UnixStream,
    outside: UnixStream,
}

impl Doorbell {
    pub(in crate::driver::os) fn new() -> io::Result<Self> {
        let (inside, outside) = UnixStream::pair()?;
        inside.set_nonblocking(true)?;
        outside.set_nonblocking(true)?;
        Ok(Self { inside, outside })
    }

    pub(in crate::driver::os) fn ring(&self) {
        // It can only fail when the pipe is full, and then it is ringing anyway.
        let _ = (&self.outside).write(&[1]);
    }

    pub(in crate::driver::os) fn silence(&self) {
        let mut rings = [0; 16];
        let _ = (&self.inside).read(&mut rings); // a ring more than fits is a turn more
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inside.as_fd()
    }
}
