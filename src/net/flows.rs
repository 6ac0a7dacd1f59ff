//! Tables of connectionless flows: UDP and ICMP echo, with idle timeouts and per-member limits.
//!
//! UDP and echo have no connections; a flow ends when it was idle for some time. The timeouts are those of the kernel's
//! connection tracking (net/netfilter/nf_conntrack_proto_udp.c): 30 seconds, or 180 if both sides have sent and the
//! flow is older than two seconds. So a DNS lookup does not hold a socket for minutes.
//!
//! # Theory of operation
//!
//! Using a flow only notes the time. Each flow is in the schedule once, at the time when it would have expired if it
//! had not been used since; a flow that is due but was used is scheduled again. A member at its limit, over all its
//! addresses, loses a flow of its own for each new one. In a full table the member with the most flows loses the one
//! that would expire first. So neither one busy container nor several can take the flows of others.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::handler::Holder;

/// The idle timeout of a flow without answers, or a short one.
pub const SHORT: Duration = Duration::from_secs(30);
/// The idle timeout of a flow with traffic in both directions.
pub const LONG: Duration = Duration::from_secs(180);
/// A flow that lasts longer than this is not short.
const LONG_LIVED: Duration = Duration::from_secs(2);
/// How many flows are examined to find one to evict.
const CANDIDATES: usize = 64;

/// Limits of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Altogether.
    pub flows: usize,
    /// Of one member, over all its addresses.
    pub per_member: usize,
}

/// The key of a flow.
pub trait Key: Copy + Eq + Hash {
    /// The member's address.
    fn member(&self) -> IpAddr;
}

#[derive(Debug)]
struct Slot<K, F> {
    key: K,
    holder: Holder,
    flow: F,
    created: Instant,
    used: Instant,
    answered: bool,
    scheduled: Instant,
}

impl<K, F> Slot<K, F> {
    fn ends(&self) -> Instant {
        let is_long = self.answered && self.used.saturating_duration_since(self.created) > LONG_LIVED;
        self.used + if is_long { LONG } else { SHORT }
    }
}

/// Flows by key, and by a small index that stays the same.
#[derive(Debug)]
pub struct Flows<K, F> {
    limits: Limits,
    slots: Vec<Option<Slot<K, F>>>,
    free: Vec<usize>,
    by_key: HashMap<K, usize>,
    schedule: BTreeSet<(Instant, usize)>,
    /// The schedule of each member's flows.
    members: HashMap<Holder, BTreeSet<(Instant, usize)>>,
}

impl<K: Key, F> Flows<K, F> {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            schedule: BTreeSet::new(),
            members: HashMap::new(),
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The index of a flow.
    pub fn find(&self, key: &K) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// The index that the next flow will get.
    pub fn next_index(&self) -> usize {
        self.free.last().copied().unwrap_or(self.slots.len())
    }

    /// A flow by its index.
    pub fn get(&mut self, index: usize) -> Option<(K, &mut F)> {
        self.slots.get_mut(index)?.as_mut().map(|slot| (slot.key, &mut slot.flow))
    }

    /// Notes a packet, or an answer in the other direction.
    pub fn touch(&mut self, index: usize, now: Instant, is_answer: bool) {
        if let Some(Some(slot)) = self.slots.get_mut(index) {
            slot.used = now;
            slot.answered |= is_answer;
        }
    }

    /// Evicts a flow to make room for one of this member. Call it until it returns `None`.
    pub fn crowded(&mut self, holder: Holder, now: Instant) -> Option<(K, F)> {
        if self.has_share(holder) {
            return self.evict(holder, now);
        }
        if self.by_key.len() >= self.limits.flows { self.evict_largest(now) } else { None }
    }

    /// Whether a member is at its limit.
    fn has_share(&self, holder: Holder) -> bool {
        self.members.get(&holder).is_some_and(|own| own.len() >= self.limits.per_member)
    }

    /// Adds a flow and returns its index. If there is no room even after [`Flows::crowded`], or the key exists, the
    /// flow is given back.
    pub fn insert(&mut self, key: K, flow: F, holder: Holder, now: Instant) -> Result<usize, F> {
        if self.has_share(holder) || self.by_key.len() >= self.limits.flows || self.by_key.contains_key(&key) {
            return Err(flow);
        }
        let index = self.free.pop().unwrap_or(self.slots.len());
        let slot = Slot { key, holder, flow, created: now, used: now, answered: false, scheduled: now + SHORT };
        self.put(holder, slot.scheduled, index);
        match self.slots.get_mut(index) {
            Some(place) => *place = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        self.by_key.insert(key, index);
        Ok(index)
    }

    /// Takes a flow out.
    pub fn remove(&mut self, index: usize) -> Option<(K, F)> {
        let slot = self.slots.get_mut(index)?.take()?;
        self.take(slot.holder, slot.scheduled, index);
        self.by_key.remove(&slot.key);
        self.free.push(index);
        Some((slot.key, slot.flow))
    }

    /// Removes all flows of these members.
    pub fn remove_members(&mut self, addresses: &[IpAddr]) -> Vec<(K, F)> {
        self.remove_if(|key, _| addresses.contains(&key.member()))
    }

    /// Removes all flows that meet a condition.
    pub fn remove_if(&mut self, condition: impl Fn(&K, &F) -> bool) -> Vec<(K, F)> {
        let meets = |slot: &Option<Slot<K, F>>| slot.as_ref().is_some_and(|slot| condition(&slot.key, &slot.flow));
        (0..self.slots.len())
            .filter_map(|index| if self.slots.get(index).is_some_and(meets) { self.remove(index) } else { None })
            .collect()
    }

    /// When [`Flows::expired`] may return a flow.
    pub fn deadline(&self) -> Option<Instant> {
        self.schedule.first().map(|(at, _)| *at)
    }

    /// Removes an expired flow. Call it until it returns `None`.
    pub fn expired(&mut self, now: Instant) -> Option<(K, F)> {
        loop {
            let &(at, index) = self.schedule.first().filter(|(at, _)| *at <= now)?;
            if !self.reschedule(at, index) {
                return self.remove(index);
            }
        }
    }

    /// Evicts a flow of the member with the most flows; among several such members, the flow that would expire first.
    pub fn evict_largest(&mut self, now: Instant) -> Option<(K, F)> {
        let (holder, _) = self.members.iter().max_by_key(|(_, own)| (own.len(), Reverse(own.first().copied())))?;
        self.evict(*holder, now)
    }

    /// Evicts an expired flow, or the flow of this member that would expire first, as far as a short look shows.
    fn evict(&mut self, holder: Holder, now: Instant) -> Option<(K, F)> {
        if let Some(expired) = self.expired(now) {
            return Some(expired);
        }
        // Flows that were used since they were scheduled are scheduled again first.
        let early: Vec<_> = self.members.get(&holder)?.iter().take(CANDIDATES).copied().collect();
        for (at, index) in early {
            self.reschedule(at, index);
        }
        let (_, index) = *self.members.get(&holder)?.first()?;
        self.remove(index)
    }

    fn put(&mut self, holder: Holder, at: Instant, index: usize) {
        self.schedule.insert((at, index));
        self.members.entry(holder).or_default().insert((at, index));
    }

    fn take(&mut self, holder: Holder, at: Instant, index: usize) {
        self.schedule.remove(&(at, index));
        if let Some(own) = self.members.get_mut(&holder) {
            own.remove(&(at, index));
            if own.is_empty() {
                self.members.remove(&holder);
            }
        }
    }

    /// Moves a flow to its proper time in the schedule; false if it is there already.
    fn reschedule(&mut self, at: Instant, index: usize) -> bool {
        let Some(Some(slot)) = self.slots.get_mut(index) else { return false };
        let ends = slot.ends();
        if ends <= at {
            return false;
        }
        slot.scheduled = ends;
        let holder = slot.holder;
        self.take(holder, at, index);
        self.put(holder, ends, index);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Key for (IpAddr, u16) {
        fn member(&self) -> IpAddr {
            self.0
        }
    }

    fn member(last: u8) -> IpAddr {
        [172, 17, 0, last].into()
    }

    /// Addresses with the same last byte belong to one member.
    fn holder(last: u8) -> Holder {
        Holder(last.into())
    }

    fn table(flows: usize, per_member: usize) -> Flows<(IpAddr, u16), u16> {
        Flows::new(Limits { flows, per_member })
    }

    #[test]
    fn short_and_long_flows_end_in_time() {
        let start = Instant::now();
        let mut flows = table(10, 10);
        let unanswered = flows.insert((member(2), 1), 1, holder(2), start).unwrap();
        let short = flows.insert((member(2), 2), 2, holder(2), start).unwrap();
        let long = flows.insert((member(2), 3), 3, holder(2), start).unwrap();
        let later = start + Duration::from_secs(5);
        flows.touch(unanswered, later, false);
        flows.touch(short, start + Duration::from_secs(1), true);
        flows.touch(long, later, true);
        assert_eq!(flows.deadline(), Some(start + SHORT));
        assert_eq!(flows.expired(start + SHORT), None);
        assert_eq!(flows.expired(start + Duration::from_secs(31)), Some(((member(2), 2), 2)));
        assert_eq!(flows.expired(later + SHORT), Some(((member(2), 1), 1)));
        assert_eq!(flows.expired(later + SHORT), None);
        assert_eq!(flows.deadline(), Some(later + LONG));
        assert_eq!(flows.find(&(member(2), 3)), Some(long));
        assert_eq!(flows.expired(later + LONG), Some(((member(2), 3), 3)));
        assert!(flows.is_empty() && flows.deadline().is_none() && flows.members.is_empty());
    }

    #[test]
    fn full_tables_give_up_what_was_used_least() {
        let start = Instant::now();
        let second = |n: u64| start + Duration::from_secs(n);
        let mut flows = table(4, 3);
        for port in 0..3u16 {
            assert_eq!(flows.insert((member(2), port), port, holder(2), second(port.into())), Ok(usize::from(port)));
        }
        // At its limit: a flow of its own, but not the one just used.
        flows.touch(0, second(3), false);
        assert_eq!(flows.insert((member(2), 9), 9, holder(2), second(3)), Err(9));
        assert_eq!(flows.crowded(holder(2), second(3)), Some(((member(2), 1), 1)));
        assert_eq!(flows.crowded(holder(2), second(3)), None);
        assert_eq!(flows.next_index(), 1);
        assert_eq!(flows.insert((member(2), 9), 9, holder(2), second(3)), Ok(1));
        // Another member is not affected until the table is full.
        assert_eq!(flows.crowded(holder(3), second(4)), None);
        assert_eq!(flows.insert((member(3), 1), 1, holder(3), second(4)), Ok(3));
        assert_eq!(flows.crowded(holder(3), second(4)), Some(((member(2), 2), 2)));
        assert_eq!(flows.len(), 3);
        assert_eq!(flows.remove_members(&[member(7)]), []);
        let gone: Vec<u16> = flows.remove_members(&[member(2), member(7)]).iter().map(|(_, flow)| *flow).collect();
        assert_eq!(gone, [0, 9]);
        assert_eq!(flows.remove_if(|_, flow| *flow == 1), [((member(3), 1), 1)]);
        assert_eq!(flows.evict_largest(second(5)), None);
    }

    #[test]
    fn many_who_want_all_take_nothing_from_who_has_little() {
        let start = Instant::now();
        let mut flows = table(300, 150);
        for port in 0..40 {
            flows.insert((member(9), port), port, holder(9), start).unwrap();
        }
        // The others use theirs all the time, so its own would expire first.
        for port in 0..500 {
            for last in [2, 3, 4] {
                let now = start + Duration::from_secs(port.into());
                let now = now.min(start + Duration::from_secs(20));
                while let Some(((gone, _), _)) = flows.crowded(holder(last), now) {
                    assert_ne!(gone, member(9));
                }
                flows.insert((member(last), port), port, holder(last), now).unwrap();
            }
        }
        assert_eq!((flows.len(), flows.members[&holder(9)].len()), (300, 40));
        // And it gets as many as they have.
        for port in 40..75 {
            let now = start + Duration::from_secs(20);
            while flows.crowded(holder(9), now).is_some() {}
            flows.insert((member(9), port), port, holder(9), now).unwrap();
        }
        assert_eq!(flows.members[&holder(9)].len(), 75);
    }

    #[test]
    fn who_has_its_share_gives_up_its_own_however_many_older_ones_others_have() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let mut flows = table(1000, 300);
        for port in 0..200 {
            flows.insert((member(3), port), port, holder(3), start).unwrap();
        }
        for port in 0..1000 {
            while let Some(((gone, _), _)) = flows.crowded(holder(2), later) {
                assert_eq!(gone, member(2));
            }
            flows.insert((member(2), port), port, holder(2), later).unwrap();
        }
        assert_eq!((flows.len(), flows.members.len()), (500, 2));
        assert!(flows.members.iter().all(|(_, own)| own.is_subset(&flows.schedule)));
    }

    #[test]
    fn a_key_is_there_once() {
        let now = Instant::now();
        let mut flows = table(4, 4);
        assert_eq!(flows.insert((member(2), 1), 1, holder(2), now), Ok(0));
        assert_eq!(flows.insert((member(2), 1), 2, holder(2), now), Err(2));
        assert_eq!(flows.get(0).map(|(_, flow)| *flow), Some(1));
        assert_eq!(flows.remove(0), Some(((member(2), 1), 1)));
        assert_eq!((flows.remove(0), flows.remove(7)), (None, None));
    }
}
