/// The slots whose interest may differ from what epoll knows; each once, however often it changed.
///
/// Because changes are told to the system only before it is waited for, an object that comes and goes within a turn
/// is never registered.
#[derive(Debug, Default)]
pub(super) struct ChangeList {
    order: Vec<u32>,
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
        let slot = self.order.pop()? as usize;
        if let Some(listed) = self.listed.get_mut(slot) {
            *listed = false;
        }
        Some(slot)
    }
}
