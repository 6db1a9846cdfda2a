//! A server on tokio's multi-thread runtime, with WORKERS worker threads.

#[path = "../tokio_server/mod.rs"]
mod tokio_server;

use peers::{Arguments, Outcome, listen};

fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(arguments.workers).enable_io().build()?;
    // Spawned: what `block_on` runs stays outside the workers, and each connection would change threads.
    let server = runtime.spawn(async move { run(arguments).await.map_err(|error| error.to_string()) });
    Ok(runtime.block_on(server)??)
}

async fn run(arguments: Arguments) -> Outcome {
    let listener = listen(arguments)?;
    match tokio_server::serve(listener, arguments).await {}
}
