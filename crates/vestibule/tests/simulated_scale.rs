//! 20,000 simulated connections: a turn costs what happens in it and not what is open, and the memory comes back. One
//! test: the count of bytes is the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use vestibule::simulation::{SimulatedClient, SimulatedNetwork};
use vestibule::{EventLoop, HostAddress, TcpServer, TcpSocket};

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

fn count(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(0)
}

// SAFETY: The system's allocator does all the work; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(count(layout), Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: The caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(count(layout), Ordering::Relaxed);
        // SAFETY: The pointer comes from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const PORT: u16 = 7777;
const NOW: Option<Duration> = Some(Duration::ZERO);
/// How many of the connections are talked on.
const BUSY: usize = 10;
const ROUNDS: usize = 500;

/// What a number of open connections costs.
#[derive(Debug)]
struct Cost {
    turns_to_accept: usize,
    /// Of so many rounds in which few connections talk, and most are idle.
    receives: u64,
    allocations: u64,
    time: Duration,
    /// What is left of the network when all have gone, and of the memory.
    bytes: isize,
    bytes_left: isize,
}

struct Crowd {
    network: SimulatedNetwork,
    event_loop: EventLoop,
    server: TcpServer,
    pairs: Vec<(TcpSocket, SimulatedClient)>,
    turns: usize,
}

impl Crowd {
    fn new(number: usize) -> Self {
        let network = SimulatedNetwork::new(1).unwrap();
        let event_loop = network.event_loop();
        let server = TcpServer::new(&event_loop);
        server.listen(HostAddress::ANY, PORT).unwrap();
        let (mut pairs, mut turns) = (Vec::with_capacity(number), 0);
        while pairs.len() < number {
            let clients: Vec<_> = (0..16).map(|_| network.connect(PORT).unwrap()).collect();
            event_loop.process_events(NOW).unwrap();
            turns += 1;
            for client in clients {
                pairs.push((server.next_pending_connection().unwrap(), client));
            }
        }
        for (socket, _) in &pairs {
            socket.ready_read().connect(|socket| {
                socket.read_with(|bytes| socket.write(bytes));
            });
        }
        Self { network, event_loop, server, pairs, turns }
    }

    /// A few talk; a turn for what they send, and one for the answers.
    fn talk(&self) {
        for _ in 0..ROUNDS {
            for (_, client) in self.pairs.iter().take(BUSY) {
                client.write(b"ping").unwrap();
            }
            let mut came = 0;
            while came < BUSY * 4 {
                self.event_loop.process_events(NOW).unwrap();
                let busy = self.pairs.iter().take(BUSY);
                came += busy.map(|(_, client)| client.read().unwrap().len()).sum::<usize>();
            }
        }
    }

    fn go(self) {
        let Self { network, event_loop, server, pairs, .. } = self;
        for (at, (socket, client)) in pairs.into_iter().enumerate() {
            // One of either side goes first.
            if at % 2 == 0 {
                drop(socket);
                drop(client);
            } else {
                drop(client);
                drop(socket);
            }
        }
        assert_eq!(event_loop.finish(Duration::from_secs(60)).unwrap(), 0);
        assert_eq!((server.statistics().open, network.open_connections()), (0, 0));
    }
}

fn cost_of(number: usize) -> Cost {
    let before = LIVE.load(Ordering::Relaxed);
    let crowd = Crowd::new(number);
    let bytes = LIVE.load(Ordering::Relaxed) - before;
    crowd.talk(); // buffers grow
    let (receives, allocations) = (crowd.network.receives(), ALLOCATIONS.load(Ordering::Relaxed));
    let begun = Instant::now();
    crowd.talk();
    let time = begun.elapsed();
    let receives = crowd.network.receives() - receives;
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - allocations;
    let turns_to_accept = crowd.turns;
    crowd.go();
    let bytes_left = LIVE.load(Ordering::Relaxed) - before;
    Cost { turns_to_accept, receives, allocations, time, bytes, bytes_left }
}

#[test]
fn a_turn_costs_what_happens_in_it_and_memory_comes_back() {
    let (few, many) = (cost_of(1_000), cost_of(20_000));
    let tell = |number, cost: &Cost| {
        let Cost { receives, allocations, time, bytes, bytes_left, .. } = cost;
        let work = format!("{receives} receives and {allocations} allocations in {time:.1?}");
        format!("{number} connections: {work}; {bytes} B, of which {bytes_left} B were kept\n")
    };
    let line = tell(1_000, &few) + &tell(20_000, &many);
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert_eq!((few.turns_to_accept, many.turns_to_accept), (1_000_usize.div_ceil(16), 20_000 / 16));
    // What is drawn from the seed differs a little: how many bytes go at once.
    assert!(many.receives < few.receives * 2, "{} and {} receives", few.receives, many.receives);
    assert!(many.allocations < few.allocations * 2, "{} and {}", few.allocations, many.allocations);
    assert!(many.bytes < few.bytes * 30, "{} and {} bytes", few.bytes, many.bytes);
    assert!(many.bytes_left < 100_000, "{} of {} bytes were kept", many.bytes_left, many.bytes);
}
