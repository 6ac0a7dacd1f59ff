//! The known connections of containers, and what a SYN means for each.
//!
//! # Theory of operation
//!
//! A connection is known by its two ends ([`Key`]). The container's kernel retransmits a SYN that is not answered
//! within a second, and a SYN may wait in the device's queue while its connection is made, used and closed. Taken for a
//! new one, it would open a connection at the server that no client uses; a server that serves one client at a time
//! would hang. But programs that make many connections reuse a port at once; to take that SYN for an old one would
//! leave the client waiting. Both look alike except for the sequence number, which Linux, like RFC 6528, takes from a
//! clock. So each key has a stage, and remembers its sequence number for some time after its end:
//!
//! ```text
//! stage        SYN with the same number            SYN with another number               accepted by the listener in R
//! (none)       -                                   begin: Pending                        refuse
//! Pending      drop: the host is still connecting  remember this one instead, drop       refuse
//! Injected     give it to the listener again       remember and give it to the listener  Live
//! Live         drop: it is late                    end the old one, begin anew           refuse
//! Closed       drop: it is late                    begin: Pending                        refuse
//! ```

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::slab::Id;
use crate::net::handler::{Context, Outside};
use crate::spec::network::Protocol;

/// How late a SYN may be: much longer than one waits in a queue, shorter than the wrap of the sequence number clock
/// (4.5 minutes, RFC 6528).
pub(super) const LATE: Duration = Duration::from_secs(5);
/// The most closed connections that are remembered.
pub(super) const MAX_CLOSED: usize = 8192;

/// The two ends of a connection as the container sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The container's end.
    pub source: (IpAddr, u16),
    /// The destination as the container sees it.
    pub destination: (IpAddr, u16),
}

impl Key {
    /// Where the policy sends a connection of a container.
    pub(super) fn outside(&self, cx: &Context<'_>) -> Outside {
        let ((source, _), (destination, port)) = (self.source, self.destination);
        cx.policy.outside(source, destination, Some((Protocol::Tcp, port)))
    }

    pub(super) fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        // Not as socket addresses: those of IPv6 have a scope, which packets do not carry.
        let end = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        Self { source: end(source), destination: end(destination) }
    }
}

/// The stage of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The host is connecting.
    Pending,
    /// The host has connected; the SYN was given to the listener in R.
    Injected,
    /// The listener has accepted it.
    Live,
    /// It has ended.
    Closed,
}

/// What to do with a SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syn {
    /// A new connection.
    Begin,
    /// A new connection in place of this one, which died without notice.
    Replace(Id),
    /// Keep this SYN for the listener; the host is still connecting.
    Remember(Id),
    /// Inject it again.
    Inject(Id),
    /// Nothing.
    Drop,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    stage: Stage,
    sequence: u32,
    /// Invalid if `stage` is Closed.
    flow: Id,
}

/// The table of keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    table: HashMap<Key, Entry>,
    /// Keys of stage Closed in the order of closing; some may have begun anew since.
    closed: VecDeque<(Instant, Key, u32)>,
}

/// The table in this module's head: what a SYN means at a stage. Pure.
fn meaning(stage: Option<Stage>, same: bool, flow: Id) -> Syn {
    match (stage, same) {
        (None, _) | (Some(Stage::Closed), false) => Syn::Begin,
        (Some(Stage::Pending), true) | (Some(Stage::Live | Stage::Closed), true) => Syn::Drop,
        (Some(Stage::Pending), false) => Syn::Remember(flow),
        (Some(Stage::Injected), _) => Syn::Inject(flow),
        (Some(Stage::Live), false) => Syn::Replace(flow),
    }
}

impl Keys {
    /// What a SYN with this sequence number means. Records the number; the caller does the rest.
    pub(super) fn syn(&mut self, key: &Key, sequence: u32) -> Syn {
        let Some(entry) = self.table.get_mut(key) else { return Syn::Begin };
        let syn = meaning(Some(entry.stage), entry.sequence == sequence, entry.flow);
        if matches!(syn, Syn::Remember(_) | Syn::Inject(_)) {
            entry.sequence = sequence;
        }
        syn
    }

    /// A new connection: Pending.
    pub(super) fn begin(&mut self, key: Key, sequence: u32, flow: Id) {
        self.table.insert(key, Entry { stage: Stage::Pending, sequence, flow });
    }

    /// An inbound connection: Live.
    pub(super) fn called(&mut self, key: Key, flow: Id) {
        self.begin(key, 0, flow);
        self.inject(&key);
        self.accept(&key);
    }

    /// The host has connected: Injected.
    pub(super) fn inject(&mut self, key: &Key) {
        if let Some(entry) = self.table.get_mut(key).filter(|entry| entry.stage == Stage::Pending) {
            entry.stage = Stage::Injected;
        }
    }

    /// The listener has accepted this connection: its flow, Live from now on; `None` if there is none, and it must be
    /// reset.
    pub(super) fn accept(&mut self, key: &Key) -> Option<Id> {
        let entry = self.table.get_mut(key).filter(|entry| entry.stage == Stage::Injected)?;
        entry.stage = Stage::Live;
        Some(entry.flow)
    }

    /// The flow to which packets other than a SYN belong.
    pub(super) fn find(&self, key: &Key) -> Option<Id> {
        let entry = self.table.get(key).filter(|entry| matches!(entry.stage, Stage::Injected | Stage::Live))?;
        Some(entry.flow)
    }

    /// Whether there is a flow of this key, or was a moment ago.
    pub(super) fn knows(&self, key: &Key) -> bool {
        self.table.contains_key(key)
    }

    /// A flow has ended; a late SYN of it must not begin another.
    pub(super) fn close(&mut self, key: &Key, flow: Id, now: Instant) {
        if let Some(entry) = self.table.get_mut(key).filter(|entry| entry.flow == flow && entry.stage != Stage::Closed)
        {
            entry.stage = Stage::Closed;
            self.closed.push_back((now, *key, entry.sequence));
        }
        self.expire(now);
    }

    /// A connection failed; its next SYN tries again.
    pub(super) fn forget(&mut self, key: &Key, flow: Id) {
        if self.table.get(key).is_some_and(|entry| entry.flow == flow && entry.stage != Stage::Closed) {
            self.table.remove(key);
        }
    }

    /// Forgets closed connections whose SYNs cannot be late any more.
    fn expire(&mut self, now: Instant) {
        while let Some(&(since, key, sequence)) = self.closed.front() {
            if self.closed.len() <= MAX_CLOSED && now.saturating_duration_since(since) < LATE {
                break;
            }
            self.closed.pop_front();
            if self.table.get(&key).is_some_and(|entry| entry.stage == Stage::Closed && entry.sequence == sequence) {
                self.table.remove(&key);
            }
        }
    }

    /// How many are known, closed ones included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::slab::Slab;
    use super::*;

    fn key(port: u16) -> Key {
        Key::new(SocketAddr::from(([172, 17, 0, 2], port)), SocketAddr::from(([192, 0, 2, 1], 80)))
    }

    #[test]
    fn what_a_syn_means_at_each_stage() {
        let flow = Slab::<()>::default().insert(()).unwrap();
        for (stage, same, expected) in [
            (None, false, Syn::Begin),
            (Some(Stage::Pending), true, Syn::Drop),
            (Some(Stage::Pending), false, Syn::Remember(flow)),
            (Some(Stage::Injected), true, Syn::Inject(flow)),
            (Some(Stage::Injected), false, Syn::Inject(flow)),
            (Some(Stage::Live), true, Syn::Drop),
            (Some(Stage::Live), false, Syn::Replace(flow)),
            (Some(Stage::Closed), true, Syn::Drop),
            (Some(Stage::Closed), false, Syn::Begin),
        ] {
            assert_eq!(meaning(stage, same, flow), expected, "{stage:?} {same}");
        }
    }

    #[test]
    fn a_life() {
        let (mut keys, mut slab, now) = (Keys::default(), Slab::default(), Instant::now());
        let (flow, key) = (slab.insert(()).unwrap(), key(1000));
        assert_eq!(keys.accept(&key), None);
        assert_eq!(keys.syn(&key, 7), Syn::Begin);
        keys.begin(key, 7, flow);
        assert_eq!(keys.accept(&key), None, "nothing was given to the listener yet");
        assert_eq!(keys.syn(&key, 7), Syn::Drop);
        assert_eq!(keys.syn(&key, 8), Syn::Remember(flow), "the client gave up and tried again from the same port");
        assert_eq!(keys.syn(&key, 8), Syn::Drop);
        keys.inject(&key);
        assert_eq!(keys.syn(&key, 8), Syn::Inject(flow));
        assert_eq!(keys.accept(&key), Some(flow));
        assert_eq!(keys.accept(&key), None, "only once");
        assert_eq!(keys.syn(&key, 8), Syn::Drop);
        assert_eq!(keys.syn(&key, 9), Syn::Replace(flow));
        keys.close(&key, flow, now);
        keys.close(&key, flow, now);
        assert_eq!(keys.accept(&key), None);
        assert_eq!(keys.syn(&key, 8), Syn::Drop, "late");
        assert_eq!(keys.syn(&key, 9), Syn::Begin);
    }

    #[test]
    fn a_port_used_again_is_not_forgotten_with_its_former_life() {
        let (mut keys, mut slab, now) = (Keys::default(), Slab::default(), Instant::now());
        let (first, second) = (slab.insert(()).unwrap(), slab.insert(()).unwrap());
        keys.begin(key(1), 1, first);
        keys.close(&key(1), first, now);
        keys.begin(key(1), 2, second);
        keys.forget(&key(1), first);
        keys.close(&key(1), first, now);
        keys.close(&key(2), first, now + LATE);
        assert_eq!(keys.syn(&key(1), 2), Syn::Drop, "pending");
        keys.forget(&key(1), second);
        assert_eq!(keys.len(), 0);
    }

    #[test]
    fn closed_ones_are_forgotten_in_time_and_number() {
        let (mut keys, mut slab, now) = (Keys::default(), Slab::default(), Instant::now());
        for port in 1..=u16::try_from(MAX_CLOSED + 100).unwrap() {
            let flow = slab.insert(()).unwrap();
            keys.begin(key(port), 5, flow);
            keys.close(&key(port), flow, now);
            slab.remove(flow);
        }
        assert_eq!((keys.len(), keys.closed.len()), (MAX_CLOSED, MAX_CLOSED));
        let flow = slab.insert(()).unwrap();
        keys.begin(key(60_000), 5, flow);
        keys.close(&key(60_000), flow, now + LATE);
        assert_eq!(keys.len(), 1);
    }
}
