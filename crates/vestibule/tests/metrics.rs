//! The `metrics` facade is told what servers count: `cargo test --package vestibule --features metrics --test metrics`.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::BTreeMap;
use std::time::Duration;
use vestibule::simulation::SimulatedNetwork;
use vestibule::{HostAddress, Limits, OverLimit, Refusal, TcpServer};

#[test]
fn the_facade_is_told_within_a_second_and_an_idle_loop_sleeps() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _server = metrics::with_local_recorder(&recorder, || {
        let network = SimulatedNetwork::new(1).unwrap();
        let event_loop = network.event_loop();
        let server = TcpServer::new(&event_loop);
        server.set_object_name("front");
        server.set_limits(Limits::new().max_connections(2).over_limit(OverLimit::Refuse(Refusal::Close)));
        server.listen(HostAddress::ANY, 7).unwrap();
        let clients: Vec<_> = (0..5).map(|_| network.connect(7).unwrap()).collect();
        for _ in 0..5 {
            event_loop.process_events(Some(Duration::ZERO)).unwrap();
        }
        while network.elapsed() < Duration::from_secs(1) {
            event_loop.process_events(Some(Duration::from_secs(1))).unwrap();
        }
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        let before = network.elapsed();
        event_loop.process_events(Some(Duration::from_secs(3600))).unwrap();
        assert_eq!(
            network.elapsed().saturating_sub(before),
            Duration::from_secs(3600),
            "nothing changes: no turn for metrics"
        );
        drop(clients);
        server // when it is gone it has no connections
    });
    let told: BTreeMap<String, DebugValue> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> =
                key.key().labels().map(|it| format!("{}={}", it.key(), it.value())).collect();
            (format!("{} {}", key.key().name(), labels.join(" ")), value)
        })
        .collect();
    let value = |name: &str| told.get(name).unwrap_or_else(|| panic!("{name} is missing in {told:#?}"));
    assert_eq!(value("vestibule_connections_accepted_total server=front"), &DebugValue::Counter(2));
    let refused = "vestibule_connections_refused_total server=front reason=connections";
    assert_eq!(value(refused), &DebugValue::Counter(3));
    assert_eq!(value("vestibule_connections_open server=front"), &DebugValue::Gauge(2.0.into()));
}

#[test]
fn of_a_server_that_is_gone_no_connections_are_open() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let network = SimulatedNetwork::new(1).unwrap();
        let event_loop = network.event_loop();
        let server = TcpServer::new(&event_loop);
        server.listen(HostAddress::ANY, 7).unwrap();
        let _client = network.connect(7).unwrap();
        let go_to = |second| {
            while network.elapsed() < Duration::from_secs(second) {
                event_loop.process_events(Some(Duration::from_secs(1))).unwrap();
            }
        };
        go_to(2);
        assert_eq!(server.statistics().open, 1);
        drop(server);
        go_to(4);
    });
    let told = snapshotter.snapshot().into_vec();
    let open = told.iter().find(|(key, ..)| key.key().name() == "vestibule_connections_open");
    assert_eq!(open.map(|(_, _, _, value)| value), Some(&DebugValue::Gauge(0.0.into())));
}
