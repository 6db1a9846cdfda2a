//! Errors: the reference's kinds, numbers and texts, one sentence for people, and nothing lost that the call had taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::geteuid;
use std::error::Error as _;
use std::io::{self, ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use vestibule::{
    AddressParseError, Endpoint, Error, EventLoop, HostAddress, Operation, SocketError, TcpServer,
};

#[test]
fn the_kinds_have_the_numbers_of_the_reference() {
    use SocketError as E;
    let in_order = [
        E::ConnectionRefused,
        E::RemoteHostClosed,
        E::HostNotFound,
        E::SocketAccess,
        E::SocketResource,
        E::SocketTimeout,
        E::DatagramTooLarge,
        E::Network,
        E::AddressInUse,
        E::SocketAddressNotAvailable,
        E::UnsupportedSocketOperation,
        E::UnfinishedSocketOperation,
        E::ProxyAuthenticationRequired,
        E::SslHandshakeFailed,
        E::ProxyConnectionRefused,
        E::ProxyConnectionClosed,
        E::ProxyConnectionTimeout,
        E::ProxyNotFound,
        E::ProxyProtocol,
        E::Operation,
        E::SslInternal,
        E::SslInvalidUserData,
        E::Temporary,
    ];
    for (code, kind) in (0..).zip(in_order) {
        assert_eq!(kind.code(), code, "{kind:?}");
        assert_eq!(kind.to_string(), kind.text());
        assert!(in_order[..usize::try_from(code).unwrap()].iter().all(|other| other.text() != kind.text()));
    }
    assert_eq!(in_order.len(), 23);
    assert_eq!((E::Unknown.code(), E::Unknown.text(), E::default()), (-1, "Unknown error", E::Unknown));
}

#[test]
fn each_errno_has_the_kind_that_the_reference_gives_it_in_that_operation() {
    use {Errno as N, Operation as O, SocketError as E};
    let table = [
        (O::CreateSocket, &[N::PROTONOSUPPORT, N::AFNOSUPPORT, N::INVAL][..], E::UnsupportedSocketOperation),
        (O::CreateSocket, &[N::MFILE, N::NFILE, N::NOBUFS, N::NOMEM], E::SocketResource),
        (O::CreateSocket, &[N::ACCESS], E::SocketAccess),
        (O::CreateSocket, &[N::IO, N::ADDRINUSE, N::NOENT], E::Unknown),
        (O::Bind, &[N::ADDRINUSE], E::AddressInUse),
        (O::Bind, &[N::ACCESS], E::SocketAccess),
        (O::Bind, &[N::ADDRNOTAVAIL], E::SocketAddressNotAvailable),
        (O::Bind, &[N::INVAL], E::UnsupportedSocketOperation),
        (O::Bind, &[N::IO, N::LOOP, N::ROFS, N::CONNRESET], E::Unknown),
        (O::Listen, &[N::ADDRINUSE], E::AddressInUse),
        (O::Listen, &[N::IO, N::NOENT, N::TIMEDOUT], E::Unknown),
        (O::Accept, &[N::MFILE, N::NFILE, N::NOBUFS, N::NOMEM], E::SocketResource),
        (O::Accept, &[N::BADF, N::OPNOTSUPP, N::INVAL], E::UnsupportedSocketOperation),
        (O::Accept, &[N::CONNABORTED], E::Network),
        (O::Accept, &[N::ACCESS, N::PERM], E::SocketAccess),
        (O::Accept, &[N::AGAIN], E::Temporary),
        (O::AdoptListener, &[N::NOTSOCK, N::BADF, N::INVAL, N::OPNOTSUPP], E::UnsupportedSocketOperation),
        (O::Receive, &[N::CONNRESET, N::PIPE], E::RemoteHostClosed),
        (O::Send, &[N::CONNRESET, N::PIPE], E::RemoteHostClosed),
        (O::Receive, &[N::TIMEDOUT], E::SocketTimeout),
        (O::Receive, &[N::CONNREFUSED], E::ConnectionRefused),
        (O::Send, &[N::NETUNREACH, N::HOSTUNREACH, N::NETDOWN], E::Network),
        (O::Send, &[N::NOBUFS, N::NOMEM], E::SocketResource),
        (O::Send, &[N::PERM], E::SocketAccess),
    ];
    for (operation, errnos, kind) in table {
        for errno in errnos {
            let error = io::Error::from(*errno);
            assert_eq!(SocketError::from_io(&error, operation), kind, "{errno:?} in {operation:?}");
        }
    }
}

#[test]
fn an_error_without_an_errno_has_the_kind_of_its_std_kind() {
    use SocketError as E;
    for (std, kind) in [
        (ErrorKind::ConnectionRefused, E::ConnectionRefused),
        (ErrorKind::ConnectionReset, E::RemoteHostClosed),
        (ErrorKind::BrokenPipe, E::RemoteHostClosed),
        (ErrorKind::PermissionDenied, E::SocketAccess),
        (ErrorKind::OutOfMemory, E::SocketResource),
        (ErrorKind::TimedOut, E::SocketTimeout),
        (ErrorKind::AddrInUse, E::AddressInUse),
        (ErrorKind::AddrNotAvailable, E::SocketAddressNotAvailable),
        (ErrorKind::Unsupported, E::UnsupportedSocketOperation),
        (ErrorKind::NetworkUnreachable, E::Network),
        (ErrorKind::WouldBlock, E::Temporary),
        (ErrorKind::InvalidData, E::Unknown),
        (ErrorKind::Other, E::Unknown),
    ] {
        assert_eq!(SocketError::from_io(&io::Error::from(std), Operation::Bind), kind, "{std:?}");
        assert_eq!(SocketError::from_io(&io::Error::new(std, "words"), Operation::Receive), kind, "{std:?}");
    }
}

#[test]
fn an_error_is_one_word_and_may_go_anywhere() {
    fn goes_anywhere<T: Send + Sync + 'static>() {}
    goes_anywhere::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    assert_eq!(size_of::<vestibule::Result<()>>(), size_of::<usize>());
}

fn fails_to_listen(address: &str, port: u16) -> (TcpServer, Error) {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    let error = server.listen(HostAddress::try_from(address).unwrap(), port).unwrap_err();
    assert!(!server.is_listening());
    assert_eq!((server.server_error(), server.error_string()), (error.kind(), error.error_string()));
    assert_eq!(format!("{error:?}"), error.to_string(), "what `main` prints is the sentence too");
    (server, error)
}

#[test]
fn a_used_port_is_told_in_one_sentence_and_in_the_references_words() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (_server, error) = fails_to_listen("127.0.0.1", port);
    assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{port}: address already in use"));
    assert_eq!((error.kind(), error.operation()), (SocketError::AddressInUse, Operation::Bind));
    assert_eq!(error.error_string(), "The bound address is already in use");
    assert_eq!(error.endpoint(), Some(Endpoint::new(HostAddress::LOCALHOST, port)));
    assert!(!error.is_already_listening());
    assert!(error.into_descriptor().is_none(), "it had taken none");
}

#[test]
fn a_foreign_address_is_told_and_the_systems_error_is_kept_as_the_source() {
    let (_server, error) = fails_to_listen("1.2.3.4", 0);
    assert_eq!(error.to_string(), "cannot listen on 1.2.3.4:0: cannot assign requested address");
    assert_eq!(error.kind(), SocketError::SocketAddressNotAvailable);
    assert_eq!(error.error_string(), "The address is not available");
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.raw_os_error(), Some(Errno::ADDRNOTAVAIL.raw_os_error()));
    assert_eq!(io::Error::from(error).kind(), ErrorKind::AddrNotAvailable);
}

#[test]
fn an_address_that_cannot_be_listened_on_is_unsupported() {
    for address in ["::ffff:127.0.0.1", "fe80::1", "fe80::1%nosuch"] {
        let (_server, error) = fails_to_listen(address, 0);
        assert_eq!(error.kind(), SocketError::UnsupportedSocketOperation, "{address}");
        assert_eq!(error.error_string(), "Unsupported socket operation", "{address}");
        assert!(error.to_string().starts_with(&format!("cannot listen on [{address}]:0: ")), "{error}");
    }
}

/// Needs a process without privileges: where the tests have them, the test runs itself again without.
#[test]
fn a_protected_port_is_told_in_one_sentence_and_in_the_references_words() {
    let first_free = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first_free.is_ok_and(|port| port.trim().parse::<u16>().unwrap() <= 80) {
        return; // no port is protected here
    }
    if geteuid().is_root() {
        let name = "a_protected_port_is_told_in_one_sentence_and_in_the_references_words";
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name]).uid(65534).gid(65534).stdout(Stdio::null());
        match child.status() {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {} // not even the program is readable then
            status => assert!(status.unwrap().success(), "as nobody"),
        }
        return;
    }
    let (_server, error) = fails_to_listen("127.0.0.1", 80);
    assert_eq!(error.to_string(), "cannot listen on 127.0.0.1:80: permission denied");
    assert_eq!(error.kind(), SocketError::SocketAccess);
    assert_eq!(error.error_string(), "The address is protected");
}

#[test]
fn listening_twice_is_an_error_of_its_own_that_changes_nothing() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::bind(&event_loop, "127.0.0.1:0").unwrap();
    let port = server.server_port();
    let error = server.listen(HostAddress::LOCALHOST, port).unwrap_err();
    assert!(error.is_already_listening() && error.source().is_none());
    assert_eq!(
        error.to_string(),
        format!("cannot listen on 127.0.0.1:{port}: the server is listening already")
    );
    assert_eq!((server.server_error(), server.error_string()), (SocketError::Unknown, ""));
    let descriptor: OwnedFd = TcpListener::bind("127.0.0.1:0").unwrap().into();
    let number = descriptor.as_raw_fd();
    let error = server.set_socket_descriptor(descriptor).unwrap_err();
    assert!(error.is_already_listening() && server.server_port() == port);
    assert_eq!(error.into_descriptor().unwrap().as_raw_fd(), number);
}

#[test]
fn a_descriptor_that_is_no_listener_comes_back() {
    let stream = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(stream.local_addr().unwrap()).unwrap();
    let unbound = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let local = std::env::temp_dir().join(format!("vestibule-errors-{}", std::process::id()));
    let unix = UnixListener::bind(&local).unwrap();
    std::fs::remove_file(&local).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let event_loop = EventLoop::new().unwrap();
    for descriptor in [connected.into(), unbound, OwnedFd::from(unix), udp.into()] {
        let number = descriptor.as_raw_fd();
        let server = TcpServer::new(&event_loop);
        let error = server.set_socket_descriptor(descriptor).unwrap_err();
        assert_eq!(error.kind(), SocketError::UnsupportedSocketOperation, "{error}");
        assert_eq!(error.operation(), Operation::AdoptListener);
        assert!(error.to_string().starts_with("cannot listen on the descriptor: "), "{error}");
        assert_eq!(server.error_string(), "Unsupported socket operation");
        assert!(!server.is_listening());
        assert_eq!(error.into_descriptor().unwrap().as_raw_fd(), number);
    }
}

#[test]
fn a_pipe_comes_back_unharmed_with_what_is_in_it() {
    let mut child = Command::new("echo").arg("still here").stdout(Stdio::piped()).spawn().unwrap();
    let pipe: OwnedFd = child.stdout.take().unwrap().into();
    child.wait().unwrap();
    let event_loop = EventLoop::new().unwrap();
    let error = TcpServer::new(&event_loop).set_socket_descriptor(pipe).unwrap_err();
    assert_eq!(error.error_string(), "Unsupported socket operation");
    let mut text = String::new();
    std::fs::File::from(error.into_descriptor().unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here\n");
}

#[test]
fn a_text_that_is_no_endpoint_is_an_error_that_names_it() {
    let event_loop = EventLoop::new().unwrap();
    let error = TcpServer::bind(&event_loop, "localhost:80").unwrap_err();
    assert_eq!(error.to_string(), "cannot read the address: `localhost:80` is not ADDRESS:PORT");
    assert_eq!((error.operation(), error.endpoint()), (Operation::ParseAddress, None));
    assert!(error.source().unwrap().is::<AddressParseError>());
    assert_eq!(io::Error::from(error).kind(), ErrorKind::InvalidInput);
}

#[test]
fn an_io_error_keeps_the_kind_the_sentence_and_the_whole_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_server, error) = fails_to_listen("127.0.0.1", taken.local_addr().unwrap().port());
    let sentence = error.to_string();
    let converted = io::Error::from(error);
    assert_eq!((converted.kind(), converted.to_string()), (ErrorKind::AddrInUse, sentence));
    let whole = converted.into_inner().unwrap().downcast::<Error>().unwrap();
    assert_eq!(whole.kind(), SocketError::AddressInUse);
}
