use super::core::LoopCore;
use super::deadlines::{DeadlineKey, Deadlines, later};
use crate::admission::LastWord;
use crate::driver::{Interest, Token};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Connections that nobody holds any more and that are still ending.
///
/// A *lingering* one has sent everything: what the peer still sends is discarded until its end, so that no reset
/// destroys what it has not read yet; bounded in time and bytes. A *sending* one still has unsent bytes: it is cut when
/// the peer takes none of them for a while.
#[derive(Debug)]
pub(crate) struct Departing {
    entries: RefCell<BTreeMap<Token, Entry>>,
    /// How many of them were refused and linger for their last word.
    refused: Cell<usize>,
    deadlines: RefCell<Deadlines<Token>>,
    pub(super) linger_time: Cell<Duration>,
    pub(super) linger_bytes: Cell<u32>,
    pub(super) send_patience: Cell<Duration>,
}

#[derive(Debug)]
struct Entry {
    key: DeadlineKey,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Lingering { bytes_left: u32, word: Option<UnsentWord> },
    Sending { unsent: usize },
}

/// The last word of a refused connection, and how much of it has left.
#[derive(Debug)]
struct UnsentWord {
    word: LastWord,
    sent: usize,
}

impl Default for Departing {
    fn default() -> Self {
        Self {
            entries: RefCell::default(),
            refused: Cell::new(0),
            deadlines: RefCell::default(),
            linger_time: Cell::new(Duration::from_secs(2)),
            linger_bytes: Cell::new(1 << 20),
            send_patience: Cell::new(Duration::from_secs(30)),
        }
    }
}

impl Departing {
    fn add(&self, core: &LoopCore, token: Token, time: Duration, stage: Stage) {
        let at = later(core.driver.borrow().now(), time);
        let key = self.deadlines.borrow_mut().insert(at, token);
        let earlier = self.entries.borrow_mut().insert(token, Entry { key, stage });
        if let Some(earlier) = earlier {
            self.deadlines.borrow_mut().remove(earlier.key);
        }
        core.call_for_turn();
    }

    pub(super) fn linger(&self, core: &LoopCore, token: Token, discarded: usize) {
        let discarded = u32::try_from(discarded).unwrap_or(u32::MAX);
        let bytes_left = self.linger_bytes.get().saturating_sub(discarded);
        if bytes_left == 0 || !core.has_handles() {
            return core.close(token); // without a loop nobody would discard anything
        }
        self.add(core, token, self.linger_time.get(), Stage::Lingering { bytes_left, word: None });
        core.driver.borrow_mut().grant_bytes(token, u32::MAX);
    }

    /// A refused connection is to get its last word, and then the end.
    pub(super) fn linger_refused(&self, core: &LoopCore, token: Token, word: LastWord) {
        let bytes_left = self.linger_bytes.get();
        let stage = Stage::Lingering { bytes_left, word: Some(UnsentWord { word, sent: 0 }) };
        self.refused.set(self.refused.get() + 1);
        self.add(core, token, self.linger_time.get(), stage);
        core.driver.borrow_mut().grant_bytes(token, u32::MAX);
        self.send_word(core, token);
        if bytes_left == 0 || !core.has_handles() {
            self.end(core, token); // without a loop nobody would discard anything
        }
    }

    /// Sends what is left of a last word, and the end behind it.
    pub(super) fn send_word(&self, core: &LoopCore, token: Token) {
        let failed = {
            let mut entries = self.entries.borrow_mut();
            let stage = entries.get_mut(&token).map(|entry| &mut entry.stage);
            let Some(Stage::Lingering { word: Some(UnsentWord { word, sent }), .. }) = stage else { return };
            let unsent = word.as_bytes().get(*sent..).unwrap_or_default();
            let mut driver = core.driver.borrow_mut();
            match driver.send(token, unsent, true) {
                Ok(length) if length == unsent.len() => {
                    *sent += length;
                    driver.shut_down(token);
                    false
                }
                Ok(length) => {
                    *sent += length;
                    false
                }
                Err(_) => true, // the client has gone
            }
        };
        if failed {
            self.end(core, token);
        }
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.get()
    }

    fn remove(&self, token: Token) -> Option<Entry> {
        let mut entries = self.entries.borrow_mut();
        let entry = if entries.is_empty() { None } else { entries.remove(&token) }?;
        if matches!(entry.stage, Stage::Lingering { word: Some(_), .. }) {
            self.refused.set(self.refused.get().saturating_sub(1));
        }
        Some(entry)
    }

    /// The owner is gone, and so many bytes are still to be sent.
    pub(crate) fn watch_sending(&self, core: &LoopCore, token: Token, unsent: usize) {
        self.add(core, token, self.send_patience.get(), Stage::Sending { unsent });
    }

    pub(super) fn discarded(&self, core: &LoopCore, token: Token, length: usize) {
        let spent = match self.entries.borrow_mut().get_mut(&token).map(|entry| &mut entry.stage) {
            Some(Stage::Lingering { bytes_left, .. }) => {
                *bytes_left = bytes_left.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
                *bytes_left == 0
            }
            _ => false,
        };
        if spent {
            self.end(core, token);
        }
    }

    /// The connection needs no more care: closes it if it is still there.
    pub(crate) fn end(&self, core: &LoopCore, token: Token) {
        self.forget(token);
        core.close(token);
    }

    pub(crate) fn forget(&self, token: Token) {
        if let Some(entry) = self.remove(token) {
            self.deadlines.borrow_mut().remove(entry.key);
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.deadlines.borrow().next()
    }

    pub(super) fn has(&self, token: Token) -> bool {
        self.entries.borrow().contains_key(&token)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Cuts those whose time is over.
    pub(super) fn expire(&self, core: &LoopCore) {
        if self.next().is_none() {
            return;
        }
        let now = core.driver.borrow().now();
        loop {
            let due = self.deadlines.borrow_mut().pop_due(now);
            let Some(token) = due else { return };
            let entry = self.remove(token);
            match (entry.map(|entry| entry.stage), core.sockets.get(token)) {
                (Some(Stage::Sending { unsent }), Some(socket)) => {
                    let left = socket.bytes_to_write();
                    if left < unsent {
                        self.watch_sending(core, token, left);
                    } else {
                        let _ = socket.cut();
                    }
                }
                (Some(Stage::Lingering { .. }), None) => core.close(token),
                _ => {}
            }
        }
    }

    /// Cuts all; tells how many that were.
    pub(super) fn cut(&self, core: &LoopCore) -> usize {
        let tokens: Vec<Token> = self.entries.borrow().keys().copied().collect();
        let mut number = 0;
        for token in tokens {
            if let Some(socket) = core.sockets.get(token) {
                socket.push_out_all();
                number += usize::from(socket.cut());
            } else {
                self.end(core, token);
                number += 1;
            }
        }
        number
    }

    /// What a wait has to look after beside its own object.
    pub(super) fn interests(&self, interests: &mut Vec<Interest>) {
        let entries = self.entries.borrow();
        interests.extend(entries.iter().filter_map(|(token, entry)| match &entry.stage {
            Stage::Lingering { word, .. } => {
                let writable = word.as_ref().is_some_and(|word| word.sent < word.word.as_bytes().len());
                Some(Interest { writable, ..Interest::readable(*token) })
            }
            Stage::Sending { .. } => None,
        }));
    }

    /// A wait has found that something can be sent or discarded.
    pub(super) fn tend(&self, core: &LoopCore, token: Token) {
        if self.has_unsent_word(token) {
            self.send_word(core, token);
        }
        self.discard(core, token);
    }

    fn has_unsent_word(&self, token: Token) -> bool {
        let entries = self.entries.borrow();
        let stage = entries.get(&token).map(|entry| &entry.stage);
        matches!(stage, Some(Stage::Lingering { word: Some(word), .. }) if word.sent < word.word.as_bytes().len())
    }

    /// Receives and discards once.
    fn discard(&self, core: &LoopCore, token: Token) {
        let mut buffer = core.buffers.read_buffer();
        let received = core.driver.borrow_mut().receive(token, buffer.room());
        core.buffers.give_read_buffer(buffer);
        match received {
            Ok(0) => self.end(core, token),
            Ok(length) => self.discarded(core, token, length),
            Err(Errno::AGAIN) => {}
            Err(_) => self.end(core, token),
        }
    }
}
