use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many names are looked up at the same time; a resolver that does not answer holds one for its time-out.
const MOST: usize = 8;
/// How long a thread waits for the next name before it ends.
const PATIENCE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

struct Pool {
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { queue: VecDeque::new(), threads: 0, idle: 0 });
static MORE: Condvar = Condvar::new();

/// Work is never run under the lock, so a panic leaves the pool whole.
fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs blocking work in one of a few threads, which are shared by the whole program and end when they are idle.
pub(super) fn run(work: Work) -> io::Result<()> {
    let mut pool = pool();
    if pool.idle <= pool.queue.len() && pool.threads < MOST {
        let spawned = thread::Builder::new().name("vestibule-lookup".into()).spawn(serve);
        match spawned {
            Ok(_) => pool.threads += 1,
            Err(error) if pool.threads == 0 => return Err(error),
            Err(_) => {} // one of those that run will do it
        }
    }
    pool.queue.push_back(work);
    drop(pool);
    MORE.notify_one();
    Ok(())
}

fn serve() {
    let mut pool = pool();
    loop {
        if let Some(work) = pool.queue.pop_front() {
            drop(pool);
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)); // or a thread would be missing
            pool = self::pool();
            continue;
        }
        pool.idle += 1;
        let (woken, time) = MORE.wait_timeout(pool, PATIENCE).unwrap_or_else(PoisonError::into_inner);
        pool = woken;
        pool.idle -= 1;
        if time.timed_out() && pool.queue.is_empty() {
            pool.threads -= 1;
            return;
        }
    }
}
