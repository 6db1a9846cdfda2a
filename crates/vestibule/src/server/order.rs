use super::answer::Reply;
use super::drain_report::{DrainOptions, DrainReport};
use super::tcp_server::TcpServer;
use crate::admission::Limits;
use crate::driver::KernelQueue;

/// What a [`ServerHandle`](crate::ServerHandle) asks for.
pub(crate) enum Order {
    Pause(Reply<()>),
    Resume(Reply<()>),
    Stop(Reply<()>),
    Drain(DrainOptions, Reply<DrainReport>),
    SetLimits(Box<Limits>, Reply<()>),
    TellQueue(Reply<Option<KernelQueue>>),
    /// Whatever a `TcpServer` can do; whoever is none drops it, which is told to whoever waits.
    Call(Box<dyn FnOnce(&TcpServer) + Send>),
}

impl Order {
    pub(super) fn carry_out(self, server: &TcpServer) {
        match self {
            Self::Pause(reply) => {
                server.pause_accepting();
                reply.send(());
            }
            Self::Resume(reply) => {
                server.resume_accepting();
                reply.send(());
            }
            Self::Stop(reply) => {
                server.close();
                reply.send(());
            }
            Self::Drain(options, reply) => {
                server.drain_then(options, |report| reply.send(report.clone()));
            }
            Self::SetLimits(limits, reply) => {
                server.set_limits(*limits);
                reply.send(());
            }
            Self::TellQueue(reply) => reply.send(server.kernel_queue()),
            Self::Call(call) => call(server),
        }
    }
}
