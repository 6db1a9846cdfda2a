//! The acceptor against a naive model, and its table of errors.

#![cfg_attr(fuzzing, allow(unused, reason = "fuzzing uses the model alone"))]

pub(crate) mod model;

use super::{AcceptErrorClass, AcceptVerdict, Acceptor, Chance, Moment};
use AcceptErrorClass::{Broken, Connection, Nothing, Resources, Unknown};
use model::{Command, Model, commands};
use proptest::prelude::*;
use rustix::io::Errno;
use std::io;
use std::time::{Duration, Instant};

/// How many accepts may be tried in one turn.
const BATCH: u32 = 16;

/// Nothing but the acceptor itself limits it.
fn moment(turn: u64) -> Moment {
    Moment { turn, free: Ok(usize::MAX), rate: None, held: None, refuses: false }
}

proptest! {
    #[test]
    fn whatever_happens_it_decides_as_the_naive_model(
        steps in prop::collection::vec(commands(), 0..120),
        listens in prop::bool::weighted(0.8),
    ) {
        let mut model = Model::new();
        if listens {
            model.run(Command::Listen)?;
        }
        for step in steps {
            model.run(step)?;
        }
    }

    #[test]
    fn an_episode_doubles_its_pauses_up_to_half_a_second_each_shortened_by_chance_and_is_told_once(
        failures in 1usize..20,
        classes in prop::collection::vec(prop::sample::select(vec![Resources, Unknown]), 20),
    ) {
        let mut acceptor = Acceptor::new(Chance::new(7));
        acceptor.started_listening();
        let mut now = Instant::now();
        for turn in [0, 100] {
            let mut pauses = Vec::new();
            for (number, class) in (0..).zip(&classes[..failures]) {
                prop_assert!(acceptor.course(&moment(turn + number)).credit() > 0);
                let verdict = acceptor.accept_failed(*class, turn + number, now);
                prop_assert_eq!(verdict, AcceptVerdict::BackOff { tell: number == 0 });
                let until = acceptor.retry_at().ok_or_else(|| TestCaseError::fail("it does not wait"))?;
                pauses.push(until - now);
                now = until;
                acceptor.retry();
            }
            let longest = [5, 10, 20, 40, 80, 160, 320].into_iter().chain(std::iter::repeat(500));
            for (pause, longest) in pauses.into_iter().zip(longest.map(Duration::from_millis)) {
                prop_assert!(pause <= longest && pause > longest / 2, "{pause:?} of {longest:?}");
            }
            acceptor.accepted(turn + 50); // the next episode begins anew
        }
    }
}

#[test]
fn a_failure_of_one_connection_inside_an_episode_neither_ends_nor_tells_it() {
    let (mut acceptor, now) = (Acceptor::new(Chance::new(7)), Instant::now());
    acceptor.started_listening();
    assert_eq!(acceptor.accept_failed(Resources, 1, now), AcceptVerdict::BackOff { tell: true });
    acceptor.retry();
    assert_eq!(acceptor.accept_failed(Connection, 2, now), AcceptVerdict::Continue);
    assert_eq!(acceptor.accept_failed(Resources, 2, now), AcceptVerdict::BackOff { tell: false });
    let wait = acceptor.retry_at().map_or(Duration::ZERO, |at| at - now);
    assert!(wait <= Duration::from_millis(10) && wait > Duration::from_millis(5), "{wait:?}");
}

#[test]
fn listening_anew_ends_an_episode_but_not_a_pause() {
    let (mut acceptor, now) = (Acceptor::new(Chance::new(7)), Instant::now());
    acceptor.started_listening();
    acceptor.set_paused(true);
    acceptor.accept_failed(Resources, 1, now);
    acceptor.stopped_listening();
    acceptor.started_listening();
    assert!(
        acceptor.is_paused() && acceptor.course(&moment(2)).credit() == 0 && acceptor.retry_at().is_none()
    );
    acceptor.set_paused(false);
    assert_eq!(acceptor.course(&moment(2)).credit(), BATCH);
    assert_eq!(acceptor.accept_failed(Resources, 2, now), AcceptVerdict::BackOff { tell: true });
}

/// Every error that accept(2) names, with the class that the documentation of `AcceptErrorClass::of` gives it.
#[test]
fn each_error_of_accept_has_its_class() {
    use Errno as N;
    let table = [
        (Nothing, &[N::AGAIN, N::WOULDBLOCK, N::INTR][..]),
        (Connection, &[N::CONNABORTED, N::PERM, N::PROTO, N::CONNRESET, N::TIMEDOUT]),
        (Connection, &[N::NETDOWN, N::NOPROTOOPT, N::HOSTDOWN, N::HOSTUNREACH, N::NETUNREACH]),
        #[cfg(target_os = "linux")]
        (Connection, &[N::NONET]),
        (Resources, &[N::MFILE, N::NFILE, N::NOBUFS, N::NOMEM]),
        (Broken, &[N::BADF, N::NOTSOCK, N::INVAL, N::OPNOTSUPP]),
        (Resources, &[N::NOSR]),
        (Unknown, &[N::FAULT, N::SOCKTNOSUPPORT, N::PROTONOSUPPORT, N::ACCESS, N::IO]),
    ];
    for (class, errnos) in table {
        for errno in errnos {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(AcceptErrorClass::of(&error), class, "{errno:?}");
        }
    }
    assert_eq!(AcceptErrorClass::of(&io::Error::other("no errno")), Unknown);
}
