//! WORKERS threads, each with a current thread runtime of tokio and a listener of its own on the same port.

#[path = "../tokio_server/mod.rs"]
mod tokio_server;

use peers::{Arguments, BACKLOG, Outcome, Readiness, on_each_worker};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

fn main() -> Outcome {
    on_each_worker(Arguments::parse()?, run)
}

fn run(arguments: Arguments, readiness: &Readiness) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = listen(arguments)?;
        readiness.listening()?;
        match tokio_server::serve(listener, arguments).await {}
    })
}

fn listen(arguments: Arguments) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&arguments.address().into())?;
    socket.listen(BACKLOG.into())?;
    TcpListener::from_std(socket.into())
}
