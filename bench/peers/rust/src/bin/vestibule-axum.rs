//! The same page on axum behind vestibule's listener.

use axum::Router;
use axum::routing::get;
use peers::{Arguments, FORTUNE, Outcome, announce};
use vestibule::tokio::{Listener, Options};

fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Outcome {
    // Without the option, as axum leaves it.
    let listener = Listener::bind(arguments.address(), Options::new().no_delay(false))?;
    announce()?;
    let pages = Router::new().route("/", get(|| async { FORTUNE.as_slice() }));
    Ok(axum::serve(listener, pages).await?)
}
