#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::fuzzing::{Played, fuzz_proxies, handshake, play};
use super::{BindFault, Bindings, Handshake, NetworkProxy, NextBind, Progress, ProxyType, Request};
use crate::acceptor::Chance;
use crate::address::{Endpoint, HostAddress};
use crate::error::SocketError;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

fn address() -> impl Strategy<Value = SocketAddr> {
    any::<(IpAddr, u16)>().prop_map(SocketAddr::from)
}

/// A reply that says that all is well.
fn reply(address: SocketAddr) -> Vec<u8> {
    let mut bytes = vec![5, 0, 0];
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes.push(1);
            bytes.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes.push(4);
            bytes.extend(ip.octets());
        }
    }
    bytes.extend(address.port().to_be_bytes());
    bytes
}

/// What a proxy says before it answers.
fn greeting(with_password: bool) -> Vec<u8> {
    if with_password { vec![5, 2, 1, 0] } else { vec![5, 0] }
}

/// A BIND whose proxy says all this, in parts of such a size.
fn bind(with_password: bool, says: &[u8], part: usize) -> Played {
    let number = if with_password { 2 } else { 0 };
    play(handshake(number).unwrap(), says, |_| part)
}

proptest! {
    /// Whatever a proxy says, it means the same in whatever parts it comes.
    #[test]
    fn anything_in_any_parts(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_proxies(&bytes);
    }

    /// The same with what looks right at first.
    #[test]
    fn nearly_right_in_any_parts(number in 0_u8..4, first in address(), second in address(),
                                 wrong in prop::option::of((0_usize..50, any::<u8>())), rest in any::<[u8; 4]>()) {
        let mut bytes = vec![number];
        bytes.extend(greeting(number & 2 != 0));
        bytes.extend(reply(first));
        bytes.extend(reply(second));
        bytes.extend(rest);
        if let Some((at, byte)) = wrong {
            if let Some(place) = bytes.iter_mut().skip(1).nth(at) {
                *place = byte;
            }
        }
        fuzz_proxies(&bytes);
    }

    /// HTTP too.
    #[test]
    fn http_in_any_parts(text in "HTTP/1.[01] (200|100|407|5..) .{0,9}\r\n([A-Za-z-]{1,9}: .{0,9}\r\n){0,3}\r\n.{0,9}", number in 5_u8..8) {
        let mut bytes = vec![number];
        bytes.extend(text.bytes());
        fuzz_proxies(&bytes);
    }

    /// A BIND tells both addresses, and what comes behind the second reply is the client's.
    #[test]
    fn a_bind_tells_both_addresses(with_password: bool, at in address(), client in address(), part in 1_usize..60) {
        let mut says = greeting(with_password);
        says.extend(reply(at));
        says.extend(reply(client));
        let length = says.len();
        says.extend(b"the client's");
        let played = bind(with_password, &says, part);
        prop_assert_eq!(played.progress, [Progress::Bound(at), Progress::ClientCame(client)]);
        prop_assert_eq!((played.refusal, played.taken), (None, length));
        let mut sent = if with_password { b"\x05\x01\x02\x01\x02me\x06secret".to_vec() } else { b"\x05\x01\x00".to_vec() };
        sent.extend(b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x07");
        prop_assert_eq!(played.sent, sent);
    }

    /// A reply of any length with a name is an error of a BIND and none of a CONNECT.
    #[test]
    fn a_name_in_a_reply(name in prop::collection::vec(any::<u8>(), 0..256), part in 1_usize..300) {
        let mut says = vec![5, 0, 5, 0, 0, 3, u8::try_from(name.len()).unwrap_or(0)];
        says.extend(&name);
        says.extend([0, 80]);
        let played = bind(false, &says, part);
        prop_assert_eq!(played.refusal.map(|refusal| refusal.kind), Some(SocketError::ProxyProtocol));
        let connect = handshake(1).map(|handshake| play(handshake, &says, |_| part));
        prop_assert_eq!(connect.map(|played| (played.progress, played.taken)), Some((vec![Progress::Connected], says.len())));
    }

    /// What is to be asked for is asked for, or cannot be said and is refused.
    #[test]
    fn requests_have_their_length(host in "[a-z.]{0,300}", user in ".{0,300}", password in ".{0,300}") {
        let proxy = NetworkProxy::new(ProxyType::Socks5, "p", 1).with_credentials(&*user, &*password);
        let begun = Handshake::new(&proxy, &Request::Connect(host.clone(), 80));
        let fits = (1..=255).contains(&host.len()) && user.len() <= 255 && password.len() <= 255;
        prop_assert_eq!(begun.is_ok(), fits);
    }
}

/// What a model knows of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Idle,
    Served,
    Asked,
    Stands,
    HasClient,
}

proptest! {
    /// Never more BINDs than wanted, only the first lane while nothing stands, a pause after failures but not after clients, an
    /// error told once an episode, lost exactly when nothing is left, moved exactly when the first lane is elsewhere.
    #[test]
    fn binds_as_a_model(number in 1_usize..5, port: u16, seed: u64,
                        steps in prop::collection::vec((0_u8..6, 0_usize..5, 0_u16..3, 0_u64..600), 1..120)) {
        let asked = Endpoint::new(HostAddress::ANY, port);
        let at = |port| Endpoint::new(HostAddress::LOCALHOST, port);
        let mut bindings = Bindings::new(asked, number, Chance::new(seed));
        let (mut lanes, mut told, mut listens, mut trouble) = (vec![Lane::Idle; number], None, false, None);
        let mut now = Instant::now();
        for (step, lane, port, time) in steps {
            let lane = lane % number;
            match (step, lanes[lane]) {
                (0, _) => now += Duration::from_millis(time),
                (1, _) => match bindings.next(now) {
                    NextBind::Ask(asks, wish) => {
                        prop_assert!(matches!(lanes[asks], Lane::Idle | Lane::Served));
                        prop_assert!(listens || asks == 0);
                        prop_assert!(!lanes.contains(&Lane::Served) || lanes[asks] == Lane::Served || !listens);
                        prop_assert_eq!(wish.address, asked.address);
                        lanes[asks] = Lane::Asked;
                    }
                    NextBind::Wait(until) => {
                        prop_assert!(trouble.is_some() && until > now && until <= now + Duration::from_millis(500));
                    }
                    NextBind::Nothing => {
                        let some = if listens { &lanes[..] } else { &lanes[..1] };
                        prop_assert!(!some.iter().any(|lane| matches!(lane, Lane::Idle | Lane::Served)));
                    }
                },
                (2, Lane::Asked) => {
                    let stands = bindings.bound(lane, at(port));
                    lanes[lane] = Lane::Stands;
                    prop_assert_eq!(stands.begins, !listens);
                    let first = lane == 0 || told.is_none();
                    prop_assert_eq!(stands.moves, first && told.is_some_and(|told| told != at(port)));
                    listens = true;
                    if first {
                        told = Some(at(port));
                    }
                    if lanes.iter().all(|lane| matches!(lane, Lane::Stands | Lane::HasClient)) {
                        trouble = None;
                    }
                }
                (3, Lane::Stands) => {
                    bindings.client_came(lane);
                    lanes[lane] = Lane::HasClient;
                }
                (4, Lane::HasClient) => {
                    bindings.accepted(lane);
                    lanes[lane] = Lane::Served;
                }
                (5, Lane::Asked | Lane::Stands) => {
                    let fault = [BindFault::Refused, BindFault::Unanswered, BindFault::Other][usize::from(port)];
                    let failed = bindings.failed(lane, fault, now);
                    lanes[lane] = Lane::Idle;
                    prop_assert_eq!(failed.lost, listens && lanes.iter().all(|lane| *lane == Lane::Idle));
                    let refused = BindFault::Refused;
                    let news = trouble.is_none_or(|told| failed.lost && told == refused && fault != refused);
                    prop_assert_eq!(failed.tell, news);
                    listens &= !failed.lost;
                    trouble = if news { Some(fault) } else { trouble };
                }
                _ => {}
            }
            let standing = lanes.iter().filter(|lane| **lane == Lane::Stands).count();
            prop_assert_eq!(bindings.addresses().count(), standing);
        }
    }
}
