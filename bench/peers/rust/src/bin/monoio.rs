//! WORKERS threads, each with a runtime of monoio on `io_uring` and a listener of its own.

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{ListenerOpts, TcpListener, TcpStream};
use monoio::{IoUringDriver, RuntimeBuilder};
use peers::{Arguments, BACKLOG, FORTUNE, Outcome, Readiness, on_each_worker};

fn main() -> Outcome {
    if !monoio::utils::detect_uring() {
        return Err("io_uring is not available".into());
    }
    on_each_worker(Arguments::parse()?, |arguments, readiness| {
        RuntimeBuilder::<IoUringDriver>::new().build()?.block_on(run(arguments, readiness))
    })
}

async fn run(arguments: Arguments, readiness: &Readiness) -> Outcome {
    let options = ListenerOpts::new().backlog(BACKLOG.into()).reuse_port(arguments.workers > 1);
    let listener = TcpListener::bind_with_config(arguments.address(), &options)?;
    readiness.listening()?;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if arguments.fortune {
            monoio::spawn(tell(stream));
        } else {
            monoio::spawn(echo(stream, arguments.buffer));
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
        let (read, filled) = stream.read(bytes).await;
        let Ok(1..) = read else { return };
        let (written, emptied) = stream.write_all(filled).await;
        if written.is_err() {
            return;
        }
        bytes = emptied;
    }
}
