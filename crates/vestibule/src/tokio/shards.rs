use super::listener::Listener;
use crate::driver::open_listener;
use crate::error::{Rejected, Result};

impl Listener {
    /// So many listeners of the same door, this one included: for a task, or a runtime, on each core. Limits and statistics
    /// are shared and stay exact, and one handle is for all. Each goes to the runtime that polls it.
    ///
    /// With [`reuse_port`](super::Options::reuse_port) each has a queue of its own, among which the kernel spreads the clients
    /// by a hash; the clients of one that is dropped are reset. Without it all accept from one queue: whoever has time takes
    /// the next client, and a client wakes all that wait, because tokio's reactor cannot ask for `EPOLLEXCLUSIVE`.
    ///
    /// # Errors
    ///
    /// When a further queue cannot be made; this listener comes back.
    pub fn shards(self, number: usize) -> Result<Vec<Self>, Rejected<Box<Self>>> {
        let mut shards = Vec::with_capacity(number.max(1));
        for _ in 1..number {
            match self.shard() {
                Ok(shard) => shards.push(shard),
                Err(error) => return Err(Rejected { error, value: Box::new(self) }),
            }
        }
        shards.push(self);
        Ok(shards)
    }

    fn shard(&self) -> Result<Self> {
        let mut shard = Self::of(&self.shared, self.options.clone());
        for queue in &self.queues {
            if self.options.reuse_port {
                let request = self.options.request(queue.endpoint);
                let (descriptor, endpoint) =
                    open_listener(&request).map_err(|failure| failure.at(request.endpoint))?;
                shard.add_queue(descriptor, endpoint, true);
            } else {
                shard.queues.push(queue.shared());
            }
        }
        Ok(shard)
    }
}
