//! A server on ntex, with its tokio runtime.

use ntex::codec::BytesCodec;
use ntex::io::{Io, IoConfig};
use ntex::service::fn_service;
use ntex::util::{Bytes, Either};
use ntex::{SharedCfg, server};
use peers::{Arguments, BACKLOG, FORTUNE, Outcome, announce};
use std::io;

#[ntex::main]
async fn main() -> Outcome {
    let arguments = Arguments::parse()?;
    let reading = IoConfig::new().set_read_buf(arguments.buffer, arguments.buffer / 4, 128);
    let server = server::build()
        .workers(arguments.workers)
        .backlog(BACKLOG.into())
        .maxconn(100_000)
        .bind("peer", arguments.address(), async move |_| {
            fn_service(async move |io: Io| serve(io, arguments.fortune).await)
        })?
        .config("peer", SharedCfg::new("PEER").add(reading))
        .run();
    announce()?;
    Ok(server.await?)
}

async fn serve(io: Io, fortune: bool) -> io::Result<()> {
    if fortune {
        io.send(Bytes::from_static(FORTUNE), &BytesCodec).await.map_err(Either::into_inner)?;
        return io.shutdown().await;
    }
    while let Some(bytes) = io.recv(&BytesCodec).await.map_err(Either::into_inner)? {
        io.send(bytes, &BytesCodec).await.map_err(Either::into_inner)?;
    }
    Ok(())
}
