//! A page on axum, served as axum's first example does; its log goes where `tracing_subscriber` puts it by default.

use axum::Router;
use axum::routing::get;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt::init();
    let pages = Router::new().route("/", get(|| async { "Hello, World!" }));
    axum::serve(peers::listen()?, pages).await
}
