use super::core::LoopCore;
use crate::admission::Refusal;
use crate::driver::{Token, Transport};
use rustix::io::Errno;

/// How many refused connections of a loop may linger, so that their last word arrives.
const LINGERING_WORDS: usize = 64;
/// How much of what a client has sent is discarded when nobody can wait for it.
const DISCARDED_AT_ONCE: usize = 64 << 10;

/// Clients that are accepted only to be refused.
impl LoopCore {
    /// Gives a client what it gets instead of being let in.
    pub(crate) fn refuse(&self, transport: Transport, refusal: &Refusal) {
        let Some(token) = self.prepare_refusal(transport, refusal) else { return };
        if self.departing.refused() < LINGERING_WORDS {
            self.departing.linger_refused(self, token);
        } else {
            self.close(token);
        }
    }

    /// The same, for when its descriptor is needed again at once.
    pub(crate) fn refuse_at_once(&self, transport: Transport, refusal: &Refusal) {
        let Some(token) = self.prepare_refusal(transport, refusal) else { return };
        let (mut discarded, mut buffer) = (0, self.buffers.read_buffer());
        while discarded < DISCARDED_AT_ONCE {
            match self.driver.borrow_mut().receive(token, buffer.room()) {
                Ok(length) if length > 0 => discarded += length,
                Ok(_) | Err(_) => break,
            }
        }
        self.buffers.give_read_buffer(buffer);
        self.close(token);
    }

    /// Says the last word, if there is one, and the end; else closes.
    fn prepare_refusal(&self, transport: Transport, refusal: &Refusal) -> Option<Token> {
        let Refusal::LastWord(word) = refusal else {
            if *refusal == Refusal::Reset {
                let token = self.driver.borrow_mut().adopt(transport)?;
                self.driver.borrow_mut().reset_at_close(token);
                self.close(token);
            }
            return None;
        };
        let mut driver = self.driver.borrow_mut();
        let token = driver.adopt(transport)?;
        // It fits into the empty buffer of any new connection; where it fails the client has gone.
        let sent: Result<usize, Errno> = driver.send(token, word.as_bytes(), true);
        driver.shut_down(token);
        drop(driver);
        if sent.is_err() {
            self.close(token);
            return None;
        }
        Some(token)
    }
}
