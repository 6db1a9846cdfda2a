//! The server that the programs on tokio share.

use peers::{Arguments, FORTUNE};
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) async fn serve(listener: TcpListener, arguments: Arguments) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if arguments.fortune {
            tokio::spawn(tell(stream));
        } else {
            tokio::spawn(echo(stream, arguments.buffer));
        }
    }
}

/// From this size of the buffer on, a server is a tuned one.
const TUNED: usize = 256 << 10;

async fn tell(mut stream: TcpStream) {
    let _ = stream.write_all(FORTUNE).await;
}

async fn echo(mut stream: TcpStream, buffer: usize) {
    // Few users set it; those who care for throughput do, with a large buffer.
    if buffer >= TUNED {
        let _ = stream.set_nodelay(true);
    }
    let mut bytes = vec![0; buffer];
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
