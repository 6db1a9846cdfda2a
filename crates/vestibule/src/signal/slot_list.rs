use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What `connect` gives, for `disconnect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId(u32);

/// The slots of one or several signals of one object; a tag tells the signals apart.
///
/// No borrow is held while a slot runs or is dropped, so a slot may do with the list what it likes.
#[derive(Debug)]
pub(crate) struct SlotList<F: ?Sized> {
    slots: RefCell<Vec<Slot<F>>>,
    last: Cell<u32>,
    blocked: Cell<u8>,
}

#[derive(Debug)]
struct Slot<F: ?Sized> {
    call: Rc<F>,
    id: u32,
    tag: u8,
}

impl<F: ?Sized> Default for SlotList<F> {
    fn default() -> Self {
        Self { slots: RefCell::default(), last: Cell::new(0), blocked: Cell::new(0) }
    }
}

impl<F: ?Sized> SlotList<F> {
    pub(crate) fn connect(&self, tag: u8, call: Rc<F>) -> SlotId {
        let id = self.last.get() + 1;
        self.last.set(id);
        let mut slots = self.slots.borrow_mut();
        if slots.capacity() == 0 {
            slots.reserve_exact(1); // most objects have one slot: do not keep room for four
        }
        slots.push(Slot { call, id, tag });
        SlotId(id)
    }

    /// False when there is no such slot (any more).
    pub(crate) fn disconnect(&self, tag: u8, id: SlotId) -> bool {
        let removed = {
            let mut slots = self.slots.borrow_mut();
            let at = slots.iter().position(|slot| slot.id == id.0 && slot.tag == tag);
            at.map(|at| slots.remove(at))
        };
        removed.is_some() // dropped here: what a slot captured may run anything
    }

    pub(crate) fn clear(&self) {
        let slots = self.slots.take();
        drop(slots);
    }

    pub(crate) fn set_blocked(&self, tag: u8, blocked: bool) {
        let mask = 1 << tag;
        self.blocked.set(if blocked { self.blocked.get() | mask } else { self.blocked.get() & !mask });
    }

    pub(crate) fn is_blocked(&self, tag: u8) -> bool {
        self.blocked.get() & (1 << tag) != 0
    }

    /// Calls every slot of the tag that was connected before, in order, and still is when its turn comes.
    pub(crate) fn emit(&self, tag: u8, call: impl Fn(&F)) {
        let newest = self.last.get();
        let mut done = 0;
        while !self.is_blocked(tag) {
            let Some((id, slot)) = self.following(tag, done, newest) else {
                return;
            };
            done = id;
            call(&slot);
        }
    }

    fn following(&self, tag: u8, done: u32, newest: u32) -> Option<(u32, Rc<F>)> {
        let slots = self.slots.borrow();
        let next = slots.iter().find(|slot| slot.id > done && slot.id <= newest && slot.tag == tag)?;
        Some((next.id, Rc::clone(&next.call)))
    }
}
