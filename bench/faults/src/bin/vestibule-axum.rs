//! The page of `peer-axum` behind vestibule's listener.

use axum::Router;
use axum::routing::get;
use std::io::Write;
use vestibule::tokio::{Listener, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let listener = Listener::bind("127.0.0.1:0", Options::new().backlog(4096))?;
    for address in listener.local_addrs() {
        writeln!(std::io::stdout(), "ready {}", address.port())?;
    }
    let pages = Router::new().route("/", get(|| async { "Hello, World!" }));
    Ok(axum::serve(listener, pages).await?)
}
