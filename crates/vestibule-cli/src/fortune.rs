//! `vestibule fortune`.

use crate::arguments::Fortune;
use crate::output::complain;
use crate::service;
use std::cell::Cell;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use vestibule::TcpServer;

/// Our own sentences, for those who bring none.
const FORTUNES: [&str; 12] = [
    "A door that is never closed lets the cat decide.",
    "The queue you cannot see is the longer one.",
    "You will soon meet a stranger. Accept, then read.",
    "He who writes before the end of the turn pays once.",
    "A small limit, kept, is worth more than a large one, promised.",
    "Someone is waiting for you to say goodbye properly.",
    "Patience doubles, up to half a second.",
    "The last guest carries the news that the party is over.",
    "What you do not hold, you cannot drop.",
    "A port in storm is usually in use.",
    "Your next connection will be a good one.",
    "Whoever listens on all addresses should know who is calling.",
];

/// Tells every client a fortune.
pub(crate) fn serve(arguments: &Fortune) -> Result<(), Box<dyn std::error::Error>> {
    let fortunes = match &arguments.file {
        Some(path) => read(path)?,
        None => FORTUNES.map(String::from).to_vec(),
    };
    let verbose = arguments.service.verbose;
    let fortunes: Arc<[String]> = fortunes.into();
    service::serve(&arguments.service, move |server| {
        let (fortunes, next) = (Arc::clone(&fortunes), Choice::new());
        server.new_connection().connect(move |server| tell(server, &fortunes, &next, verbose));
    })
}

fn tell(server: &TcpServer, fortunes: &[String], next: &Choice, verbose: bool) {
    while let Some(socket) = server.next_pending_connection() {
        let number = next.below(fortunes.len());
        if let Some(fortune) = fortunes.get(number) {
            socket.write(format!("{fortune}\n").as_bytes());
        }
        if verbose {
            if let Some(peer) = socket.peer_addr() {
                complain(&format!("{peer}: told fortune {}", number + 1));
            }
        }
        socket.disconnect_from_host();
    }
}

/// Fortunes of a file, separated as the program `fortune` has them, or else one on each line.
fn read(path: &Path) -> Result<Vec<String>, Unusable> {
    let unusable = |why: String| Unusable(format!("cannot take fortunes from {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let mut fortunes = vec![String::new()];
    let separated = text.lines().any(|line| line == "%");
    for line in text.lines() {
        match fortunes.last_mut() {
            Some(last) if separated && line != "%" => {
                if !last.is_empty() {
                    last.push('\n');
                }
                last.push_str(line);
            }
            _ => fortunes.push(if separated { String::new() } else { line.to_owned() }),
        }
    }
    fortunes.retain(|fortune| !fortune.trim().is_empty());
    if fortunes.is_empty() { Err(unusable("it holds none".into())) } else { Ok(fortunes) }
}

/// A file that gives no fortunes.
#[derive(Debug)]
struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// Picks fortunes in an order that nobody needs to predict, nor to be unable to predict.
struct Choice(Cell<u64>);

impl Choice {
    fn new() -> Self {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos());
        Self(Cell::new(u64::try_from(clock % u128::from(u64::MAX)).unwrap_or(1) | 1))
    }

    /// A number below `limit` (xorshift); 0 when there is none.
    fn below(&self, limit: usize) -> usize {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        usize::try_from(state % (limit.max(1) as u64)).unwrap_or(0)
    }
}
