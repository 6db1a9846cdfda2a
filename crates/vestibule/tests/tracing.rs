//! Each connection has a span, in which its slots run: `cargo test --package vestibule --features tracing --test tracing`.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vestibule::simulation::SimulatedNetwork;
use vestibule::{HostAddress, TcpServer};

/// What was logged.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_slot_logs_is_in_the_span_of_its_connection() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let network = SimulatedNetwork::new(1).unwrap();
        let event_loop = network.event_loop();
        let server = TcpServer::new(&event_loop);
        server.listen(HostAddress::ANY, 7).unwrap();
        server.new_connection().connect(|server| {
            let socket = server.next_pending_connection().unwrap();
            socket.ready_read().connect(|_| tracing::info!("a request"));
            socket.set_parent(server);
        });
        network.fail_accept(1, 24);
        let client = network.connect(7).unwrap();
        client.write(b"hello").unwrap();
        for _ in 0..10 {
            event_loop.process_events(Some(Duration::from_millis(10))).unwrap();
        }
        let peer = client.local_addr().unwrap();
        drop(client);
        for _ in 0..10 {
            event_loop.process_events(Some(Duration::from_millis(10))).unwrap();
        }
        let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let with = |text: &str| log.lines().find(|line| line.contains(text)).map(str::to_owned);
        let span = format!("connection{{peer={peer}}}");
        assert!(with("a request").is_some_and(|line| line.contains(&span)), "{log}");
        assert!(
            with("the connection ends").is_some_and(|line| line.contains("the peer has ended it")),
            "{log}"
        );
        assert!(with("cannot accept on").is_some_and(|line| line.contains("WARN")), "{log}");
    });
}
