//! What the command hands over to the container's program: descriptors under their numbers, and its standard streams.
//!
//! A descriptor gets its number in the supervisor already, before anything else is opened: no file of the supervisor can
//! have that number, and the program, whose process is a copy of this one, finds it there.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use super::protocol::{self, Handover, Reply};
use crate::base::error::WireError;
use crate::base::{Error, Result, ResultExt};
use crate::sys::process::copy_to;

/// The highest number that is given: a table of descriptors is as large as its highest number.
const HIGHEST: i32 = 1023;

/// What a supervisor holds for its container, for every run.
#[derive(Debug, Default)]
pub(super) struct Handed {
    /// stdin, stdout and stderr.
    pub(super) streams: Option<[OwnedFd; 3]>,
    /// The others, under their numbers.
    pub(super) descriptors: Rc<Vec<OwnedFd>>,
}

impl Handed {
    /// Takes the descriptors of a message, which belong to `handover`, and moves `control` out of their way. To be called
    /// before this process opens anything that it keeps.
    pub(super) fn take(control: OwnedFd, handover: &Handover, fds: Vec<OwnedFd>) -> Result<(OwnedFd, Self)> {
        // Before anything else, as a number of the program may be the one that the socket has.
        let least = handover.numbers.iter().max().map_or(3, |highest| highest.saturating_add(1)).min(HIGHEST + 1);
        let control = match least {
            3 => control,
            least => {
                let moved = above(&control, least)?;
                // Now: its number is about to be given away.
                drop(control);
                moved
            }
        };
        match Self::of(handover, fds, least) {
            Ok(handed) => Ok((control, handed)),
            Err(error) => {
                let _ = protocol::send_reply(control.as_fd(), &Reply::Failed(WireError::from(&error)));
                Err(error)
            }
        }
    }

    /// `least`: the first number that no descriptor of the program has.
    fn of(handover: &Handover, mut fds: Vec<OwnedFd>, least: i32) -> Result<Self> {
        let streams = match handover.streams {
            false => None,
            true => {
                let rest = fds.split_off(fds.len().min(3));
                let streams = <[OwnedFd; 3]>::try_from(std::mem::replace(&mut fds, rest));
                Some(streams.map_err(|_| Error::system("the standard streams were not handed over"))?)
            }
        };
        if fds.len() != handover.numbers.len() {
            return Err(Error::system("not as many descriptors were handed over as were told of"));
        }
        if handover.numbers.is_empty() {
            return Ok(Self { streams, ..Self::default() });
        }
        if handover.numbers.iter().any(|number| !(3..=HIGHEST).contains(number)) {
            return Err(Error::usage(format!("only the descriptors 3 to {HIGHEST} can be handed over")));
        }
        let streams = match streams {
            Some([stdin, stdout, stderr]) => {
                Some([above(&stdin, least)?, above(&stdout, least)?, above(&stderr, least)?])
            }
            None => None,
        };
        let moved: Vec<OwnedFd> = fds.iter().map(|fd| above(fd, least)).collect::<Result<_>>()?;
        drop(fds);
        let place =
            |(fd, number): (&OwnedFd, &i32)| copy_to(fd.as_fd(), *number).context(|| "cannot take a descriptor");
        let descriptors = moved.iter().zip(&handover.numbers).map(place).collect::<Result<_>>()?;
        Ok(Self { streams, descriptors: Rc::new(descriptors) })
    }

    /// Copies of the standard streams, for a run.
    pub(super) fn streams(&self) -> Result<Option<[OwnedFd; 3]>> {
        let copy = |fd: &OwnedFd| fd.try_clone().context(|| "cannot share a standard stream");
        match &self.streams {
            Some([stdin, stdout, stderr]) => Ok(Some([copy(stdin)?, copy(stdout)?, copy(stderr)?])),
            None => Ok(None),
        }
    }
}

/// A copy with a number of at least `least`.
fn above(fd: &OwnedFd, least: i32) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, least).context(|| "cannot move a descriptor out of the way")
}
