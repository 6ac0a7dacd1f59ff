//! The directories of a tree in the making, a few of them held open.
//!
//! # Theory of operation
//!
//! Archives list a directory's entries together, so nearly every entry finds its parent among the open ones and costs no
//! path look-up. Others are looked up through [`BeneathDir`]: symbolic links in the layer are followed within the layer
//! only. Parents that the archive does not list are made.
//!
//! Whatever is put into a directory changes its modification time. A [`Directory`] therefore remembers the time it shall
//! have (what it had when it was opened, or what its own entry said) and gets it back when it is closed: memory is bounded
//! by the number of open directories, not by the number of directories in the layer. For this, no directory may be open
//! twice under different names: it is recognised by its inode and the older handle is closed first.
//!
//! A removed directory or symbolic link may be part of any open name; [`Directories::close_all`] forgets them all.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};

use super::attributes::timestamps;
use super::entries::shown;
use super::names::split;
use super::pax::Time;
use super::whiteout;
use crate::base::{Error, Result, ResultExt};
use crate::sys::beneath::BeneathDir;

/// How many directories are held open. Enough for the depth of real trees; few enough for many layers at once.
const OPEN: usize = 32;

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    name: Vec<u8>,
    fd: OwnedFd,
    inode: (u64, u64),
    time: Cell<Time>,
    used: Cell<u64>,
}

impl Directory {
    /// The directory, for `*at` calls.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The modification time it shall have in the end.
    pub fn set_time(&self, time: Time) {
        self.time.set(time);
    }

    fn close(&self) -> Result<()> {
        rustix::fs::futimens(&self.fd, &timestamps(self.time.get()))
            .context(|| format!("cannot set the time of `{}`", shown(&self.name)))
    }
}

/// The directories of one tree.
#[derive(Debug)]
pub struct Directories {
    root: BeneathDir,
    open: Vec<Rc<Directory>>,
    clock: u64,
}

impl Directories {
    /// The tree in the directory `root`.
    pub fn new(root: BorrowedFd<'_>) -> Result<Self> {
        let root = BeneathDir::from_borrowed(root).context(|| "cannot keep the layer's directory open")?;
        Ok(Self { root, open: Vec::with_capacity(OPEN), clock: 0 })
    }

    /// The directory `name` (clean), if there is one.
    pub fn find(&mut self, name: &[u8]) -> Result<Option<Rc<Directory>>> {
        self.clock += 1;
        if let Some(directory) = self.open.iter().find(|directory| directory.name == name) {
            directory.used.set(self.clock);
            return Ok(Some(Rc::clone(directory)));
        }
        let path = if name.is_empty() { &b"."[..] } else { name };
        match self.root.open_dir(path) {
            Ok(fd) => self.adopt(name, fd).map(Some),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => Ok(None),
                Some(libc::ELOOP) => {
                    Err(Error::invalid(format!("the symbolic links of `{}` lead nowhere", shown(name))))
                }
                _ => Err(error).context(|| format!("cannot open the directory `{}`", shown(name))),
            },
        }
    }

    /// The directory `name` (clean); made with its parents where missing, as root's and with mode 0755.
    pub fn get(&mut self, name: &[u8]) -> Result<Rc<Directory>> {
        if let Some(found) = self.find(name)? {
            return Ok(found);
        }
        let (parent, base) = split(name);
        let parent = self.get(parent)?;
        let hidden = match rustix::fs::statat(parent.fd(), base, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if whiteout::is_whiteout(parent.fd(), base, &stat) => {
                rustix::fs::unlinkat(parent.fd(), base, AtFlags::empty())
                    .context(|| format!("cannot replace the whiteout of `{}`", shown(name)))?;
                true
            }
            Ok(_) => {
                return Err(Error::invalid(format!(
                    "the layer has entries below `{}`, which is not a directory",
                    shown(name)
                )));
            }
            Err(_) => false,
        };
        let made = self.make(&parent, name)?;
        let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
        if rustix::process::geteuid().is_root() {
            let _ = rustix::fs::fchown(made.fd(), Some(uid), Some(gid));
        }
        rustix::fs::fchmod(made.fd(), Mode::from_raw_mode(0o755)).context(|| cannot_make(name))?;
        if hidden {
            whiteout::make_opaque(made.fd())?;
        }
        Ok(made)
    }

    /// The directory `name` (clean) for a whiteout in it, made where missing like in [`Directories::get`]. `None` when
    /// something of this layer that is not a directory is in the way: then there is nothing to hide. Tools that compare
    /// trees write such whiteouts for what was in a directory that is gone or has become a file.
    pub fn get_for_whiteout(&mut self, name: &[u8]) -> Result<Option<Rc<Directory>>> {
        let mut missing = name;
        while self.find(missing)?.is_none() {
            let (above, base) = split(missing);
            if let Some(above) = self.find(above)?
                && rustix::fs::statat(above.fd(), base, AtFlags::SYMLINK_NOFOLLOW).is_ok()
            {
                return Ok(None);
            }
            missing = above;
        }
        self.get(name).map(Some)
    }

    /// Makes the directory `name` in its parent, where nothing has this name, for us alone until somebody gives it its
    /// attributes.
    pub fn make(&mut self, parent: &Directory, name: &[u8]) -> Result<Rc<Directory>> {
        let base = split(name).1;
        rustix::fs::mkdirat(parent.fd(), base, Mode::RWXU).context(|| cannot_make(name))?;
        self.open_child(parent, name)
    }

    /// Opens the directory `name` in its parent; a symbolic link is not followed.
    pub fn open_child(&mut self, parent: &Directory, name: &[u8]) -> Result<Rc<Directory>> {
        if let Some(known) = self.open.iter().find(|directory| directory.name == name) {
            return Ok(Rc::clone(known));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent.fd(), split(name).1, flags, Mode::empty())
            .context(|| format!("cannot open the directory `{}`", shown(name)))?;
        self.adopt(name, fd)
    }

    /// Gives all directories their times and forgets them.
    pub fn close_all(&mut self) -> Result<()> {
        self.open.drain(..).try_for_each(|directory| directory.close())
    }

    fn adopt(&mut self, name: &[u8], fd: OwnedFd) -> Result<Rc<Directory>> {
        let failed = || format!("cannot examine the directory `{}`", shown(name));
        let mut stat = rustix::fs::fstat(&fd).context(failed)?;
        let inode = (stat.st_dev, stat.st_ino);
        if let Some(at) = self.open.iter().position(|directory| directory.inode == inode) {
            self.open.swap_remove(at).close()?;
            stat = rustix::fs::fstat(&fd).context(failed)?;
        } else if self.open.len() == OPEN {
            let oldest = self.open.iter().enumerate().min_by_key(|(_, directory)| directory.used.get());
            if let Some(at) = oldest.map(|(at, _)| at) {
                self.open.swap_remove(at).close()?;
            }
        }
        self.clock += 1;
        let directory = Rc::new(Directory {
            name: name.to_vec(),
            fd,
            inode,
            time: Cell::new(Time { seconds: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 }),
            used: Cell::new(self.clock),
        });
        self.open.push(Rc::clone(&directory));
        Ok(directory)
    }
}

fn cannot_make(name: &[u8]) -> String {
    format!("cannot make the directory `{}`", shown(name))
}
