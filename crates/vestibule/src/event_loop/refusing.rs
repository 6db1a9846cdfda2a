use super::core::LoopCore;
use crate::admission::Refusal;
use crate::driver::{Token, Transport};

/// How many refused connections of a loop may linger, so that their last word arrives.
const LINGERING_WORDS: usize = 64;
/// How much of what a client has sent is discarded when nobody can wait for it.
const DISCARDED_AT_ONCE: usize = 64 << 10;

/// Clients that are accepted only to be refused.
impl LoopCore {
    /// Gives a client what it gets instead of being let in.
    pub(crate) fn refuse(&self, transport: Transport, refusal: &Refusal) {
        match refusal {
            Refusal::Close => self.refuse_by_closing(transport),
            Refusal::Reset => self.refuse_by_reset(transport),
            Refusal::LastWord(word) if self.departing.refused() < LINGERING_WORDS => {
                let token = self.driver.borrow_mut().adopt(transport, 0);
                if let Some(token) = token {
                    self.departing.linger_refused(self, token, word.clone());
                }
            }
            Refusal::LastWord(_) => self.refuse_at_once(transport, refusal),
        }
    }

    /// The same, for when nobody can wait for the client, or the descriptor is needed again at once.
    pub(crate) fn refuse_at_once(&self, transport: Transport, refusal: &Refusal) {
        let Refusal::LastWord(word) = refusal else { return self.refuse(transport, refusal) };
        let token = self.driver.borrow_mut().adopt(transport, 0);
        let Some(token) = token else { return };
        {
            // What fits: all of it, on the empty buffer of a new connection.
            let mut driver = self.driver.borrow_mut();
            let _ = driver.send(token, word.as_bytes(), true);
            driver.shut_down(token);
        }
        self.discard_what_came(token);
        self.close(token);
    }

    fn refuse_by_closing(&self, transport: Transport) {
        let token = self.driver.borrow_mut().adopt(transport, 0);
        if let Some(token) = token {
            self.discard_what_came(token);
            self.close(token);
        }
    }

    fn refuse_by_reset(&self, transport: Transport) {
        let token = self.driver.borrow_mut().adopt(transport, 0);
        if let Some(token) = token {
            self.driver.borrow_mut().reset_at_close(token);
            self.close(token);
        }
    }

    /// Unread bytes would make the closing a reset, which may destroy what the client was told.
    fn discard_what_came(&self, token: Token) {
        let (mut discarded, mut buffer) = (0, self.buffers.read_buffer());
        while discarded < DISCARDED_AT_ONCE {
            let received = self.driver.borrow_mut().receive(token, buffer.room());
            match received {
                Ok(length) if length > 0 => discarded += length,
                Ok(_) | Err(_) => break,
            }
        }
        self.buffers.give_read_buffer(buffer);
    }
}
