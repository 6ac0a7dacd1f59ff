//! A bounded cache of files that are open for their data (second-chance order), and whole reads and writes at an offset.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};

use rustix::io::Errno;

use super::node::Node;
use super::primitives::{Res, lock};

/// The most files kept open for their data; fewer if the limit of open files is low.
const MAX_OPEN: usize = 1024;

/// The nodes with an open file, oldest first.
pub(super) struct OpenFiles {
    order: Mutex<VecDeque<Weak<Node>>>,
    limit: usize,
}

impl OpenFiles {
    pub fn new() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
        let limit = usize::try_from(limit / 8).unwrap_or(MAX_OPEN).clamp(16, MAX_OPEN);
        Self { order: Mutex::new(VecDeque::new()), limit }
    }

    /// Registers the open file of `node`, and closes another if there are too many.
    pub fn opened(&self, node: &Arc<Node>) {
        let mut order = lock(&self.order);
        order.push_back(Arc::downgrade(node));
        let mut chances = order.len();
        while order.len() > self.limit && chances > 0 {
            chances -= 1;
            let Some(oldest) = order.pop_front() else { break };
            let Some(victim) = oldest.upgrade() else { continue };
            match (victim.used.swap(false, Ordering::Relaxed), victim.state.try_lock()) {
                (false, Ok(mut state)) => state.set_data(None),
                _ => order.push_back(oldest),
            }
        }
    }
}

/// Reads from `offset` until `buffer` is full or the file ends; returns the length.
pub(super) fn read(file: impl AsFd, offset: u64, buffer: &mut [u8]) -> Res<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::io::pread(&file, rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(filled)
}

/// Writes all of `bytes` at `offset`.
pub(super) fn write(file: impl AsFd, offset: u64, bytes: &[u8]) -> Res<()> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match rustix::io::pwrite(&file, rest, offset + written as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(length) => written += length,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
