//! `peer-tokio MODE PORT BUFFER`: the same server as `vestibule-bench-server`, as tokio's users write it (current thread).

use std::error::Error;
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().ok_or("MODE is missing")?;
    let port: u16 = arguments.next().ok_or("PORT is missing")?.parse()?;
    let buffer: usize = arguments.next().ok_or("BUFFER is missing")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(mode == "fortune", port, buffer))
}

async fn serve(fortune: bool, port: u16, buffer: usize) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    writeln!(std::io::stdout(), "ready")?;
    loop {
        let (stream, _) = listener.accept().await?;
        if fortune {
            tokio::spawn(tell(stream));
        } else {
            tokio::spawn(echo(stream, buffer));
        }
    }
}

async fn tell(mut stream: TcpStream) {
    let _ = stream.write_all(b"Fortune cookie!\n").await;
}

async fn echo(mut stream: TcpStream, buffer: usize) {
    let _ = stream.set_nodelay(true);
    let mut bytes = vec![0; buffer];
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(bytes.get(..length).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
