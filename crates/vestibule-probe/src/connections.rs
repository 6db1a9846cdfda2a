//! The connections that were taken, by name.

use crate::connection::Connection;
use crate::log::Log;
use std::cell::RefCell;
use std::collections::HashMap;
use vestibule::{TcpSocket, WeakTcpSocket};

/// The connections that were taken and are not gone, by name.
///
/// No method holds a borrow while a socket does anything, so all may be called in slots.
#[derive(Default)]
pub(crate) struct Connections(RefCell<HashMap<String, Connection>>);

impl Connections {
    /// Keeps a connection; one that had the name before is ended.
    pub(crate) fn keep(&self, name: &str, connection: Connection) {
        let earlier = self.0.borrow_mut().insert(name.to_owned(), connection);
        drop(earlier);
    }

    /// Gives a connection up, which ends its name.
    pub(crate) fn give_up(&self, name: &str) -> Option<TcpSocket> {
        let connection = self.0.borrow_mut().remove(name)?;
        Some(connection.socket)
    }

    pub(crate) fn socket(&self, name: &str) -> Option<WeakTcpSocket> {
        Some(self.0.borrow().get(name)?.socket.downgrade())
    }

    pub(crate) fn log(&self, name: &str) -> Option<Log> {
        Some(self.0.borrow().get(name)?.log.clone())
    }
}
