use super::calls;
use super::os_driver::OsDriver;
use crate::driver::{KeepAlive, OptionName, SocketOption, Token};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, sockopt};
use std::net::SocketAddrV6;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Options of connections.
impl OsDriver {
    pub(in crate::driver) fn set_option(&mut self, token: Token, option: SocketOption) -> Result<(), Errno> {
        let descriptor = &self.connection(token).ok_or(Errno::BADF)?.descriptor;
        match option {
            SocketOption::NoDelay(on) => sockopt::set_tcp_nodelay(descriptor, on),
            SocketOption::KeepAlive(keep_alive) => set_keep_alive(descriptor, keep_alive),
            SocketOption::SendBufferSize(size) => sockopt::set_socket_send_buffer_size(descriptor, size),
            SocketOption::ReceiveBufferSize(size) => sockopt::set_socket_recv_buffer_size(descriptor, size),
            SocketOption::TypeOfService(value) if speaks_ipv4(descriptor)? => {
                sockopt::set_ip_tos(descriptor, value)
            }
            SocketOption::TypeOfService(value) => sockopt::set_ipv6_tclass(descriptor, value.into()),
            SocketOption::UserTimeout(timeout) => calls::set_user_timeout(descriptor, timeout),
        }
    }

    pub(in crate::driver) fn option(&self, token: Token, name: OptionName) -> Result<SocketOption, Errno> {
        let descriptor = &self.connection(token).ok_or(Errno::BADF)?.descriptor;
        Ok(match name {
            OptionName::NoDelay => SocketOption::NoDelay(sockopt::tcp_nodelay(descriptor)?),
            OptionName::KeepAlive => SocketOption::KeepAlive(keep_alive(descriptor)?),
            OptionName::SendBufferSize => {
                SocketOption::SendBufferSize(sockopt::socket_send_buffer_size(descriptor)?)
            }
            OptionName::ReceiveBufferSize => {
                SocketOption::ReceiveBufferSize(sockopt::socket_recv_buffer_size(descriptor)?)
            }
            OptionName::TypeOfService if speaks_ipv4(descriptor)? => {
                SocketOption::TypeOfService(sockopt::ip_tos(descriptor)?)
            }
            OptionName::TypeOfService => {
                let class = sockopt::ipv6_tclass(descriptor)?;
                SocketOption::TypeOfService(u8::try_from(class).unwrap_or(u8::MAX))
            }
            OptionName::UserTimeout => SocketOption::UserTimeout(calls::user_timeout(descriptor)?),
        })
    }
}

/// Whether packets are IPv4's, which also those of an IPv6 socket with an IPv4-mapped peer are.
fn speaks_ipv4(descriptor: &OwnedFd) -> Result<bool, Errno> {
    if calls::family(descriptor)? == AddressFamily::INET {
        return Ok(true);
    }
    let peer = net::getpeername(descriptor).ok().flatten().and_then(|peer| SocketAddrV6::try_from(peer).ok());
    Ok(peer.is_some_and(|peer| peer.ip().to_ipv4_mapped().is_some()))
}

fn set_keep_alive(descriptor: &OwnedFd, keep_alive: Option<KeepAlive>) -> Result<(), Errno> {
    if let Some(KeepAlive { idle, interval, count }) = keep_alive {
        if let Some(idle) = idle {
            sockopt::set_tcp_keepidle(descriptor, whole_seconds(idle))?;
        }
        if let Some(interval) = interval {
            sockopt::set_tcp_keepintvl(descriptor, whole_seconds(interval))?;
        }
        if let Some(count) = count {
            sockopt::set_tcp_keepcnt(descriptor, count)?;
        }
    }
    sockopt::set_socket_keepalive(descriptor, keep_alive.is_some())
}

/// The system counts seconds and takes none for an error: what is shorter is one.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs().max(1))
}

fn keep_alive(descriptor: &OwnedFd) -> Result<Option<KeepAlive>, Errno> {
    if !sockopt::socket_keepalive(descriptor)? {
        return Ok(None);
    }
    Ok(Some(KeepAlive {
        idle: Some(sockopt::tcp_keepidle(descriptor)?),
        interval: Some(sockopt::tcp_keepintvl(descriptor)?),
        count: Some(sockopt::tcp_keepcnt(descriptor)?),
    }))
}
