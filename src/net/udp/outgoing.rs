//! Datagrams on their way to the outside: consecutive ones of one flow, size and manner wait to be sent by one call, which
//! the host's kernel takes apart.

/// Datagrams of one call (UDP_MAX_SEGMENTS before Linux 6.9).
const MAX_SEGMENTS: usize = 64;
/// Bytes of one call, so that any headers fit.
const MAX_PAYLOAD: usize = 65_000;

/// How datagrams are sent, as their IP headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// DSCP and ECN.
    pub class: u8,
    /// How many routers may be passed, when the container has limited that on purpose.
    pub hops: Option<u8>,
    /// The host may fragment it.
    pub may_fragment: bool,
}

/// Datagrams that wait to be sent together.
#[derive(Debug, Default)]
pub struct Outgoing {
    what: Option<(usize, Manner)>,
    size: usize,
    count: usize,
    payload: Vec<u8>,
}

/// What [`Outgoing::take`] gives.
#[derive(Debug)]
pub struct Batch {
    /// The number of the flow.
    pub flow: usize,
    /// How they are sent.
    pub manner: Manner,
    /// Of each datagram except the last one; 0 for a single empty one.
    pub size: usize,
    /// How many there are.
    pub count: usize,
    /// All of them behind each other.
    pub payload: Vec<u8>,
}

impl Batch {
    /// Each datagram.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        // An empty datagram is one, although it has no chunk.
        let single = (self.count == 1).then_some(self.payload.as_slice());
        let many = if self.count > 1 { self.payload.as_slice() } else { &[] };
        single.into_iter().chain(many.chunks(self.size.max(1)))
    }
}

impl Outgoing {
    /// Takes a datagram, or several of `size` bytes each, of which the last may be shorter. False when what waits has to
    /// be sent first.
    #[must_use]
    pub fn add(&mut self, flow: usize, manner: Manner, payload: &[u8], size: usize) -> bool {
        let count = if size == 0 { 1 } else { payload.len().div_ceil(size) };
        if self.what.is_none() {
            self.what = Some((flow, manner));
            self.size = size;
        } else {
            let complete = self.size > 0 && self.payload.len() == self.size * self.count;
            let same_size = size == self.size || (count == 1 && size > 0 && size < self.size);
            let fits = self.count + count <= MAX_SEGMENTS && self.payload.len() + payload.len() <= MAX_PAYLOAD;
            if self.what != Some((flow, manner)) || !complete || !same_size || !fits {
                return false;
            }
        }
        self.count += count;
        self.payload.extend_from_slice(payload);
        true
    }

    /// What waits. Its memory is given back with [`Outgoing::recycle`].
    pub fn take(&mut self) -> Option<Batch> {
        let (flow, manner) = self.what.take()?;
        let count = std::mem::take(&mut self.count);
        Some(Batch { flow, manner, size: self.size, count, payload: std::mem::take(&mut self.payload) })
    }

    /// Takes memory back.
    pub fn recycle(&mut self, batch: Batch) {
        self.payload = batch.payload;
        self.payload.clear();
    }
}
