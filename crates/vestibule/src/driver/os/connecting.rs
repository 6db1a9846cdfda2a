use super::calls;
use super::connection::{self as bits, Connection};
use super::os_driver::OsDriver;
use crate::driver::Token;
use crate::error::Operation;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily};
use std::net::SocketAddr;

/// Connecting out.
impl OsDriver {
    /// A socket that can be connected to an address of the family of `address`, bound to `local` if that is given.
    pub(in crate::driver) fn create(
        &mut self,
        address: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Token, (Operation, Errno)> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let descriptor = calls::socket(family).map_err(|errno| (Operation::CreateSocket, errno))?;
        if let Some(local) = local {
            net::bind(&descriptor, &local).map_err(|errno| (Operation::Bind, errno))?;
        }
        let (slot, generation) = self.connections.insert(Connection::idle(descriptor.into()));
        Ok(Token::connection(slot, generation))
    }

    /// Begins to connect; `Connected` or `Failed` follows.
    pub(in crate::driver) fn connect(&mut self, token: Token, address: SocketAddr) -> Result<(), Errno> {
        let connection = self.connection(token).ok_or(Errno::BADF)?;
        match net::connect(&connection.descriptor, &address) {
            // An interrupted attempt goes on.
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR | Errno::ALREADY) => {}
            Err(errno) => return Err(errno),
        }
        self.change(token, |connection| {
            connection.set(bits::IDLE, false);
            connection.set(bits::CONNECTING, true);
        });
        Ok(())
    }

    /// How the attempt ended: with whom; `AGAIN` when it has not.
    pub(in crate::driver) fn finish_connecting(&mut self, token: Token) -> Result<SocketAddr, Errno> {
        let peer = self.connection(token).ok_or(Errno::BADF)?.connected()?;
        self.change(token, |connection| connection.set(bits::CONNECTING, false));
        Ok(peer)
    }
}
