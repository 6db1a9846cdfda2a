use crate::driver::Token;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// What stands behind the driver's tokens: the objects of one kind, by slot.
///
/// The driver drops events of tokens that are gone, so a slot always holds the object that its token means.
pub(crate) struct Table<T>(RefCell<Vec<Option<Rc<T>>>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Table<T> {
    pub(crate) fn insert(&self, token: Token, object: Rc<T>) {
        let mut objects = self.0.borrow_mut();
        if token.slot() >= objects.len() {
            objects.resize_with(token.slot() + 1, || None);
        }
        if let Some(place) = objects.get_mut(token.slot()) {
            *place = Some(object);
        }
    }

    /// Makes room, so that so many can be inserted without more memory.
    pub(crate) fn reserve(&self, number: usize) {
        let mut objects = self.0.borrow_mut();
        let more = number.saturating_sub(objects.len());
        objects.reserve(more);
    }

    pub(crate) fn get(&self, token: Token) -> Option<Rc<T>> {
        self.0.borrow().get(token.slot())?.clone()
    }

    /// The object is the caller's to drop, while nothing is borrowed.
    #[must_use = "dropping it may run what a slot captured"]
    pub(crate) fn remove(&self, token: Token) -> Option<Rc<T>> {
        self.0.borrow_mut().get_mut(token.slot())?.take()
    }

    /// The objects that a look finds worth having.
    pub(crate) fn select(&self, wanted: impl Fn(&T) -> bool) -> Vec<Rc<T>> {
        self.0.borrow().iter().flatten().filter(|object| wanted(object)).cloned().collect()
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}
