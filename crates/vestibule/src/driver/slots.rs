/// A table whose places are used again; a generation tells what was there from what is there.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// The slot and the generation of the new value.
    pub(super) fn insert(&mut self, value: T) -> (u32, u32) {
        if let Some(slot) = self.free.pop() {
            if let Some(place) = self.places.get_mut(slot as usize) {
                place.value = Some(value);
                return (slot, place.generation);
            }
        }
        let slot = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Place { generation: 0, value: Some(value) });
        (slot, 0)
    }

    pub(super) fn get(&self, slot: usize, generation: u32) -> Option<&T> {
        let place = self.places.get(slot)?;
        if place.generation == generation { place.value.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, slot: usize, generation: u32) -> Option<&mut T> {
        let place = self.places.get_mut(slot)?;
        if place.generation == generation { place.value.as_mut() } else { None }
    }

    /// Whatever is in the slot now, with its generation.
    pub(super) fn current(&mut self, slot: usize) -> Option<(u32, &mut T)> {
        let place = self.places.get_mut(slot)?;
        Some((place.generation, place.value.as_mut()?))
    }

    #[cfg(any(not(target_os = "linux"), vestibule_polling))]
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.value.as_ref())
    }

    pub(super) fn remove(&mut self, slot: usize, generation: u32) -> Option<T> {
        let place = self.places.get_mut(slot)?;
        if place.generation != generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
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
