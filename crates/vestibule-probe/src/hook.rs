//! What overrides incoming-connection.

use crate::failure::Failure;
use crate::server::Server;
use std::rc::Rc;
use vestibule::{IncomingConnection, TcpServer, TcpSocket};

/// What the hook does with a connection.
#[derive(Clone, Copy)]
enum Mode {
    Keep,
    Drop,
    Add,
}

/// Installs the hook of this mode, or takes it back.
pub(crate) fn install(this: &Rc<Server>, mode: &str) -> Result<(), Failure> {
    let mode = match mode {
        "none" => return this.with(TcpServer::reset_incoming_connection),
        "keep" | "late" => Mode::Keep,
        "drop" => Mode::Drop,
        "add" => Mode::Add,
        _ => return Err(Failure::Malformed(format!("`{mode}` is no mode of a hook"))),
    };
    let weak = Rc::downgrade(this);
    this.with(|server| {
        server.set_incoming_connection(move |server, connection| {
            if let Some(this) = weak.upgrade() {
                this.hooked.set(this.hooked.get() + 1);
                incoming(&this, server, mode, connection);
            }
        });
    })
}

fn incoming(this: &Server, server: &TcpServer, mode: Mode, connection: IncomingConnection) {
    match mode {
        Mode::Keep => this.kept.borrow_mut().push_back(connection),
        Mode::Drop => drop(connection),
        Mode::Add => add(server, connection),
    }
}

/// Appends the connections that the hook kept.
pub(crate) fn add_kept(this: &Server) -> Result<(), Failure> {
    this.with(|server| {
        loop {
            let connection = this.kept.borrow_mut().pop_front();
            match connection {
                Some(connection) => add(server, connection),
                None => return,
            }
        }
    })
}

/// Builds the socket and appends it by hand. One that is refused is closed, which the scenario sees.
fn add(server: &TcpServer, connection: IncomingConnection) {
    let socket = TcpSocket::from_incoming(&server.event_loop(), connection);
    drop(server.add_pending_connection(socket));
}
