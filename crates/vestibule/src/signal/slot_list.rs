use super::slot::Slot;
use std::cell::{Cell, RefCell};
use std::fmt;

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
pub(crate) struct SlotList<F: ?Sized + 'static> {
    connected: RefCell<Connected<F>>,
    blocked: Cell<u16>,
}

/// In the order of their keys; most objects have one slot, which needs no memory beside the list's.
struct Connected<F: ?Sized + 'static> {
    first: Option<Keyed<F>>,
    others: Vec<Keyed<F>>,
}

struct Keyed<F: ?Sized + 'static> {
    call: Slot<F>,
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
        Self { connected: RefCell::default(), blocked: Cell::new(0) }
    }
}

impl<F: ?Sized> Default for Connected<F> {
    fn default() -> Self {
        Self { first: None, others: Vec::new() }
    }
}

impl<F: ?Sized> Connected<F> {
    fn iter(&self) -> impl Iterator<Item = &Keyed<F>> {
        self.first.iter().chain(&self.others)
    }

    fn add(&mut self, slot: Keyed<F>) {
        if self.first.is_none() && self.others.is_empty() {
            self.first = Some(slot);
        } else {
            self.others.push(slot);
        }
    }

    fn remove(&mut self, key: u64) -> Option<Keyed<F>> {
        if self.first.as_ref().is_some_and(|slot| slot.key == key) {
            return self.first.take();
        }
        let at = self.others.iter().position(|slot| slot.key == key)?;
        Some(self.others.remove(at))
    }

    fn newest(&self) -> Option<u64> {
        self.others.last().or(self.first.as_ref()).map(|slot| slot.key)
    }
}

impl<F: ?Sized> SlotList<F> {
    pub(crate) fn connect(&self, tag: u8, call: Slot<F>) -> SlotId {
        let id = LAST.get() + 1;
        LAST.set(id);
        self.connected.borrow_mut().add(Keyed { call, key: id << TAG_BITS | u64::from(tag) });
        SlotId(id)
    }

    /// False when there is no such slot (any more).
    pub(crate) fn disconnect(&self, tag: u8, id: SlotId) -> bool {
        let removed = self.connected.borrow_mut().remove(id.0 << TAG_BITS | u64::from(tag));
        removed.is_some() // dropped here: what a slot captured may run anything
    }

    pub(crate) fn clear(&self) {
        let connected = self.connected.take();
        drop(connected);
    }

    pub(crate) fn set_blocked(&self, tag: u8, blocked: bool) {
        let mask = 1 << tag;
        self.blocked.set(if blocked { self.blocked.get() | mask } else { self.blocked.get() & !mask });
    }

    /// Whether the signal of this tag has slots that run.
    pub(crate) fn has(&self, tag: u8) -> bool {
        !self.is_blocked(tag) && self.connected.borrow().iter().any(|slot| tag_of(slot.key) == tag)
    }

    pub(crate) fn is_blocked(&self, tag: u8) -> bool {
        self.blocked.get() & (1 << tag) != 0
    }

    /// Calls every slot of the tag that was connected before, in order, and still is when its turn comes.
    pub(crate) fn emit(&self, tag: u8, call: impl Fn(&F)) {
        let Some(newest) = self.connected.borrow().newest() else { return };
        let mut done = 0;
        while done < newest && !self.is_blocked(tag) {
            let Some((key, slot)) = self.following(tag, done, newest) else { return };
            done = key;
            call(&slot);
        }
    }

    fn following(&self, tag: u8, done: u64, newest: u64) -> Option<(u64, Slot<F>)> {
        let connected = self.connected.borrow();
        let mut later = connected.iter().filter(|slot| slot.key > done && slot.key <= newest);
        let next = later.find(|slot| tag_of(slot.key) == tag)?;
        Some((next.key, next.call.clone()))
    }
}

impl<F: ?Sized> fmt::Debug for SlotList<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotList").field("blocked", &self.blocked).finish_non_exhaustive()
    }
}
