//! A handshake with a proxy that says anything, in any parts.

use super::{Handshake, NetworkProxy, Progress, ProxyRefusal, ProxyType, Request};
use crate::address::{Endpoint, HostAddress};

/// What became of a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Played {
    pub(super) progress: Vec<Progress>,
    pub(super) refusal: Option<ProxyRefusal>,
    /// How many bytes were the proxy's.
    pub(super) taken: usize,
    pub(super) sent: Vec<u8>,
}

/// Plays a handshake with a proxy that says this, of which at most so many bytes come at once.
pub(super) fn play(mut handshake: Handshake, says: &[u8], at_once: impl Fn(usize) -> usize) -> Played {
    let mut played = Played { progress: Vec::new(), refusal: None, taken: 0, sent: Vec::new() };
    loop {
        played.sent.extend(handshake.take_output());
        let part = at_once(played.taken).max(1).min(handshake.wants());
        let rest = says.get(played.taken..).unwrap_or_default();
        let heard = rest.get(..part).unwrap_or(rest);
        if heard.is_empty() {
            return played;
        }
        match handshake.receive(heard) {
            Err(refusal) => {
                played.refusal = Some(refusal);
                return played;
            }
            Ok((length, progress)) => {
                assert!(length <= heard.len(), "it has taken more than there was");
                assert!(length > 0, "it wanted bytes and took none");
                played.taken += length;
                if progress != Progress::GoesOn {
                    played.progress.push(progress);
                }
            }
        }
    }
}

/// The handshakes that there are.
pub(super) fn handshake(number: u8) -> Option<Handshake> {
    let endpoint = Endpoint::new(HostAddress::ANY, 7);
    let request =
        if number & 1 == 0 { Request::Bind(endpoint) } else { Request::Connect("there.test".to_owned(), 7) };
    let proxy_type = if number & 4 == 0 { ProxyType::Socks5 } else { ProxyType::Http };
    let proxy = NetworkProxy::new(proxy_type, "proxy.test", 1080);
    let proxy = if number & 2 == 0 { proxy } else { proxy.with_credentials("me", "secret") };
    Handshake::new(&proxy, &request).ok()
}

/// The first byte chooses the handshake, the rest is what the proxy says: in whatever parts, it means the same, and what comes
/// behind its last word is left alone.
pub(crate) fn fuzz_proxies(bytes: &[u8]) {
    let Some((number, says)) = bytes.split_first() else { return };
    let begin = || handshake(*number);
    let (Some(whole), Some(single), Some(uneven)) = (begin(), begin(), begin()) else { return };
    let whole = play(whole, says, |_| usize::MAX);
    let single = play(single, says, |_| 1);
    let uneven = play(uneven, says, |taken| taken % 5 + 1);
    for other in [&single, &uneven] {
        assert_eq!((&whole.progress, &whole.refusal), (&other.progress, &other.refusal), "{says:?}");
        assert_eq!(whole.sent, other.sent, "{says:?}");
        assert!(whole.refusal.is_some() || whole.taken == other.taken, "{says:?}");
    }
    assert!(whole.progress.len() <= 2, "{whole:?}");
}
