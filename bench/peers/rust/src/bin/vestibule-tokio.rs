//! vestibule's listener under tokio's current thread runtime, in the place of tokio's own; for each worker a shard of it.

use peers::{Arguments, FORTUNE, Outcome, announce, on_threads};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule::tokio::{Connection, Listener, Options};

fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    // Without the option, as the peer leaves it unless it is tuned.
    let options = Options::new().no_delay(false);
    let listener = Listener::bind(arguments.address(), options)?;
    let shards = listener.shards(arguments.workers).map_err(|rejected| rejected.error)?;
    announce()?;
    on_threads(shards, |shard| run(shard, arguments))
}

fn run(listener: Listener, arguments: Arguments) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(listener, arguments))
}

async fn serve(mut listener: Listener, arguments: Arguments) -> Outcome {
    while let Some(connection) = listener.accept().await? {
        if arguments.fortune {
            tokio::spawn(tell(connection));
        } else {
            tokio::spawn(echo(connection, arguments.buffer));
        }
    }
    Ok(())
}

async fn tell(mut connection: Connection) {
    let _ = connection.write_all(FORTUNE).await;
}

async fn echo(mut connection: Connection, buffer: usize) {
    let mut bytes = vec![0; buffer];
    while let Ok(length @ 1..) = connection.read(&mut bytes).await {
        if connection.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
