use crate::admission::{LastWord, Refusal};
use crate::driver::{RELEASES, Release, send_now};
use ::tokio::io::AsyncReadExt;
use ::tokio::net::TcpStream;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown, sockopt};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many refused connections of the process may linger, so that their last word arrives.
const LINGERING_WORDS: usize = 64;
/// For how long, and how much of what they send is discarded.
const LONGEST: Duration = Duration::from_secs(2);
const MOST: u64 = 1 << 20;
/// How much of what a client has sent is discarded when nobody waits for it.
const DISCARDED_AT_ONCE: usize = 64 << 10;

static LINGERING: AtomicUsize = AtomicUsize::new(0);

/// Gives a client what it gets instead of being let in; blocks nobody.
pub(super) fn refuse(client: TcpStream, refusal: &Refusal) {
    if let Refusal::LastWord(word) = refusal {
        let place = Lingering::take();
        if place.has_room {
            say(&client, word);
            // Made here, so that it is given back also when the runtime ends before the task begins.
            drop(::tokio::spawn(linger(client, Release, place)));
            return;
        }
    }
    refuse_at_once(client, refusal);
    RELEASES.ring();
}

/// The same, for when nobody can wait for the client, or the descriptor is needed again at once.
pub(super) fn refuse_at_once(client: impl AsFd, refusal: &Refusal) {
    match refusal {
        Refusal::Close => discard_what_came(&client),
        // It fails only for a connection that is gone already.
        Refusal::Reset => drop(sockopt::set_socket_linger(&client, Some(Duration::ZERO))),
        Refusal::LastWord(word) => {
            say(&client, word);
            discard_what_came(&client);
        }
    }
}

/// What fits: all of it, on the empty buffer of a new connection.
fn say(client: &impl AsFd, word: &LastWord) {
    let _ = send_now(client.as_fd(), word.as_bytes());
    let _ = shutdown(client, Shutdown::Write);
}

/// Unread bytes would make the closing a reset, which may destroy what the client was told.
fn discard_what_came(client: &impl AsFd) {
    let (mut buffer, mut discarded) = ([0; 4096], 0);
    while discarded < DISCARDED_AT_ONCE {
        match recv(client, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((_, length)) if length > 0 => discarded += length,
            Ok(_) | Err(_) => return,
        }
    }
}

/// Waits for the client's end.
async fn linger(client: TcpStream, release: Release, place: Lingering) {
    let mut rest = client.take(MOST);
    let mut sink = ::tokio::io::sink();
    let _ = ::tokio::time::timeout(LONGEST, ::tokio::io::copy(&mut rest, &mut sink)).await;
    drop(rest);
    drop((release, place));
}

/// A place among those that linger, or the knowledge that there is none.
struct Lingering {
    has_room: bool,
}

impl Lingering {
    fn take() -> Self {
        Self { has_room: LINGERING.fetch_add(1, Ordering::Relaxed) < LINGERING_WORDS }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        LINGERING.fetch_sub(1, Ordering::Relaxed);
    }
}
