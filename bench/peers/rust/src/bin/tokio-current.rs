//! A server on tokio's current thread runtime.

#[path = "../tokio_server/mod.rs"]
mod tokio_server;

use peers::{Arguments, Outcome, listen};

fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Outcome {
    let listener = listen(arguments)?;
    match tokio_server::serve(listener, arguments).await {}
}
