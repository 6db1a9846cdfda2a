//! An echo on actix-server with one worker; its log goes where `tracing_subscriber` puts it by default.

use actix_server::Server;
use actix_service::fn_service;
use peers::{echo, listen};

#[actix_rt::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt::init();
    // Bound here and not by actix, which does not tell the port that it was given.
    let listener = listen()?.into_std()?;
    Server::build().workers(1).listen("echo", listener, || fn_service(echo))?.run().await
}
