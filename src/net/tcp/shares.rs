//! Who holds how many flows, and whose goes when there is no room for another one.
//!
//! # Theory of operation
//!
//! A flow whose connection is not made yet costs its container nothing but a packet: a container that calls addresses where
//! nobody answers holds as many as it likes, for minutes. So those have a share of their own, which is small; whoever has it
//! gives up its oldest one for the next. When the whole table is full, the container with the most flows gives up one: the
//! oldest of those that are not made, otherwise of the others the one that has moved nothing for longest. Who has as many as
//! anybody takes nothing from others. So every container can have as many as the table has room for, divided by those who
//! want so many, however many others there are and whatever they do.
//!
//! Flows stand in the order in which they were made. Using one costs no more than noting the time; those that were used since
//! they got their place go back to the end before one is chosen, as far as a short look shows.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::slab::{Id, Slab};
use super::{Flow, Tcp};
use crate::net::part::{Context, Holder};

/// How many flows are looked at to find one that was not used for long.
const CANDIDATES: usize = 64;

/// What one container holds: its flows by their places.
#[derive(Debug, Default)]
struct Held {
    /// Not connected, the oldest first.
    unmade: BTreeMap<u64, Id>,
    /// The others.
    made: BTreeMap<u64, Id>,
}

impl Held {
    fn len(&self) -> usize {
        self.unmade.len() + self.made.len()
    }
}

/// The place of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    number: u64,
    made: bool,
    /// When it was given.
    since: Instant,
}

/// Everybody's.
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

    /// How many have flows.
    #[cfg(test)]
    pub(super) fn holders(&self) -> usize {
        self.holders.len()
    }

    /// How many flows a container has, and how many of them are not connected.
    fn held(&self, holder: Holder) -> (usize, usize) {
        self.holders.get(&holder).map_or((0, 0), |held| (held.len(), held.unmade.len()))
    }

    /// Who has most, and how many.
    fn largest(&self) -> Option<(Holder, usize)> {
        self.holders.iter().map(|(holder, held)| (*holder, held.len())).max_by_key(|(_, count)| *count)
    }

    fn oldest_unmade(&self, holder: Holder) -> Option<Id> {
        self.holders.get(&holder)?.unmade.first_key_value().map(|(_, id)| *id)
    }

    /// The connection of a container that has moved nothing for longest.
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
    /// Whether there is room for one more flow of a container; some may be given up for it. One that `waits` can come later:
    /// then nothing of the container's own is given up.
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

    /// The connection of a flow is made.
    pub(super) fn made(&mut self, now: Instant, id: Id) {
        if let Some(flow) = self.flows.get_mut(id).filter(|flow| !flow.place.made) {
            self.shares.remove(flow.holder, flow.place);
            flow.used = now;
            flow.place = self.shares.add(flow.holder, id, true, now);
        }
    }
}
