/// The slots whose interest may differ from what epoll knows; each once, however often it changed, the first first.
///
/// Because changes are told to the system only before it is waited for, an object that comes and goes within a turn
/// is never registered.
#[derive(Debug, Default)]
pub(super) struct ChangeList {
    order: Vec<u32>,
    /// How many of these were taken.
    taken: usize,
    listed: Vec<bool>,
}

impl ChangeList {
    pub(super) fn add(&mut self, slot: usize) {
        if slot >= self.listed.len() {
            self.listed.resize(slot + 1, false);
        }
        if let (Some(listed), Ok(number)) = (self.listed.get_mut(slot), u32::try_from(slot)) {
            if !std::mem::replace(listed, true) {
                self.order.push(number);
            }
        }
    }

    pub(super) fn take(&mut self) -> Option<usize> {
        let slot = *self.order.get(self.taken)? as usize;
        self.taken += 1;
        if self.taken == self.order.len() {
            self.order.clear();
            self.taken = 0;
        }
        if let Some(listed) = self.listed.get_mut(slot) {
            *listed = false;
        }
        Some(slot)
    }
}
