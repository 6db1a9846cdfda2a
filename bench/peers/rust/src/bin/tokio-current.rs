//! A server on tokio's current thread runtime.

#[path = "../tokio_server/mod.rs"]
mod tokio_server;

use peers::{Arguments, BACKLOG, Outcome, announce};
use tokio::net::TcpSocket;

fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Outcome {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(arguments.address())?;
    let listener = socket.listen(BACKLOG.into())?;
    announce()?;
    match tokio_server::serve(listener, arguments).await {}
}
