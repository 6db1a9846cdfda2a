use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What `connect` gives, for `disconnect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId(u64);

thread_local! {
    /// The last id that was given out. Slots stay on their thread, so no two have the same.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// The slots of one or several signals of one object; a tag tells the signals apart.
///
/// No borrow is held while a slot runs or is dropped, so a slot may do with the list what it likes.
#[derive(Debug)]
pub(crate) struct SlotList<F: ?Sized> {
    slots: RefCell<Vec<Slot<F>>>,
    blocked: Cell<u16>,
}

#[derive(Debug)]
struct Slot<F: ?Sized> {
    call: Rc<F>,
    /// The id, with the signal's tag in the lowest byte.
    key: u64,
}

/// How far the tag moves the id.
const TAG_BITS: u32 = 8;

fn tag_of(key: u64) -> u8 {
    key.to_le_bytes()[0]
}

impl<F: ?Sized> Default for SlotList<F> {
    fn default() -> Self {
        Self { slots: RefCell::default(), blocked: Cell::new(0) }
    }
}

impl<F: ?Sized> SlotList<F> {
    pub(crate) fn connect(&self, tag: u8, call: Rc<F>) -> SlotId {
        let id = LAST.get() + 1;
        LAST.set(id);
        let mut slots = self.slots.borrow_mut();
        if slots.capacity() == 0 {
            slots.reserve_exact(1); // most objects have one slot: do not keep room for four
        }
        slots.push(Slot { call, key: id << TAG_BITS | u64::from(tag) });
        SlotId(id)
    }

    /// False when there is no such slot (any more).
    pub(crate) fn disconnect(&self, tag: u8, id: SlotId) -> bool {
        let removed = {
            let mut slots = self.slots.borrow_mut();
            let key = id.0 << TAG_BITS | u64::from(tag);
            let at = slots.iter().position(|slot| slot.key == key);
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

    /// Whether the signal of this tag has slots that run.
    pub(crate) fn has(&self, tag: u8) -> bool {
        !self.is_blocked(tag) && self.slots.borrow().iter().any(|slot| tag_of(slot.key) == tag)
    }

    pub(crate) fn is_blocked(&self, tag: u8) -> bool {
        self.blocked.get() & (1 << tag) != 0
    }

    /// Calls every slot of the tag that was connected before, in order, and still is when its turn comes.
    pub(crate) fn emit(&self, tag: u8, call: impl Fn(&F)) {
        let Some(newest) = self.slots.borrow().last().map(|slot| slot.key) else { return };
        let mut done = 0;
        while !self.is_blocked(tag) {
            let Some((key, slot)) = self.following(tag, done, newest) else { return };
            done = key;
            call(&slot);
        }
    }

    fn following(&self, tag: u8, done: u64, newest: u64) -> Option<(u64, Rc<F>)> {
        let slots = self.slots.borrow();
        let mut later = slots.iter().filter(|slot| slot.key > done && slot.key <= newest);
        let next = later.find(|slot| tag_of(slot.key) == tag)?;
        Some((next.key, Rc::clone(&next.call)))
    }
}
