use super::change_list::ChangeList;
use super::connection::Connection;
use super::listener::Listener;
use super::os_driver::OsDriver;
#[cfg(any(not(target_os = "linux"), vestibule_polling))]
use super::poller::WATCH;
use super::poller::{Poller, Signs};
use crate::driver::Token;
use crate::driver::slots::Slots;
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// Something that the poller is told about.
trait Registered {
    fn descriptor(&self) -> BorrowedFd<'_>;
    fn wanted(&self) -> Signs;
    fn armed(&mut self) -> &mut Signs;
}

impl Registered for Connection {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn wanted(&self) -> Signs {
        self.wanted()
    }

    fn armed(&mut self) -> &mut Signs {
        &mut self.armed
    }
}

impl Registered for Listener {
    fn descriptor(&self) -> BorrowedFd<'_> {
        (*self.descriptor).as_fd()
    }

    fn wanted(&self) -> Signs {
        self.wanted()
    }

    fn armed(&mut self) -> &mut Signs {
        &mut self.armed
    }
}

impl OsDriver {
    /// Tells the poller what has changed since it was last told.
    pub(in crate::driver) fn apply_changes(&mut self) {
        let Some(opened) = &self.opened else { return };
        let (poller, refused) = (&opened.poller, &mut self.refused);
        apply(poller, &mut self.changed_connections, &mut self.connections, Token::connection, refused);
        apply(poller, &mut self.changed_listeners, &mut self.listeners, Token::listener, refused);
    }
}

/// What the poller still knows is taken back from it before it is closed.
#[cfg(any(not(target_os = "linux"), vestibule_polling))]
impl Drop for OsDriver {
    fn drop(&mut self) {
        let Some(opened) = &self.opened else { return };
        let forget = |descriptor: BorrowedFd<'_>, armed: Signs| {
            let _ = opened.poller.register(descriptor, 0, armed, 0);
        };
        forget((*opened.waker).as_fd(), WATCH);
        for connection in self.connections.values().filter(|connection| connection.armed != 0) {
            forget(connection.descriptor.as_fd(), connection.armed);
        }
        for listener in self.listeners.values().filter(|listener| listener.armed != 0) {
            forget((*listener.descriptor).as_fd(), listener.armed);
        }
    }
}

fn apply<T: Registered>(
    poller: &Poller,
    changed: &mut ChangeList,
    objects: &mut Slots<T>,
    token: impl Fn(u32, u32) -> Token,
    refused: &mut Vec<(Token, Errno)>,
) {
    while let Some(slot) = changed.take() {
        let Some((generation, object)) = objects.current(slot) else { continue };
        let Ok(number) = u32::try_from(slot) else { continue };
        let token = token(number, generation);
        let (from, to) = (*object.armed(), object.wanted());
        match poller.register(object.descriptor(), token.to_u64(), from, to) {
            Ok(()) => *object.armed() = to,
            Err(errno) => refused.push((token, errno)),
        }
    }
}
