//! What an object has told since somebody last asked.

use std::cell::RefCell;
use std::rc::Rc;

/// The words of an object's signals, in order. A clone is the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn push(&self, word: impl Into<String>) {
        self.0.borrow_mut().push(word.into());
    }

    /// Several of the same in a row count as one: how often these come is no promise.
    pub(crate) fn push_once(&self, word: &str) {
        if self.0.borrow().last().is_none_or(|last| last != word) {
            self.push(word);
        }
    }

    /// Empties the log.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    /// Empties the log and prints it; `-` is for nothing.
    pub(crate) fn take_text(&self) -> String {
        let words = self.take();
        if words.is_empty() { "-".to_owned() } else { words.join(" ") }
    }
}
