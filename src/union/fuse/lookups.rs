//! The lookup count of a node: how often the kernel was told of it, less what it has forgotten (FUSE_FORGET).

use std::sync::atomic::{AtomicU32, Ordering};

/// A lookup count. At its maximum it stops counting, and the node is never forgotten.
#[derive(Default)]
pub(super) struct Lookups(AtomicU32);

impl Lookups {
    /// Adds a lookup.
    pub fn add(&self) {
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_add(1));
    }

    /// Subtracts `count`; returns whether none is left.
    pub fn take(&self, count: u64) -> bool {
        let less = |known: u32| match known {
            u32::MAX => known,
            _ => u32::try_from(u64::from(known).saturating_sub(count)).unwrap_or(u32::MAX),
        };
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |known| Some(less(known)));
        less(before.unwrap_or_else(|known| known)) == 0
    }

    pub fn none(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_named_too_often_to_count_stays() {
        let lookups = Lookups(AtomicU32::new(u32::MAX - 2));
        lookups.add();
        assert!(!lookups.take(1) && !lookups.none());
        assert_eq!(lookups.0.load(Ordering::Relaxed), u32::MAX - 2);
        for _ in 0..5 {
            lookups.add();
        }
        assert!(!lookups.take(u64::MAX) && !lookups.none());
        let few = Lookups::default();
        few.add();
        few.add();
        assert!(!few.take(1) && few.take(1) && few.none());
        assert!(few.take(1) && few.none());
    }
}
