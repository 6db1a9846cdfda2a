use super::change_list::ChangeList;
use super::connection::Connection;
use super::listener::Listener;
use super::os_driver::OsDriver;
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
