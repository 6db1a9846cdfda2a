//! Axum behind vestibule's front door: limits, and an end in order.
//!
//! `cargo run --package vestibule --features axum --example axum_server`, then `curl http://127.0.0.1:7777/` and
//! `kill %1`: requests under way are answered, idle connections end, and what is left after ten seconds is cut and named.

#![allow(clippy::print_stdout, reason = "a program talks")]

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use vestibule::tokio::{Listener, Options, Peer};
use vestibule::{Limits, ServerHandle};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits::new().max_connections(10_000).max_connections_per_source(100);
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7777".to_owned());
    let listener = Listener::bind(&*address, Options::new().limits(limits))?;
    println!("listening on {}", listener.local_addrs()[0]);

    let drain = tokio::spawn(drain_on_sigterm(listener.handle(), listener.closed()));
    let closed = listener.closed();
    let app = Router::new().route("/", get(hello)).route("/slow", get(slow));
    let app = app.into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, app).with_graceful_shutdown(closed).await?;
    drain.await??;
    Ok(())
}

async fn hello(ConnectInfo(peer): ConnectInfo<Peer>) -> String {
    format!("hello, {}\n", peer.address)
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(300)).await;
    "done\n"
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
