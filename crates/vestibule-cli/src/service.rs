//! What all servers do: listen, serve until a signal comes, and end cleanly.

use crate::arguments::Service;
use crate::output::{complain, say};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::time::Duration;
use vestibule::{Endpoint, EventLoop, EventLoopHandle, ListenOptions, TcpServer};

/// How long connections that are ending may take when the program ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves until SIGINT or SIGTERM; `prepare` says what happens with a connection.
pub(crate) fn serve(
    service: &Service,
    prepare: impl FnOnce(&TcpServer),
) -> Result<(), Box<dyn std::error::Error>> {
    let event_loop = EventLoop::new()?;
    let server = TcpServer::new(&event_loop);
    server.accept_error().connect(|server, _| {
        complain(&format!("vestibule: cannot accept now: {}", server.error_string().to_lowercase()));
    });
    prepare(&server);
    server.listen_with(ListenOptions::new(service.listen))?;
    quit_on_signals(event_loop.handle())?;
    let address = server.local_addr().map_or(service.listen, Endpoint::from);
    say(&format!("listening on {address}"));
    event_loop.run()?;
    drop(server);
    event_loop.finish(LAST_WORDS)?;
    Ok(())
}

/// The loop learns of signals from a thread; the first ends it.
fn quit_on_signals(handle: EventLoopHandle) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.forever().next().is_some() {
            handle.quit();
        }
    })?;
    Ok(())
}
