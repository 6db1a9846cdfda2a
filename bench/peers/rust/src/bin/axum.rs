//! A page on axum, on tokio's current thread runtime, as axum's first example serves it.

use axum::Router;
use axum::routing::get;
use peers::{Arguments, FORTUNE, Outcome, listen};

fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Outcome {
    let listener = listen(arguments)?;
    let pages = Router::new().route("/", get(|| async { FORTUNE.as_slice() }));
    Ok(axum::serve(listener, pages).await?)
}
