//! Latency, and a clock that stands still.

use super::{NOW, PORT, Scene, pattern, times};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use vestibule::ServerState;
use vestibule::simulation::SimulatedNetwork;

const EMFILE: i32 = 24;

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// A connection on which everything takes so long.
fn slow(seed: u64, latency: Duration) -> Scene {
    let network = SimulatedNetwork::new(seed).unwrap();
    network.set_latency(latency);
    Scene::on(network)
}

#[test]
fn bytes_take_as_long_as_the_latency_says_in_both_directions() {
    let scene = slow(1, milliseconds(30));
    scene.client.write(b"ping").unwrap();
    scene.socket.write(b"pong");
    scene.turn();
    scene.network.pass(milliseconds(29));
    scene.turn();
    assert_eq!((scene.socket.bytes_available(), scene.client.read().unwrap()), (0, vec![]));
    scene.network.pass(milliseconds(1));
    assert_eq!(scene.client.read().unwrap(), b"pong");
    scene.turns_until(|| scene.socket.bytes_available() == 4);
    assert_eq!(scene.network.elapsed(), milliseconds(30));
    scene.finish_slowly();
}

#[test]
fn latency_is_that_of_connections_to_come() {
    let network = SimulatedNetwork::new(1).unwrap();
    let scene = Scene::on(network);
    scene.network.set_latency(milliseconds(500));
    scene.client.write(b"ping").unwrap();
    scene.turn();
    scene.turn();
    assert_eq!((scene.socket.read_all(), scene.network.elapsed()), (b"ping".to_vec(), Duration::ZERO));
}

#[test]
fn what_is_sent_later_with_less_latency_does_not_overtake() {
    let scene = slow(2, milliseconds(50));
    scene.client.write(b"first ").unwrap();
    scene.client.set_latency(Duration::ZERO);
    scene.client.write(b"second ").unwrap();
    scene.client.shut_down();
    scene.turns_until(|| scene.is_over());
    assert_eq!(scene.socket.read_all(), b"first second ");
    assert_eq!(scene.network.elapsed(), milliseconds(50));
}

#[test]
fn big_transfers_in_both_directions_are_whole_with_latency() {
    for seed in 0..4 {
        let scene = slow(seed, milliseconds(20));
        let length = 400_000;
        let (mut sent, mut here, mut there) = (0, Vec::new(), Vec::new());
        scene.socket.write(&pattern(0, length));
        scene.turns_until(|| {
            sent += scene.client.write(&pattern(sent, length - sent)).unwrap();
            there.extend(scene.client.read().unwrap());
            here.extend(scene.socket.read_all());
            here.len() == length && there.len() == length
        });
        assert!(here == pattern(0, length) && there == here);
        // 64 KiB are under way at most in each latency.
        assert!(scene.network.elapsed() >= milliseconds(20) * 6, "{:?}", scene.network.elapsed());
        scene.finish_slowly();
    }
}

#[test]
fn a_half_close_with_latency_leaves_the_other_direction_open() {
    let scene = slow(3, milliseconds(40));
    scene.socket.set_half_open(true);
    scene.client.write(b"question").unwrap();
    scene.client.shut_down();
    scene.turns_until(|| scene.log.len() > 0 && scene.socket.bytes_available() == 8);
    scene.turns_until(|| times(&scene.log.take(), "finished") == 1);
    scene.socket.write(&pattern(0, 100_000));
    scene.socket.disconnect_from_host();
    let mut answer = Vec::new();
    scene.turns_until(|| {
        answer.extend(scene.client.read().unwrap());
        scene.client.has_ended()
    });
    assert!(answer == pattern(0, 100_000));
    scene.turns_until(|| scene.is_over());
    assert_eq!(times(&scene.log.take(), "gone"), 1);
    scene.finish_slowly();
}

#[test]
fn a_reset_with_latency_comes_when_it_comes() {
    let Scene { network, event_loop, server, socket, client, log } = slow(4, milliseconds(25));
    socket.write(&pattern(0, 200_000));
    event_loop.process_events(NOW).unwrap();
    client.reset();
    event_loop.process_events(NOW).unwrap();
    network.pass(milliseconds(24));
    event_loop.process_events(NOW).unwrap();
    assert_eq!(times(&log.take(), "gone"), 0, "before it can have come");
    network.pass(milliseconds(1));
    event_loop.process_events(NOW).unwrap();
    let told = log.take();
    assert_eq!((times(&told, "RemoteHostClosed"), times(&told, "gone")), (1, 1), "{told}");
    drop(socket);
    assert_eq!(event_loop.finish(milliseconds(60_000)).unwrap(), 0);
    assert_eq!((server.statistics().open, network.open_connections()), (0, 0));
}

#[test]
fn a_frozen_clock_stands_still_however_long_somebody_waits() {
    let scene = Scene::new(1);
    let fired = Rc::new(Cell::new(false));
    let timer = Rc::clone(&fired);
    scene.event_loop.single_shot(milliseconds(10), move |_| timer.set(true));
    scene.network.freeze_clock(true);
    scene.network.pass(milliseconds(1_000));
    for _ in 0..100 {
        scene.event_loop.process_events(Some(milliseconds(1_000))).unwrap();
    }
    assert_eq!((scene.network.elapsed(), fired.get()), (Duration::ZERO, false));
    scene.network.freeze_clock(false);
    scene.turns_until(|| fired.get());
    assert_eq!(scene.network.elapsed(), milliseconds(10));
    scene.finish();
}

#[test]
fn a_frozen_clock_holds_up_what_is_on_its_way_and_nothing_else() {
    let scene = slow(1, milliseconds(5));
    scene.network.freeze_clock(true);
    scene.client.write(b"on its way").unwrap();
    let quick = scene.network.connect(PORT).unwrap();
    quick.set_latency(Duration::ZERO);
    quick.write(b"at once").unwrap();
    for _ in 0..10 {
        scene.event_loop.process_events(Some(milliseconds(100))).unwrap();
    }
    let other = scene.server.next_pending_connection().unwrap();
    scene.turn();
    assert_eq!(other.read_all(), b"at once");
    assert_eq!(scene.socket.bytes_available(), 0);
    scene.network.freeze_clock(false);
    scene.turns_until(|| scene.socket.bytes_available() == 10);
}

#[test]
fn a_server_without_descriptors_does_not_spin_while_the_clock_stands() {
    let scene = Scene::new(1);
    scene.network.set_descriptors(Some(0));
    let _waiting = scene.network.connect(PORT).unwrap();
    scene.turn();
    assert_eq!(scene.server.state(), ServerState::Exhausted);
    let tried = scene.network.accepts();
    scene.network.freeze_clock(true);
    for _ in 0..100 {
        scene.event_loop.process_events(Some(milliseconds(1_000))).unwrap();
    }
    assert_eq!(scene.network.accepts(), tried);
    scene.network.freeze_clock(false);
    scene.turns_until(|| scene.network.accepts() > tried);
    scene.network.set_descriptors(None);
    scene.turns_until(|| scene.server.has_pending_connections());
    assert_eq!(scene.server.state(), ServerState::Listening);
}

#[test]
fn a_released_descriptor_is_used_though_the_clock_stands() {
    let scene = Scene::new(2);
    scene.network.fail_accept(scene.network.accepts() + 1, EMFILE);
    let _waiting = scene.network.connect(PORT).unwrap();
    scene.turn();
    scene.network.freeze_clock(true);
    let Scene { event_loop, server, socket, client, .. } = scene;
    drop((client, socket)); // closed in the next turn
    for _ in 0..4 {
        event_loop.process_events(NOW).unwrap();
    }
    assert!(server.has_pending_connections());
}

impl Scene {
    /// Nothing is left, once everything has come.
    fn finish_slowly(self) {
        let Self { network, event_loop, server, socket, client, .. } = self;
        drop((socket, client));
        assert_eq!(event_loop.finish(milliseconds(60_000)).unwrap(), 0);
        assert_eq!((server.statistics().open, network.open_connections()), (0, 0));
    }
}
