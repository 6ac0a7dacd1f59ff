//! Limits flows per container, and chooses the flow to close when there is no room for another one.
//!
//! # Theory of operation
//!
//! An unconnected flow costs its container one packet: by calling addresses that do not answer, it could hold any
//! number of flows for minutes. So unconnected flows have a small limit per container; at the limit, the oldest of them
//! is closed for the next. When the whole table is full, the container with the most flows loses one: the oldest
//! unconnected, else the connected one that has been idle longest. A container that has as many flows as any other
//! takes none from others. So each container can have the size of the table, divided by the number of containers that
//! want as much, whatever the others do.
//!
//! Flows are kept in the order in which they were made. Using a flow only notes the time. Before one is chosen, flows
//! that were used since they got their place move to the end, as far as a short look shows.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::slab::{Id, Slab};
use super::{Flow, Tcp};
use crate::net::handler::{Context, Holder};

/// How many flows are examined to find an idle one.
const CANDIDATES: usize = 64;

/// The flows of one container, by their places.
#[derive(Debug, Default)]
struct Held {
    /// Unconnected, oldest first.
    unmade: BTreeMap<u64, Id>,
    /// Connected.
    made: BTreeMap<u64, Id>,
}

impl Held {
    fn len(&self) -> usize {
        self.unmade.len() + self.made.len()
    }
}

/// The place of a flow in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    number: u64,
    made: bool,
    /// When it was given.
    since: Instant,
}

/// The flows of all containers.
#[derive(Debug, Default)]
pub(super) struct Shares {
    holders: HashMap<Holder, Held>,
    next: u64,
}

impl Shares {
    /// A place at the end.
    pub(super) fn add(&mut self, holder: Holder, id: Id, made: bool, now: Instant) -> Place {
        self.next += 1;
        let held = self.holders.entry(holder).or_default();
        let places = if made { &mut held.made } else { &mut held.unmade };
        places.insert(self.next, id);
        Place { number: self.next, made, since: now }
    }

    /// Gives a place back.
    pub(super) fn remove(&mut self, holder: Holder, place: Place) {
        let Some(held) = self.holders.get_mut(&holder) else { return };
        let places = if place.made { &mut held.made } else { &mut held.unmade };
        places.remove(&place.number);
        if held.len() == 0 {
            self.holders.remove(&holder);
        }
    }

    /// How many containers have flows.
    #[cfg(test)]
    pub(super) fn holders(&self) -> usize {
        self.holders.len()
    }

    /// How many flows a container has, and how many of them are unconnected.
    fn held(&self, holder: Holder) -> (usize, usize) {
        self.holders.get(&holder).map_or((0, 0), |held| (held.len(), held.unmade.len()))
    }

    /// The container with the most flows, and how many.
    fn largest(&self) -> Option<(Holder, usize)> {
        self.holders.iter().map(|(holder, held)| (*holder, held.len())).max_by_key(|(_, count)| *count)
    }

    fn oldest_unmade(&self, holder: Holder) -> Option<Id> {
        self.holders.get(&holder)?.unmade.first_key_value().map(|(_, id)| *id)
    }

    /// The connected flow of a container that has been idle longest.
    fn least_used(&mut self, holder: Holder, flows: &mut Slab<Flow>) -> Option<Id> {
        let early: Vec<Id> = self.holders.get(&holder)?.made.values().take(CANDIDATES).copied().collect();
        for id in early {
            if let Some(flow) = flows.get_mut(id).filter(|flow| flow.used > flow.place.since) {
                self.remove(holder, flow.place);
                flow.place = self.add(holder, id, true, flow.used);
            }
        }
        self.holders.get(&holder)?.made.first_key_value().map(|(_, id)| *id)
    }
}

impl Tcp {
    /// Makes room for one more flow of a container, if need be by closing one. A new flow that `waits` can come later:
    /// then no flow of the same container is closed.
    pub(in crate::net) fn make_room(&mut self, cx: &mut Context<'_>, holder: Holder, waits: bool) -> bool {
        let (all, unmade) = self.shares.held(holder);
        let has_share = all >= self.limits.per_member() || unmade >= self.limits.unmade();
        let is_full = self.flows.len() >= self.limits.flows;
        let largest = self.shares.largest().filter(|(_, most)| is_full && all + 1 < *most).map(|(holder, _)| holder);
        let victim = match (has_share, is_full, largest) {
            (false, false, _) => return true,
            (false, true, Some(largest)) => {
                self.shares.oldest_unmade(largest).or_else(|| self.shares.least_used(largest, &mut self.flows))
            }
            _ if waits => None,
            _ => self.shares.oldest_unmade(holder),
        };
        let Some(victim) = victim else { return false };
        self.abort(cx, victim);
        self.flows.len() < self.limits.flows
    }

    /// A flow has connected.
    pub(super) fn made(&mut self, now: Instant, id: Id) {
        if let Some(flow) = self.flows.get_mut(id).filter(|flow| !flow.place.made) {
            self.shares.remove(flow.holder, flow.place);
            flow.used = now;
            flow.place = self.shares.add(flow.holder, id, true, now);
        }
    }
}
