//! A table whose entry ids are not reused: an epoll event may concern a file descriptor that was closed a moment ago.

/// The id of an entry: slot and generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    slot: u32,
    generation: u32,
}

impl Id {
    /// How many bits of [`Id::raw`] count.
    pub(super) const BITS: u32 = SLOT_BITS + GENERATION_BITS;

    /// As one number.
    pub(super) fn raw(self) -> u64 {
        u64::from(self.generation) << SLOT_BITS | u64::from(self.slot)
    }

    /// From a number; its upper bits are ignored.
    pub(super) fn from_raw(raw: u64) -> Self {
        let bits = |value: u64, count: u32| u32::try_from(value & ((1 << count) - 1)).unwrap_or(0);
        Self { slot: bits(raw, SLOT_BITS), generation: bits(raw >> SLOT_BITS, GENERATION_BITS) }
    }
}

const SLOT_BITS: u32 = 22;
const GENERATION_BITS: u32 = 30;

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// The table. It grows to the largest number of simultaneous entries.
#[derive(Debug)]
pub(super) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The id of the next entry; `None` if there are four million.
    pub(super) fn next_id(&self) -> Option<Id> {
        let new = || u32::try_from(self.slots.len()).ok().filter(|slot| slot >> SLOT_BITS == 0);
        let slot = self.free.last().copied().or_else(new)?;
        let generation = self.slots.get(usize::try_from(slot).ok()?).map_or(0, |slot| slot.generation);
        Some(Id { slot, generation })
    }

    /// Adds an entry; `None` if there are four million.
    pub(super) fn insert(&mut self, value: T) -> Option<Id> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slots.len()).ok().filter(|slot| slot >> SLOT_BITS == 0)?;
                self.slots.push(Slot { generation: 0, value: None });
                slot
            }
        };
        let place = self.slots.get_mut(usize::try_from(slot).ok()?)?;
        place.value = Some(value);
        Some(Id { slot, generation: place.generation })
    }

    fn slot(&mut self, id: Id) -> Option<&mut Slot<T>> {
        self.slots.get_mut(usize::try_from(id.slot).ok()?).filter(|slot| slot.generation == id.generation)
    }

    /// An entry, if it is still there.
    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.slot(id)?.value.as_mut()
    }

    /// An entry, if it is still there.
    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let slot = self.slots.get(usize::try_from(id.slot).ok()?)?;
        slot.value.as_ref().filter(|_| slot.generation == id.generation)
    }

    /// Takes an entry out, if it is still there.
    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self.slot(id)?;
        let value = slot.value.take()?;
        slot.generation = (slot.generation + 1) & ((1 << GENERATION_BITS) - 1);
        self.free.push(id.slot);
        Some(value)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.slots.iter().zip(0..).filter_map(|(slot, number)| {
            let id = Id { slot: number, generation: slot.generation };
            slot.value.as_ref().map(|value| (id, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_former_entries_find_nothing() {
        let mut slab = Slab::default();
        let first = slab.insert('a').unwrap();
        assert_eq!(slab.remove(first), Some('a'));
        let next = slab.next_id();
        let second = slab.insert('b').unwrap();
        assert_eq!(next, Some(second));
        assert_ne!(first, second);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!((slab.get(second), slab.len()), (Some(&'b'), 1));
        assert_eq!(Id::from_raw(second.raw()), second);
        assert!(second.raw() >> Id::BITS == 0);
        assert_eq!(slab.iter().map(|(id, value)| (id, *value)).collect::<Vec<_>>(), [(second, 'b')]);
    }
}
