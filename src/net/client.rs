//! stand-in
use super::model::{Endpoint, Network, Wish};
use super::protocol::{Counters, Join, Joined};
use crate::base::id::Name;
use crate::base::{Error, Paths, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
/// x
pub struct Membership {
    socket: OwnedFd,
    joined: Joined,
}
impl Membership {
    /// x
    pub fn join(_: &Paths, _: BorrowedFd<'_>, _: &Join, _: Option<BorrowedFd<'_>>) -> Result<(Self, Joined)> {
        Err(Error::unsupported("x"))
    }
    /// x
    pub fn plug(&mut self, _: BorrowedFd<'_>) -> Result<()> {
        Ok(())
    }
    /// x
    pub fn connect(&mut self, _: &Network, _: &Wish, _: BorrowedFd<'_>) -> Result<Endpoint> {
        Err(Error::unsupported("x"))
    }
    /// x
    pub fn disconnect(&mut self, _: &Name, _: BorrowedFd<'_>) -> Result<()> {
        Ok(())
    }
    /// x
    pub fn count(&mut self) -> Result<Counters> {
        Err(Error::unsupported("x"))
    }
    /// x
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
    /// x
    pub fn joined(&self) -> &Joined {
        &self.joined
    }
    /// x
    pub fn revive(&mut self, _: &Paths, _: BorrowedFd<'_>, _: BorrowedFd<'_>) -> Result<()> {
        Ok(())
    }
}
