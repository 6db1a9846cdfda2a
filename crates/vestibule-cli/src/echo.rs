//! `vestibule echo`.

use crate::arguments::Service;
use crate::output::complain;
use crate::service;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;
use vestibule::TcpSocket;

/// Sends everything back.
pub(crate) fn serve(arguments: &Service) -> Result<(), Box<dyn std::error::Error>> {
    let verbose = arguments.verbose;
    service::serve(arguments, move |server| {
        server.new_connection().connect(move |server| {
            while let Some(socket) = server.next_pending_connection() {
                if verbose {
                    log_at_end(&socket);
                }
                // What comes before the peer's end is answered also when the peer ends first.
                socket.ready_read().connect(|socket| {
                    socket.read_with(|bytes| socket.write(bytes));
                });
                socket.set_parent(server);
            }
        });
    })
}

fn log_at_end(socket: &TcpSocket) {
    let (began, sent) = (Instant::now(), Rc::new(Cell::new(0_u64)));
    let counted = Rc::clone(&sent);
    socket.bytes_written().connect(move |_, number| counted.set(counted.get() + number as u64));
    socket.disconnected().connect(move |socket| log(socket, sent.get(), began));
}

fn log(socket: &TcpSocket, sent: u64, began: Instant) {
    if let Some(peer) = socket.peer_addr() {
        complain(&format!("{peer}: echoed {sent} bytes in {:.3} s", began.elapsed().as_secs_f64()));
    }
}
