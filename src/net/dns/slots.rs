//! A table whose keys are not reused: an event of a descriptor that was closed meanwhile finds no entry.

/// The key of an entry, in the lower [`Key::BITS`] bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(u64);

const SLOT_BITS: u32 = 20;
const GENERATION_BITS: u32 = 28;

impl Key {
    /// How many bits a key has.
    pub(super) const BITS: u32 = SLOT_BITS + GENERATION_BITS;

    pub(super) fn raw(self) -> u64 {
        self.0
    }

    pub(super) fn from_raw(raw: u64) -> Self {
        Self(raw & ((1 << Self::BITS) - 1))
    }

    fn slot(self) -> usize {
        (self.0 & ((1 << SLOT_BITS) - 1)) as usize
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Slots<T> {
    /// Each entry with its generation.
    places: Vec<(u64, Option<T>)>,
    free: Vec<usize>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, item: T) -> Key {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            self.places.len() - 1
        });
        let mut generation = 0;
        if let Some(place) = self.places.get_mut(slot) {
            generation = place.0;
            place.1 = Some(item);
        }
        Key(generation << SLOT_BITS | slot as u64)
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.places.get(key.slot()).filter(|place| place.0 == key.0 >> SLOT_BITS)?.1.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.places.get_mut(key.slot()).filter(|place| place.0 == key.0 >> SLOT_BITS)?.1.as_mut()
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.places.get_mut(key.slot()).filter(|place| place.0 == key.0 >> SLOT_BITS)?;
        let item = place.1.take()?;
        place.0 = (place.0 + 1) & ((1 << GENERATION_BITS) - 1);
        self.free.push(key.slot());
        Some(item)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let key = |(slot, place): (usize, &u64)| Key(*place << SLOT_BITS | slot as u64);
        self.places
            .iter()
            .enumerate()
            .filter_map(move |(slot, (generation, item))| item.as_ref().map(|item| (key((slot, generation)), item)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_past_finds_nobody() {
        let mut slots = Slots::new();
        let first = slots.insert("one");
        assert_eq!(slots.remove(first), Some("one"));
        let second = slots.insert("two");
        assert_ne!(first, second);
        assert_eq!(slots.remove(first), None);
        assert_eq!((slots.get(first), slots.get(second)), (None, Some(&"two")));
        assert_eq!(Key::from_raw(second.raw()), second);
        assert_eq!(slots.iter().collect::<Vec<_>>(), [(second, &"two")]);
        assert_eq!(slots.len(), 1);
    }
}
