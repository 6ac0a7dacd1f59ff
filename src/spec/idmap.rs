//! User and group id maps, user_namespaces(7): the one type for what the kernel, newuidmap(1), records and the union of a
//! container's layers mean by a map, and the ranges of ids that maps are made of. Pure.
//!
//! [`IdMap::parse`] reads `/proc/PID/uid_map`, [`IdMap::to_map_file`] writes it; in records a map is a list of extents.

use std::fmt::Write as _;

/// The most extents an [`IdMap`] made here has. The kernel takes 340, but refuses a map file of a page (4096 bytes) or
/// more, user_namespaces(7); 120 of the longest possible lines fit.
pub const MAX_EXTENTS: usize = 120;

/// The id that means "none" in every system call (`-1`), so never a valid id.
pub const NO_ID: u32 = u32::MAX;

/// Consecutive ids of one namespace; `start + count` never exceeds the last valid id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The first id.
    pub start: u32,
    /// How many ids, at least one.
    pub count: u32,
}

impl IdRange {
    /// The first id after the range.
    pub fn end(self) -> u32 {
        self.start + self.count
    }
}

/// The first `size` consecutive ids within one range of `domain` that no range of `taken` has.
pub fn free_run(domain: &[IdRange], taken: &[IdRange], size: u32) -> Option<u32> {
    let mut taken = taken.to_vec();
    taken.sort_unstable_by_key(|range| range.start);
    domain.iter().find_map(|range| {
        let mut start = range.start;
        for used in taken.iter().filter(|used| used.start < range.end()) {
            if used.start >= start && used.start - start >= size {
                break;
            }
            start = start.max(used.end());
        }
        (start < range.end() && range.end() - start >= size).then_some(start)
    })
}

/// `count` consecutive ids mapped one to one. The meaning of the fields is that of user_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Extent {
    /// The first id in the namespace that has the map.
    pub inside: u32,
    /// The first id in its parent (or in the namespace of whoever reads the map file).
    pub outside: u32,
    /// How many ids.
    pub count: u32,
}

/// A user or group id map: what is written to `/proc/PID/uid_map` or given to newuidmap(1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct IdMap {
    /// The extents, in the order of the file.
    pub extents: Vec<Extent>,
}

impl IdMap {
    /// Reads the text of `/proc/PID/uid_map` or `gid_map`. Malformed lines are skipped; the kernel writes none.
    pub fn parse(text: &str) -> Self {
        let extent = |line: &str| {
            let mut fields = line.split_ascii_whitespace();
            let mut number = || fields.next().and_then(decimal);
            let extent = Extent { inside: number()?, outside: number()?, count: number()? };
            (extent.count > 0 && fields.next().is_none()).then_some(extent)
        };
        Self { extents: text.lines().filter_map(extent).collect() }
    }

    /// The map of these runs of ids: first inside, first outside, how many.
    pub fn of(runs: &[(u32, u32, u32)]) -> Self {
        let extents = runs.iter().map(|&(inside, outside, count)| Extent { inside, outside, count });
        Self { extents: extents.collect() }
    }

    /// The map of one id to root: all that a user without subordinate ids may have.
    pub fn root_only(id: u32) -> Self {
        Self { extents: vec![Extent { inside: 0, outside: id, count: 1 }] }
    }

    /// The outer map of a user: root is the user, 1 and up are the subordinate ranges, one extent each because
    /// newuidmap(1) checks every extent against single ranges of the file. The kernel refuses ids that are mapped twice
    /// (EINVAL): parts of a range that an earlier one or the user's own id covers are left out.
    pub fn for_user(id: u32, ranges: &[IdRange]) -> Self {
        let mut map = Self::root_only(id);
        let mut inside = 1u32;
        for range in ranges {
            for part in map.unmapped_parts(*range) {
                let count = part.count.min(NO_ID - inside);
                if map.extents.len() == MAX_EXTENTS || count == 0 {
                    return map;
                }
                map.extents.push(Extent { inside, outside: part.start, count });
                inside += count;
            }
        }
        map
    }

    /// The map of a nested user namespace with the same ids: one extent for each extent of this map, because an extent
    /// of a child must lie within a single extent of its parent (else EPERM or EINVAL).
    pub fn identity(&self) -> Self {
        let same = |extent: &Extent| Extent { outside: extent.inside, ..*extent };
        Self { extents: self.extents.iter().map(same).collect() }
    }

    /// This map followed by `next`: what `next` does not have is left out.
    pub fn through(&self, next: &IdMap) -> Self {
        let mut extents = Vec::new();
        for extent in &self.extents {
            for onward in &next.extents {
                let first = extent.outside.max(onward.inside);
                let end = (extent.outside.saturating_add(extent.count)).min(onward.inside.saturating_add(onward.count));
                if first < end {
                    extents.push(Extent {
                        inside: extent.inside + (first - extent.outside),
                        outside: onward.outside + (first - onward.inside),
                        count: end - first,
                    });
                }
            }
        }
        Self { extents }
    }

    /// The same map for a namespace whose parent has the map `parent`: an extent must lie within one extent of the parent
    /// (user_namespaces(7)), so it is cut where theirs end. Fails with an id that the parent does not have.
    pub fn nested_in(&self, parent: &IdMap) -> std::result::Result<IdMap, u32> {
        let mut extents = Vec::with_capacity(self.extents.len() + parent.extents.len());
        for extent in &self.extents {
            let mut done = 0;
            while done < extent.count {
                let outside = extent.outside.checked_add(done).ok_or(NO_ID)?;
                let holder = parent.extents.iter().find(|held| outside.wrapping_sub(held.inside) < held.count);
                let held = holder.ok_or(outside)?;
                let count = (held.count - (outside - held.inside)).min(extent.count - done);
                extents.push(Extent { inside: extent.inside.checked_add(done).ok_or(NO_ID)?, outside, count });
                done += count;
            }
        }
        Ok(Self { extents })
    }

    /// What `id` inside the namespace is outside.
    pub fn to_outside(&self, id: u32) -> Option<u32> {
        let extent = self.extents.iter().find(|extent| id >= extent.inside && id - extent.inside < extent.count)?;
        extent.outside.checked_add(id - extent.inside)
    }

    /// What `id` outside is inside the namespace.
    pub fn to_inside(&self, id: u32) -> Option<u32> {
        let extent = self.extents.iter().find(|extent| id >= extent.outside && id - extent.outside < extent.count)?;
        extent.inside.checked_add(id - extent.outside)
    }

    /// How many ids are mapped.
    pub fn len(&self) -> u64 {
        self.extents.iter().map(|extent| u64::from(extent.count)).sum()
    }

    /// Whether no id is mapped, as in a new user namespace.
    pub fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }

    /// The text to write to `/proc/PID/uid_map` in one write(2).
    pub fn to_map_file(&self) -> String {
        let mut text = String::with_capacity(self.extents.len() * 33);
        for Extent { inside, outside, count } in &self.extents {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{inside} {outside} {count}");
        }
        text
    }

    /// Its extents as docker and podman write them: `INSIDE:OUTSIDE:COUNT`.
    pub fn to_words(&self) -> Vec<String> {
        self.extents.iter().map(|run| format!("{}:{}:{}", run.inside, run.outside, run.count)).collect()
    }

    /// The arguments of newuidmap(1) after the pid: inside, outside and count of every extent.
    pub fn to_args(&self) -> Vec<String> {
        self.extents
            .iter()
            .flat_map(|extent| [extent.inside, extent.outside, extent.count])
            .map(|number| number.to_string())
            .collect()
    }

    /// The parts of `range` that no extent maps yet, in ascending order.
    fn unmapped_parts(&self, range: IdRange) -> Vec<IdRange> {
        let mut taken: Vec<(u32, u32)> =
            self.extents.iter().map(|extent| (extent.outside, extent.outside.saturating_add(extent.count))).collect();
        taken.sort_unstable();
        let mut parts = Vec::new();
        let mut start = range.start;
        for (from, to) in taken {
            if from > start && start < range.end() {
                parts.push(IdRange { start, count: from.min(range.end()) - start });
            }
            start = start.max(to);
        }
        if start < range.end() {
            parts.push(IdRange { start, count: range.end() - start });
        }
        parts
    }
}

/// A decimal number without sign or blanks, as these files have it.
pub fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: u32, count: u32) -> IdRange {
        IdRange { start, count }
    }

    fn extent(inside: u32, outside: u32, count: u32) -> Extent {
        Extent { inside, outside, count }
    }

    #[test]
    fn maps_follow_one_another() {
        let through = |runs: &[(u32, u32, u32)]| IdMap::of(runs).through(&IdMap::of(&[(0, 1000, 1), (1, 5000, 10)]));
        assert_eq!(through(&[(70, 0, 3)]), IdMap::of(&[(70, 1000, 1), (71, 5000, 2)]));
        assert_eq!(through(&[(70, 9, 5)]), IdMap::of(&[(70, 5008, 2)]));
        assert!(through(&[(70, 50, 5)]).is_empty());
    }

    #[test]
    fn the_outer_map_of_a_user() {
        let map = IdMap::for_user(1000, &[range(100000, 65536), range(300000, 10)]);
        assert_eq!(map.extents, [extent(0, 1000, 1), extent(1, 100000, 65536), extent(65537, 300000, 10)]);
        assert_eq!(map.to_map_file(), "0 1000 1\n1 100000 65536\n65537 300000 10\n");
        assert_eq!(map.to_args(), ["0", "1000", "1", "1", "100000", "65536", "65537", "300000", "10"]);
        assert_eq!(map.len(), 65547);
        assert_eq!((map.to_outside(0), map.to_outside(65536), map.to_outside(65547)), (Some(1000), Some(165535), None));
        assert_eq!((map.to_inside(1000), map.to_inside(300009), map.to_inside(0)), (Some(0), Some(65546), None));
        assert_eq!(IdMap::for_user(7, &[]), IdMap::root_only(7));
    }

    #[test]
    fn no_outside_id_is_mapped_twice() {
        // The same range by name and by uid; overlapping ranges; the user's own id inside a range.
        let map = IdMap::for_user(150, &[range(100, 100), range(100, 100), range(190, 20), range(50, 300)]);
        assert_eq!(
            map.extents,
            [
                extent(0, 150, 1),
                extent(1, 100, 50),
                extent(51, 151, 49),
                extent(100, 200, 10),
                extent(110, 50, 50),
                extent(160, 210, 140),
            ]
        );
    }

    #[test]
    fn the_nested_map_keeps_the_extents_of_its_parent() {
        let map = IdMap::parse("         0       1000          1\n         1     100000      65536\n");
        assert_eq!(map, IdMap::for_user(1000, &[range(100000, 65536)]));
        assert_eq!(map.identity().to_map_file(), "0 0 1\n1 1 65536\n");
        let initial = IdMap::parse("         0          0 4294967295\n");
        assert_eq!(initial.identity().to_map_file(), "0 0 4294967295\n");
    }

    #[test]
    fn a_map_file_is_read_with_malformed_lines_skipped() {
        assert!(IdMap::parse("").is_empty());
        assert_eq!(IdMap::parse("0 1\n0 1 2 3\na b c\n5 6 0\n1 2 3").extents, [extent(1, 2, 3)]);
    }

    #[test]
    fn many_ranges_still_make_a_map_the_kernel_takes() {
        let ranges: Vec<IdRange> = (0..1000).map(|n| range(1_000_000_000 + n * 3_000_000, 2_000_000)).collect();
        let map = IdMap::for_user(1_234_567_890, &ranges);
        assert_eq!(map.extents.len(), MAX_EXTENTS);
        assert!(map.to_map_file().len() < 4096);
    }

    proptest! {
        #[test]
        fn a_users_map_is_dense_inside_and_disjoint_outside(
            uid in 0u32..3000,
            ranges in prop::collection::vec((0u32..3000, 1u32..400), 0..20),
        ) {
            let ranges: Vec<IdRange> = ranges.into_iter().map(|(start, count)| range(start, count)).collect();
            let map = IdMap::for_user(uid, &ranges);
            let mut outside = std::collections::BTreeSet::new();
            for inside in 0..map.len() as u32 {
                let id = map.to_outside(inside).unwrap();
                prop_assert!(outside.insert(id));
                prop_assert_eq!(map.to_inside(id), Some(inside));
            }
            let mut wanted: std::collections::BTreeSet<u32> =
                ranges.iter().flat_map(|range| range.start..range.end()).collect();
            wanted.insert(uid);
            prop_assert_eq!(outside, wanted);
            prop_assert_eq!(IdMap::parse(&map.to_map_file()), map);
        }
    }
}
