//! A server on actix-server.

use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::fn_service;
use peers::{Arguments, BACKLOG, FORTUNE, Outcome, announce};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[actix_rt::main]
async fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    let builder = Server::build()
        .workers(arguments.workers)
        .backlog(BACKLOG.into())
        .max_concurrent_connections(100_000)
        .bind("peer", arguments.address(), move || {
            fn_service(move |stream: TcpStream| serve(stream, arguments))
        })?;
    let server = builder.run();
    announce()?;
    Ok(server.await?)
}

async fn serve(mut stream: TcpStream, arguments: Arguments) -> io::Result<()> {
    if arguments.fortune {
        return stream.write_all(FORTUNE).await;
    }
    stream.set_nodelay(true)?;
    let mut bytes = vec![0; arguments.buffer];
    loop {
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&bytes[..length]).await?;
    }
}
