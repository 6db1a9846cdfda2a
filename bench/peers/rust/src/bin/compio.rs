//! WORKERS threads, each with a runtime of compio (on `io_uring`, its default) and a listener of its own.

use compio::BufResult;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpSocket, TcpStream};
use compio::runtime::Runtime;
use peers::{Arguments, BACKLOG, FORTUNE, Outcome, Readiness, on_each_worker};

fn main() -> Outcome {
    on_each_worker(Arguments::parse()?, |arguments, readiness| {
        let runtime = Runtime::new().map_err(|error| format!("io_uring is not available: {error}"))?;
        runtime.block_on(run(arguments, readiness))
    })
}

async fn run(arguments: Arguments, readiness: &Readiness) -> Outcome {
    let socket = TcpSocket::new_v4().await?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(arguments.workers > 1)?;
    socket.bind(arguments.address()).await?;
    // Not `TcpListener::bind`: its backlog is 128.
    let listener = socket.listen(BACKLOG.into()).await?;
    readiness.listening()?;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if arguments.fortune {
            compio::runtime::spawn(tell(stream)).detach();
        } else {
            compio::runtime::spawn(echo(stream, arguments.buffer)).detach();
        }
    }
}

async fn tell(mut stream: TcpStream) {
    let _ = stream.write_all(FORTUNE).await;
}

async fn echo(mut stream: TcpStream, buffer: usize) {
    let _ = stream.set_nodelay(true);
    let mut bytes = Vec::with_capacity(buffer);
    loop {
        let BufResult(read, filled) = stream.read(bytes).await;
        let Ok(1..) = read else { return };
        let BufResult(written, emptied) = stream.write_all(filled).await;
        if written.is_err() {
            return;
        }
        bytes = emptied;
        bytes.clear();
    }
}
