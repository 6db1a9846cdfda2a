use super::connection::SimulatedConnection;
use super::pipe::WINDOW;
use super::simulated_driver::SimulatedDriver;
use crate::driver::{OptionName, SocketOption, Token};
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Connecting out, and options of connections.
impl SimulatedDriver {
    pub(in crate::driver) fn create(&mut self, local: Option<SocketAddr>) -> Result<Token, Errno> {
        let (network, stand_in) = (Arc::clone(&self.network), Arc::clone(&self.stand_in));
        Ok(self.adopt(SimulatedConnection::idle(network, stand_in, local)?, None))
    }

    pub(in crate::driver) fn connect(&mut self, token: Token, address: SocketAddr) -> Result<(), Errno> {
        let watcher = Some((self.number, token));
        let connection = self.connection_mut(token).ok_or(Errno::BADF)?;
        connection.far.connect(address)?;
        connection.far.watch(watcher);
        connection.connecting = true;
        self.hot.insert(token);
        Ok(())
    }

    pub(in crate::driver) fn finish_connecting(&mut self, token: Token) -> Result<SocketAddr, Errno> {
        let connection = self.connection_mut(token).ok_or(Errno::BADF)?;
        if connection.far.with(|pipe, side| pipe.near(side).broken) != Some(false) {
            return Err(Errno::CONNREFUSED);
        }
        connection.connecting = false;
        connection.far.peer_address().ok_or(Errno::CONNREFUSED)
    }

    pub(in crate::driver) fn set_option(&mut self, token: Token, option: SocketOption) -> Result<(), Errno> {
        let connection = self.connection_mut(token).ok_or(Errno::BADF)?;
        connection.options.set(option);
        Ok(())
    }

    pub(in crate::driver) fn option(&self, token: Token, name: OptionName) -> Result<SocketOption, Errno> {
        let options = &self.connection(token).ok_or(Errno::BADF)?.options;
        Ok(options.get(name).unwrap_or(match name {
            OptionName::NoDelay => SocketOption::NoDelay(true),
            OptionName::KeepAlive => SocketOption::KeepAlive(None),
            OptionName::SendBufferSize => SocketOption::SendBufferSize(WINDOW),
            OptionName::ReceiveBufferSize => SocketOption::ReceiveBufferSize(WINDOW),
            OptionName::TypeOfService => SocketOption::TypeOfService(0),
            OptionName::UserTimeout => SocketOption::UserTimeout(None),
        }))
    }

    pub(in crate::driver) fn reset_at_close(&mut self, token: Token) {
        if let Some(connection) = self.connection(token) {
            connection.far.reset();
        }
    }

    /// The addresses of a name: the network has one host.
    pub(in crate::driver) fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let known = host.eq_ignore_ascii_case("localhost");
        let unknown = || io::Error::other("the simulated network has one host, localhost");
        known.then(|| vec![([127, 0, 0, 1], port).into()]).ok_or_else(unknown)
    }
}
