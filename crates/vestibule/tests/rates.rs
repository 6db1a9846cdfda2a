//! How many come in over time: in the simulation at exact instants, because its time is virtual.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, connect_from, limited, refusals, take_all};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::{LIMIT, World, assert_sleeps, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{EventLoop, HostAddress, Limits, OverLimit, Rate, Refusal, RefusalReason, TcpServer};

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// A server of a simulated network, and when it lets somebody in.
struct Clock {
    network: SimulatedNetwork,
    event_loop: EventLoop,
    server: TcpServer,
    let_in: Rc<RefCell<Vec<u64>>>,
}

impl Clock {
    fn new(limits: Limits) -> Self {
        let network = SimulatedNetwork::new(5).unwrap();
        let (event_loop, server) = limited(&World::Simulation(network.clone()), limits);
        server.set_max_pending_connections(1000);
        let let_in: Rc<RefCell<Vec<u64>>> = Rc::default();
        let (log, clock) = (Rc::clone(&let_in), network.clone());
        server.new_connection().connect(move |_| {
            let nanos = clock.elapsed().as_nanos();
            assert_eq!(nanos % 1_000_000, 0, "not at a whole millisecond: {nanos}");
            log.borrow_mut().push((nanos / 1_000_000).try_into().unwrap());
        });
        Self { network, event_loop, server, let_in }
    }

    fn come(&self, number: usize) -> Vec<support::Client> {
        clients(&World::Simulation(self.network.clone()), &self.server, number)
    }

    /// The clock goes on to this millisecond while the loop runs, and no further.
    fn run_to(&self, at: u64) {
        while self.network.elapsed() < millis(at) {
            self.event_loop.process_events(Some(millis(at).saturating_sub(self.network.elapsed()))).unwrap();
        }
        self.look();
    }

    /// What is to be done now is done.
    fn look(&self) {
        for _ in 0..10 {
            self.event_loop.process_events(Some(Duration::ZERO)).unwrap();
        }
    }

    fn told(&self) -> Vec<u64> {
        self.let_in.take()
    }
}

fn rate(rate: Rate) -> Limits {
    Limits::new().rate(rate)
}

#[test]
fn a_rate_is_what_it_says() {
    assert_eq!((Rate::per_second(4).interval(), Rate::per_second(4).burst_size()), (millis(250), 4));
    assert_eq!((Rate::per_minute(4).interval(), Rate::per_minute(4).burst_size()), (millis(15_000), 4));
    let odd = Rate::new(3, millis(1000)).burst(9);
    assert_eq!((odd.interval(), odd.burst_size()), (Duration::from_nanos(333_333_334), 9));
}

#[test]
fn clients_come_in_one_an_interval_and_wait_meanwhile() {
    let clock = Clock::new(rate(Rate::per_second(10).burst(1)));
    let _far = clock.come(5);
    clock.look();
    assert_eq!(clock.told(), [0]);
    clock.run_to(99);
    assert_eq!((clock.told(), clock.network.queued(clock.server.server_port())), (vec![], 4));
    clock.run_to(1000);
    assert_eq!((clock.told(), clock.server.statistics().refused_in_all()), (vec![100, 200, 300, 400], 0));
}

#[test]
fn a_burst_comes_at_once_and_then_one_an_interval() {
    let clock = Clock::new(rate(Rate::per_second(10)));
    let _far = clock.come(13);
    clock.run_to(350);
    assert_eq!(clock.told(), [vec![0; 10], vec![100, 200, 300]].concat());
}

#[test]
fn a_burst_larger_than_a_batch_comes_at_once() {
    let clock = Clock::new(rate(Rate::per_second(10).burst(40)));
    let _far = clock.come(42);
    clock.run_to(250);
    assert_eq!(clock.told(), [vec![0; 40], vec![100, 200]].concat());
}

#[test]
fn time_in_which_nobody_comes_is_saved_up_to_the_burst() {
    let clock = Clock::new(rate(Rate::per_second(10).burst(3)));
    let _first = clock.come(3);
    clock.run_to(250);
    let _second = clock.come(3);
    clock.run_to(10_000);
    let _third = clock.come(5);
    clock.run_to(10_150);
    assert_eq!(clock.told(), [0, 0, 0, 250, 250, 300, 10_000, 10_000, 10_000, 10_100]);
}

#[test]
fn time_in_which_the_server_is_paused_or_full_is_saved_up_to_the_burst() {
    let clock = Clock::new(rate(Rate::per_second(10).burst(2)).max_connections(2));
    let _far = clock.come(8);
    clock.run_to(1000);
    assert_eq!(clock.told(), [0, 0]);
    clock.server.pause_accepting();
    drop(take_all(&clock.server));
    clock.run_to(2000);
    clock.server.resume_accepting();
    clock.look();
    assert_eq!(clock.told(), [2000, 2000]);
    drop(take_all(&clock.server));
    clock.run_to(3000);
    assert_eq!(clock.told(), [2100, 2200]);
}

#[test]
fn closing_and_listening_again_does_not_renew_the_rate() {
    let clock = Clock::new(rate(Rate::per_second(1)));
    let _first = clock.come(1);
    clock.look();
    clock.server.close();
    clock.server.listen(HostAddress::LOCALHOST, 0).unwrap();
    let _second = clock.come(1);
    clock.run_to(1500);
    assert_eq!(clock.told(), [0, 1000]);
}

#[test]
fn a_blocking_wait_waits_for_the_rate() {
    let clock = Clock::new(rate(Rate::per_second(10).burst(1)));
    let _far = clock.come(2);
    assert!(clock.server.wait_for_new_connection(Some(millis(1))).unwrap());
    drop(take_all(&clock.server));
    assert!(!clock.server.wait_for_new_connection(Some(millis(60))).unwrap());
    assert_eq!(clock.network.elapsed(), millis(60));
    assert!(clock.server.wait_for_new_connection(Some(millis(60))).unwrap());
    assert_eq!(clock.told(), [0, 100]);
}

#[test]
fn a_rate_of_0_lets_nobody_in_until_it_is_another() {
    for none in [Rate::per_second(0), Rate::per_second(7).burst(0)] {
        let clock = Clock::new(rate(none));
        let _far = clock.come(3);
        clock.run_to(100_000);
        assert_eq!(clock.told(), []);
        clock.server.set_limits(rate(Rate::per_second(1)));
        clock.run_to(101_500);
        assert_eq!(clock.told(), [100_000, 101_000]);
    }
}

#[test]
fn a_rate_of_0_lets_in_no_more_than_its_burst_ever() {
    let clock = Clock::new(rate(Rate::per_second(0).burst(1)));
    let _far = clock.come(5);
    clock.run_to(100_000);
    let told = clock.told();
    assert!(told.len() <= 1, "{told:?}");
}

#[test]
fn without_a_rate_all_come_in_at_once() {
    let clock = Clock::new(rate(Rate::per_minute(1)));
    let _far = clock.come(4);
    clock.run_to(10);
    clock.server.set_limits(Limits::new());
    clock.look();
    assert_eq!(clock.told(), [0, 10, 10, 10]);
}

#[test]
fn another_rate_holds_from_now_on() {
    let clock = Clock::new(rate(Rate::per_second(10).burst(1)));
    let _far = clock.come(12);
    clock.run_to(250);
    clock.server.set_limits(rate(Rate::per_second(100).burst(1)));
    clock.run_to(325);
    clock.server.set_limits(rate(Rate::per_second(2).burst(1)));
    clock.run_to(1400);
    let told = clock.told();
    assert_eq!(told[..3], [0, 100, 200]);
    let fast = told.iter().filter(|at| (250..=325).contains(*at)).count();
    let slow = told.iter().filter(|at| **at > 325).count();
    assert!((3..=8).contains(&fast), "{told:?}");
    assert!((1..=3).contains(&slow), "{told:?}");
}

#[test]
fn a_faster_rate_lets_in_at_once() {
    let clock = Clock::new(rate(Rate::per_minute(1)));
    let _far = clock.come(3);
    clock.run_to(10);
    clock.server.set_limits(rate(Rate::per_second(1000)));
    clock.run_to(5000);
    let told = clock.told();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[2] <= 12, "{told:?}");
}

#[test]
fn over_the_rate_clients_are_refused_if_the_limits_say_so() {
    let word = Refusal::last_word("later").unwrap();
    let clock = Clock::new(rate(Rate::per_second(2)).over_limit(OverLimit::Refuse(word)));
    let told = refusals(&clock.server);
    let mut far = clock.come(4);
    clock.look();
    assert_eq!(far.pop().unwrap().receive_to_end(&clock.event_loop), b"later");
    assert_eq!(clock.server.statistics().refused_for(RefusalReason::TooFast), 2);
    assert!(told.borrow().iter().all(|client| client.reason == RefusalReason::TooFast));
    clock.run_to(500);
    let _more = clock.come(2);
    clock.look();
    assert_eq!((clock.told(), clock.server.statistics().refused_in_all()), (vec![0, 0, 500], 3));
}

#[test]
fn who_is_refused_for_another_reason_does_not_use_up_the_rate() {
    let clock = Clock::new(rate(Rate::per_second(2)).max_connections_per_source(1));
    let world = World::Simulation(clock.network.clone());
    let port = clock.server.server_port();
    let _crowd = [(); 6].map(|()| connect_from(&world, "192.0.2.1", port));
    let _other = connect_from(&world, "192.0.2.2", port);
    clock.look();
    assert_eq!(clock.told(), [0, 0], "the first of the crowd, and the other");
    assert_eq!(clock.server.statistics().refused_for(RefusalReason::TooManyOfSource), 5);
}

#[test]
fn on_the_system_the_loop_sleeps_until_the_next_may_come_in() {
    let (event_loop, server) = limited(&World::Os, rate(Rate::per_second(20).burst(1)));
    let begun = Instant::now();
    let _far = clients(&World::Os, &server, 5);
    let mut turns = 0;
    while server.statistics().accepted < 5 {
        event_loop.process_events(Some(LIMIT)).unwrap();
        turns += 1;
        assert!(begun.elapsed() < LIMIT);
    }
    assert!(begun.elapsed() >= millis(200), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < millis(2000), "{:?}", begun.elapsed());
    assert!(turns < 30, "{turns} turns");
}

#[test]
fn on_the_system_a_rate_of_0_costs_nothing() {
    let (event_loop, server) = limited(&World::Os, rate(Rate::per_second(0)));
    let _far = clients(&World::Os, &server, 3);
    settle(&event_loop);
    assert_sleeps(&event_loop);
    assert!(!server.wait_for_new_connection(Some(millis(20))).unwrap());
    server.set_limits(Limits::new());
    until(&event_loop, || server.statistics().accepted == 3);
}

#[test]
fn on_the_system_a_standalone_server_waits_for_the_rate() {
    let server = TcpServer::standalone().unwrap();
    server.set_limits(rate(Rate::per_second(20).burst(1)));
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    let begun = Instant::now();
    let _far = clients(&World::Os, &server, 4);
    for _ in 0..4 {
        assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
        drop(take_all(&server));
    }
    assert!(begun.elapsed() >= millis(150) && begun.elapsed() < millis(2000), "{:?}", begun.elapsed());
}
