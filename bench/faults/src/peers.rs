//! What the peers share: a listener with room for every client, their first line, and an echo.

use std::io::{self, Write};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Larger than the crowd of clients: none of them is to wait for the kernel to send its SYN again.
const BACKLOG: u32 = 4096;

/// Listens on a free port of this host, and prints it.
///
/// # Errors
///
/// What the system says when it cannot listen.
pub fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = socket.listen(BACKLOG)?;
    writeln!(io::stdout(), "ready {}", listener.local_addr()?.port())?;
    Ok(listener)
}

/// Sends everything back until the client ends.
///
/// # Errors
///
/// What the connection fails with.
pub async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = [0; 1024];
    loop {
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&bytes[..length]).await?;
    }
}
