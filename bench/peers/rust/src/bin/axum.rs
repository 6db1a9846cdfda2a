//! A page on axum, on tokio's current thread runtime, as axum's first example serves it.

use axum::Router;
use axum::routing::get;
use peers::{Arguments, BACKLOG, FORTUNE, Outcome, announce};
use tokio::net::TcpSocket;

fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Outcome {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(arguments.address())?;
    let listener = socket.listen(BACKLOG.into())?;
    announce()?;
    let pages = Router::new().route("/", get(|| async { FORTUNE.as_slice() }));
    Ok(axum::serve(listener, pages).await?)
}
