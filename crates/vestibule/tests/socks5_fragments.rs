//! What a SOCKS5 proxy says comes in parts, or all at once with what the client behind it says: each byte belongs to whom it is for.
//!
//! The proxies here say everything without being asked, which is the most that can come together:
//!
//! 1. The method, the verdict on the user, both replies and the client's first bytes are sent up to a cut.
//! 2. All of that which may be read is read. The rest of the client's bytes waits in the system.
//! 3. What is behind the cut is sent.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use support::socks5_script::{Script, Step};
use support::socks5_wire::reply;
use support::{LIMIT, Log, all_of, until};
use vestibule::{EventLoop, HostAddress, ListenOptions, ServerState, SocketError, TcpServer, TcpSocket};

const HELLO: &[u8] = b"hello";

/// What a proxy says, all of it.
#[derive(Clone)]
struct Talk {
    with_user: bool,
    bound: SocketAddr,
    client: SocketAddr,
    bytes: Vec<u8>,
    /// Where the first reply ends, and the second.
    ends: [usize; 2],
}

impl Talk {
    fn new(with_user: bool, bound: &str, client: &str) -> Self {
        let (bound, client) = (bound.parse().unwrap(), client.parse().unwrap());
        let mut bytes = if with_user { vec![5, 2, 1, 0] } else { vec![5, 0] };
        bytes.extend(reply(0, bound));
        let first = bytes.len();
        bytes.extend(reply(0, client));
        let second = bytes.len();
        bytes.extend(HELLO);
        Self { with_user, bound, client, bytes, ends: [first, second] }
    }

    /// With and without a user, and both families in both replies.
    fn all() -> Vec<Self> {
        let (v4, v6) = ("192.0.2.1:4000", "[2001:db8::7]:5000");
        [false, true]
            .into_iter()
            .flat_map(|user| {
                [Self::new(user, v4, "198.51.100.9:6"), Self::new(user, v6, v4), Self::new(user, v4, v6)]
            })
            .collect()
    }

    /// Cut in two, with this in between, and ended.
    fn cut(&self, at: usize, between: Step) -> Script {
        let (one, other) = self.bytes.split_at(at);
        Script::new([vec![Step::Send(one.to_vec()), between, Step::Send(other.to_vec()), Step::End]])
    }

    fn in_single_bytes(&self) -> Script {
        let singles = self.bytes.iter().flat_map(|byte| [Step::Send(vec![*byte]), Step::UntilRead]);
        Script::new([singles.chain([Step::End]).collect()])
    }

    fn server(&self, script: &Script, event_loop: &EventLoop) -> TcpServer {
        let server = TcpServer::new(event_loop);
        let proxy = script.as_proxy();
        server.set_proxy(if self.with_user { proxy.with_credentials("ali", "sesame") } else { proxy });
        server
    }

    fn check_server(&self, server: &TcpServer) {
        assert_eq!(server.local_addr(), Some(self.bound));
        assert_eq!(
            (server.server_address(), server.server_port()),
            (self.bound.ip().into(), self.bound.port())
        );
    }

    /// The only connection, of which everything has come and nothing was read.
    fn check_socket(&self, event_loop: &EventLoop, server: &TcpServer, socket: &TcpSocket) {
        assert_eq!((socket.peer_addr(), socket.local_addr()), (Some(self.client), Some(self.bound)));
        assert_eq!(all_of(event_loop, socket), HELLO);
        assert_eq!((server.statistics().accepted, server.has_pending_connections()), (1, false));
    }

    /// What the proxy was told: greeting, user and password, the BIND, and nothing else.
    fn check_told(&self, script: Script, server: TcpServer, socket: TcpSocket) {
        drop((server, socket));
        let mut told =
            if self.with_user { b"\x05\x01\x02\x01\x03ali\x06sesame".to_vec() } else { vec![5, 1, 0] };
        told.extend([5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(script.finish(), [told]);
    }
}

fn options() -> ListenOptions {
    ListenOptions::new((HostAddress::ANY, 0)).proxy_timeout(LIMIT)
}

type Sockets = Rc<RefCell<Vec<TcpSocket>>>;

/// Takes the connections as they come.
fn taking(server: &TcpServer) -> Sockets {
    let sockets = Sockets::default();
    let list = Rc::clone(&sockets);
    server.new_connection().connect(move |server| {
        list.borrow_mut().push(server.next_pending_connection().unwrap());
    });
    sockets
}

fn in_the_loop(talk: &Talk, cut: usize) {
    let event_loop = EventLoop::new().unwrap();
    let script = talk.cut(cut, Step::Pause);
    let server = talk.server(&script, &event_loop);
    let sockets = taking(&server);
    server.listen_with(options().in_background(true)).unwrap();
    until(&event_loop, || script.is_paused());
    for _ in 0..3 {
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
    }
    let (stands, came) = (cut >= talk.ends[0], cut >= talk.ends[1]);
    assert_eq!((server.is_listening(), sockets.borrow().len()), (stands, usize::from(came)), "cut at {cut}");
    script.go_on();
    until(&event_loop, || !sockets.borrow().is_empty());
    talk.check_server(&server);
    let socket = sockets.borrow_mut().pop().unwrap();
    talk.check_socket(&event_loop, &server, &socket);
    talk.check_told(script, server, socket);
}

fn blocking(talk: &Talk, script: Script) {
    let event_loop = EventLoop::new().unwrap();
    let server = talk.server(&script, &event_loop);
    server.listen_with(options()).unwrap();
    talk.check_server(&server);
    assert_eq!(server.state(), ServerState::Listening);
    assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
    let socket = server.next_pending_connection().unwrap();
    talk.check_socket(&event_loop, &server, &socket);
    talk.check_told(script, server, socket);
}

/// The descriptor goes to a thread, where it is a stream of `std`.
fn handed_out(talk: &Talk, script: Script) {
    let event_loop = EventLoop::new().unwrap();
    let server = talk.server(&script, &event_loop);
    let (send, came) = channel();
    server.set_incoming_connection(move |_, connection| {
        let send = send.clone();
        thread::spawn(move || {
            let ends = (connection.peer_addr(), connection.local_addr());
            let mut stream = TcpStream::from(connection);
            stream.set_read_timeout(Some(LIMIT)).unwrap(); // no time-out of one that does not block
            let mut bytes = Vec::new();
            send.send((ends, stream.read_to_end(&mut bytes).map(|_| bytes))).unwrap();
        });
    });
    server.listen_with(options()).unwrap();
    assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
    let ((peer, local), bytes) = came.recv_timeout(LIMIT).unwrap();
    assert_eq!((peer, local), (talk.client, Some(talk.bound)));
    assert_eq!(bytes.unwrap(), HELLO);
    drop((server, script));
    assert!(came.try_recv().is_err(), "exactly one came");
}

fn at_every_cut(body: impl Fn(&Talk, usize)) {
    for talk in Talk::all() {
        for cut in 0..=talk.bytes.len() {
            body(&talk, cut);
        }
    }
}

#[test]
fn in_the_loop_it_does_not_matter_where_the_talk_is_cut() {
    at_every_cut(in_the_loop);
}

#[test]
fn in_waits_it_does_not_matter_where_the_talk_is_cut() {
    at_every_cut(|talk, cut| blocking(talk, talk.cut(cut, Step::UntilRead)));
}

#[test]
fn a_descriptor_that_is_handed_out_has_what_is_the_clients_and_nothing_else() {
    at_every_cut(|talk, cut| handed_out(talk, talk.cut(cut, Step::UntilRead)));
}

#[test]
fn a_talk_may_come_byte_by_byte() {
    for talk in Talk::all() {
        blocking(&talk, talk.in_single_bytes());
        handed_out(&talk, talk.in_single_bytes());
        let event_loop = EventLoop::new().unwrap();
        let script = talk.in_single_bytes();
        let server = talk.server(&script, &event_loop);
        let sockets = taking(&server);
        server.listen_with(options().in_background(true)).unwrap();
        until(&event_loop, || !sockets.borrow().is_empty());
        let socket = sockets.borrow_mut().pop().unwrap();
        talk.check_socket(&event_loop, &server, &socket);
        talk.check_told(script, server, socket);
    }
}

#[test]
fn a_second_reply_with_a_name_is_a_protocol_error_and_lets_nobody_in() {
    let talk = Talk::new(false, "192.0.2.1:4000", "192.0.2.1:1");
    let mut bytes = talk.bytes[..talk.ends[0]].to_vec();
    bytes.extend(b"\x05\x00\x00\x03\x04host\x00\x50hello");
    for cut in talk.ends[0]..=bytes.len() {
        let event_loop = EventLoop::new().unwrap();
        let (one, other) = bytes.split_at(cut);
        let steps = vec![Step::Send(one.to_vec()), Step::UntilRead, Step::Send(other.to_vec())];
        let script = Script::new([steps]);
        let server = talk.server(&script, &event_loop);
        let log = Log::default();
        let words = log.clone();
        server.accept_error().connect(move |server, error| {
            assert_eq!((server.is_listening(), server.state()), (false, ServerState::Starting));
            words.add(format!("{error:?}"));
        });
        server.listen_with(options()).unwrap();
        talk.check_server(&server);
        until(&event_loop, || log.len() > 0);
        assert_eq!((log.take(), server.server_error()), ("ProxyProtocol".into(), SocketError::ProxyProtocol));
        assert_eq!((server.statistics().accepted, server.has_pending_connections()), (0, false));
    }
}
