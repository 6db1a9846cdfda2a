use super::Token;

/// A table whose places are used again; a generation tells what was there from what is there.
#[derive(Debug)]
pub(super) struct Slots<T> {
    /// Apart from the generations, so that neither pads the other.
    places: Vec<Option<T>>,
    generations: Vec<u32>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), generations: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// The slot and the generation of the new value.
    pub(super) fn insert(&mut self, value: T) -> (u32, u32) {
        if let Some(slot) = self.free.pop() {
            if let (Some(place), Some(generation)) =
                (self.places.get_mut(slot as usize), self.generations.get(slot as usize))
            {
                *place = Some(value);
                return (slot, *generation);
            }
        }
        let slot = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Some(value));
        self.generations.push(0);
        (slot, 0)
    }

    /// Makes room, so that so many can be inserted without more memory.
    pub(super) fn reserve(&mut self, number: usize) {
        let more = number.saturating_sub(self.places.len() - self.free.len());
        self.places.reserve(more);
        self.generations.reserve(more);
    }

    fn is_current(&self, slot: usize, generation: u32) -> bool {
        self.generations.get(slot) == Some(&generation)
    }

    pub(super) fn get(&self, slot: usize, generation: u32) -> Option<&T> {
        if self.is_current(slot, generation) { self.places.get(slot)?.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, slot: usize, generation: u32) -> Option<&mut T> {
        if self.is_current(slot, generation) { self.places.get_mut(slot)?.as_mut() } else { None }
    }

    /// Whatever is in the slot now, with its generation.
    pub(super) fn current(&mut self, slot: usize) -> Option<(u32, &mut T)> {
        let generation = *self.generations.get(slot)?;
        Some((generation, self.places.get_mut(slot)?.as_mut()?))
    }

    /// Up to `most` connections that are wanted, among so many slots from this one on; and where to go on.
    pub(super) fn search(
        &self,
        from: usize,
        slots: usize,
        most: usize,
        wanted: impl Fn(&T) -> bool,
    ) -> (Vec<Token>, Option<usize>) {
        let mut found = Vec::new();
        let end = from.saturating_add(slots).min(self.places.len());
        for slot in from..end {
            let place = self.places.get(slot).and_then(Option::as_ref).filter(|value| wanted(value));
            let (Some(_), Some(generation)) = (place, self.generations.get(slot)) else { continue };
            let Ok(number) = u32::try_from(slot) else { continue };
            found.push(Token::connection(number, *generation));
            if found.len() == most {
                return (found, Some(slot + 1));
            }
        }
        (found, (end < self.places.len()).then_some(end))
    }

    #[cfg(any(not(target_os = "linux"), vestibule_polling))]
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    pub(super) fn remove(&mut self, slot: usize, generation: u32) -> Option<T> {
        if !self.is_current(slot, generation) {
            return None;
        }
        let value = self.places.get_mut(slot)?.take()?;
        let generation = self.generations.get_mut(slot)?;
        *generation = generation.wrapping_add(1);
        self.free.push(u32::try_from(slot).ok()?);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn a_stale_generation_finds_nothing() {
        let mut slots = Slots::default();
        let (slot, first) = slots.insert('a');
        assert_eq!(slots.remove(slot as usize, first), Some('a'));
        let (again, second) = slots.insert('b');
        assert_eq!(again, slot);
        assert_eq!(slots.get(slot as usize, first), None);
        assert_eq!(slots.remove(slot as usize, first), None);
        assert_eq!(slots.get(slot as usize, second), Some(&'b'));
    }
}
