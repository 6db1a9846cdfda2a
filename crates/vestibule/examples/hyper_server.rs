//! Hyper behind vestibule's front door: limits, and an end in order.
//!
//! `cargo run --package vestibule --features tokio --example hyper_server`, then `curl http://127.0.0.1:7777/` and `kill %1`:
//! requests under way are answered, idle connections end, and what is left after ten seconds is cut and named.

#![allow(clippy::print_stdout, reason = "a program talks")]

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use vestibule::tokio::{Listener, Options};
use vestibule::{Limits, ServerHandle};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits::new().max_connections(10_000).max_connections_per_source(100);
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7777".to_owned());
    let mut listener = Listener::bind(&*address, Options::new().limits(limits))?;
    println!("listening on {}", listener.local_addrs()[0]);

    let drain = tokio::spawn(drain_on_sigterm(listener.handle(), listener.closed()));
    let graceful = GracefulShutdown::new();
    while let Some(connection) = listener.accept().await? {
        let peer = connection.peer_addr();
        let service = service_fn(move |request| answer(request, peer));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
        tokio::spawn(graceful.watch(connection));
    }
    graceful.shutdown().await; // idle connections end now, the others with their answer
    drain.await??;
    Ok(())
}

async fn answer(request: Request<Incoming>, peer: SocketAddr) -> Result<Response<String>, Infallible> {
    if request.uri().path() == "/slow" {
        tokio::time::sleep(Duration::from_millis(300)).await;
        return Ok(Response::new("done\n".to_owned()));
    }
    Ok(Response::new(format!("hello, {peer}\n")))
}

/// Unless the listener ends by itself before.
async fn drain_on_sigterm(handle: ServerHandle, closed: impl Future<Output = ()>) -> std::io::Result<()> {
    let mut sigterm = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = sigterm.recv() => {}
        () = closed => return Ok(()),
    }
    let report = handle.drain(Duration::from_secs(10)).await?;
    println!("drained: {} ended, {} cut {:?}", report.ended, report.cut, report.cut_peers);
    Ok(())
}
