use super::calls;
use super::connection::local_address;
use super::poller::{EXCLUSIVE, READ, Signs, WATCH};
use crate::address::{Endpoint, HostAddress, Kind};
use crate::driver::Transport;
use crate::driver::transport::Line;
use crate::error::{Error, Operation};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketType, sockopt};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

/// A listening socket in the table of the driver.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) descriptor: Rc<OwnedFd>,
    /// Whether connections may be accepted.
    pub(super) granted: bool,
    /// Whether accepted descriptors are to be blocking.
    pub(super) blocking: bool,
    /// Whether other loops wait for the same clients.
    pub(super) shared: bool,
    pub(super) armed: Signs,
}

impl Listener {
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self { descriptor: Rc::new(descriptor), granted: false, blocking: false, shared: false, armed: 0 }
    }

    pub(super) fn wanted(&self) -> Signs {
        match (self.granted, self.shared) {
            (false, _) => 0,
            (true, false) => READ | WATCH,
            (true, true) => READ | WATCH | EXCLUSIVE,
        }
    }

    /// One call; the descriptor is close-on-exec from birth.
    pub(super) fn accept(&self) -> Result<(Transport, SocketAddr), Errno> {
        let (descriptor, peer) = calls::accept(&self.descriptor, self.blocking)?;
        // A peer that is gone already may have no address left: that connection is the only one concerned.
        let peer = peer.ok_or(Errno::CONNABORTED)?;
        Ok((Transport::new(Line::Descriptor { descriptor: descriptor.into(), shared: false }), peer))
    }
}

/// Where and how to listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListenRequest {
    pub(crate) endpoint: Endpoint,
    pub(crate) backlog: u32,
    pub(crate) no_delay: bool,
    pub(crate) reuse_port: bool,
    /// For how long a client is kept from the server that has sent nothing.
    pub(crate) defer_accept: Option<Duration>,
}

/// Which step of listening failed, and why.
#[derive(Debug)]
pub(crate) struct ListenFailure {
    pub(crate) operation: Operation,
    pub(crate) error: io::Error,
}

impl ListenFailure {
    pub(crate) fn at(self, endpoint: Endpoint) -> Error {
        Error::system(self.operation, self.error).at(endpoint)
    }
}

fn failure(operation: Operation) -> impl Fn(Errno) -> ListenFailure {
    move |errno| ListenFailure { operation, error: errno.into() }
}

/// A socket that listens as asked, and where it really does. Nothing stays open when it fails.
pub(crate) fn listen(request: &ListenRequest) -> Result<(OwnedFd, Endpoint), ListenFailure> {
    match request.endpoint.address.0 {
        Kind::Any => match listen_on(request, any_address(request.endpoint.port), Some(false)) {
            Err(failed) if lacks_family(&failed) => {
                let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, request.endpoint.port);
                listen_on(request, address.into(), None)
            }
            Ok((descriptor, endpoint)) => {
                Ok((descriptor, Endpoint { address: HostAddress::ANY, ..endpoint }))
            }
            failed @ Err(_) => failed,
        },
        Kind::V4(address) => {
            listen_on(request, SocketAddrV4::new(address, request.endpoint.port).into(), None)
        }
        Kind::V6(address, _) => {
            let scope = scope_index(request.endpoint.address.scope_id()).map_err(failure(Operation::Bind))?;
            let address = SocketAddrV6::new(address, request.endpoint.port, 0, scope);
            let (descriptor, endpoint) = listen_on(request, address.into(), Some(true))?;
            Ok((descriptor, Endpoint { address: request.endpoint.address, ..endpoint }))
        }
        Kind::Null => Err(failure(Operation::Bind)(Errno::INVAL)),
    }
}

fn any_address(port: u16) -> SocketAddr {
    SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0).into()
}

/// Whether the host has no IPv6.
fn lacks_family(failed: &ListenFailure) -> bool {
    let errno = Errno::from_io_error(&failed.error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::OPNOTSUPP)) && failed.operation != Operation::Listen
}

fn listen_on(
    request: &ListenRequest,
    address: SocketAddr,
    only_ipv6: Option<bool>,
) -> Result<(OwnedFd, Endpoint), ListenFailure> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let descriptor = calls::socket(family).map_err(failure(Operation::CreateSocket))?;
    let prepare = || {
        if let Some(only) = only_ipv6 {
            sockopt::set_ipv6_v6only(&descriptor, only)?;
        }
        sockopt::set_socket_reuseaddr(&descriptor, true)?;
        if request.reuse_port {
            sockopt::set_socket_reuseport(&descriptor, true)?;
        }
        if request.no_delay {
            sockopt::set_tcp_nodelay(&descriptor, true)?; // accepted connections inherit it
        }
        if let Some(limit) = request.defer_accept {
            calls::set_defer_accept(&descriptor, limit)?;
        }
        net::bind(&descriptor, &address)
    };
    prepare().map_err(failure(Operation::Bind))?;
    let backlog = i32::try_from(request.backlog).unwrap_or(i32::MAX);
    net::listen(&descriptor, backlog).map_err(failure(Operation::Listen))?;
    let bound = local_address(descriptor.as_fd()).unwrap_or(address);
    Ok((descriptor, bound.into()))
}

/// The number of the interface that a scope names.
pub(super) fn scope_index(scope: Option<&str>) -> Result<u32, Errno> {
    let Some(scope) = scope else { return Ok(0) };
    scope.parse().or_else(|_| calls::interface_index(scope))
}

/// Makes sure that a descriptor can accept, prepares it, and tells where it listens.
pub(crate) fn check_listening(descriptor: &OwnedFd) -> Result<Endpoint, Errno> {
    if sockopt::socket_type(descriptor)? != SocketType::STREAM {
        return Err(Errno::PROTOTYPE);
    }
    let family = calls::family(descriptor)?;
    if family != AddressFamily::INET && family != AddressFamily::INET6 {
        return Err(Errno::PROTOTYPE);
    }
    if !calls::accepts(descriptor)? {
        return Err(Errno::INVAL);
    }
    rustix::io::ioctl_fionbio(descriptor, true)?;
    rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    let bound = local_address(descriptor.as_fd()).ok_or(Errno::PROTOTYPE)?;
    let dual_stack = bound.is_ipv6() && bound.ip().is_unspecified() && !sockopt::ipv6_v6only(descriptor)?;
    let mut endpoint = Endpoint::from(bound);
    if dual_stack {
        endpoint.address = HostAddress::ANY;
    }
    Ok(endpoint)
}
