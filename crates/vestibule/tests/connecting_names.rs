//! Hosts that are neither an address nor a name, though the system's resolver would take them for one.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use support::{LIMIT, World, settle};
use vestibule::{HostAddress, SocketError, SocketState};

on_both! {
    fn short_and_hexadecimal_addresses_are_not_found(world: &World) {
        for host in ["127.1", "0x7f000001", "1", "017700000001", "2130706433"] {
            assert!(host.parse::<HostAddress>().is_err());
            let (event_loop, server, socket, log) = world.outgoing();
            socket.connect_to_host(host, server.server_port()).unwrap();
            let error = socket.wait_for_connected(Some(LIMIT)).unwrap_err();
            assert_eq!(error.kind(), SocketError::HostNotFound, "{host}: {error}");
            assert!(log.take().ends_with("unconnected HostNotFound"));
            assert_eq!((socket.state(), socket.peer_addr()), (SocketState::Unconnected, None));
            settle(&event_loop);
            assert!(!server.has_pending_connections(), "{host} was connected to");
        }
    }
}
