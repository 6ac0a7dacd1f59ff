//! Where an archive goes: a stream, a file or a directory. A file or directory appears when it is complete, and nothing is
//! left of one that is not.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::base::error::if_absent;
use crate::base::id::random_hex;
use crate::base::publish::sync_dir;
use crate::base::{Error, Result, ResultExt, failpoint};

/// Where to write.
#[derive(Debug)]
pub enum Output {
    /// Standard output, or any other stream.
    Stream(OwnedFd),
    /// A file that appears in the end. What is there already and is no regular file is written to instead: a device, a pipe.
    File(PathBuf),
    /// A directory that appears in the end.
    Directory(PathBuf),
}

/// An output that is being written.
#[derive(Debug)]
pub enum Opened {
    /// It has no end of its own.
    Stream,
    /// The file, the name that it will have, and the one that it has until then, if it has any.
    File(File, PathBuf, Option<Unfinished>),
    /// The directory under another name, and the name that it will have.
    Directory(Unfinished, PathBuf),
}

/// A file or directory under a hidden name. It goes again unless it was renamed.
#[derive(Debug)]
pub struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0).or_else(|_| fs::remove_dir_all(&self.0));
    }
}

impl Output {
    /// Begins. The descriptor is what to write to.
    pub fn open(self) -> Result<(OwnedFd, Opened)> {
        match self {
            Self::Stream(fd) => Ok((fd, Opened::Stream)),
            Self::File(path) => match if_absent(fs::metadata(&path)).at(&path, "cannot examine")? {
                Some(metadata) if metadata.is_dir() => {
                    Err(Error::conflict(format!("`{}` is a directory", path.display()))
                        .hint("name a file in it, or a format that is a directory: --format oci-dir"))
                }
                Some(metadata) if !metadata.is_file() => {
                    let file = OpenOptions::new().write(true).open(&path).at(&path, "cannot write to")?;
                    Ok((file.into(), Opened::Stream))
                }
                _ => {
                    let (file, staged) = new_file(&path)?;
                    let fd = file.try_clone().at(&path, "cannot write")?.into();
                    Ok((fd, Opened::File(file, path, staged)))
                }
            },
            Self::Directory(path) => {
                if let Some(mut entries) = if_absent(fs::read_dir(&path)).at(&path, "cannot use as a directory")?
                    && entries.next().is_some()
                {
                    return Err(Error::conflict(format!("the directory `{}` is not empty", path.display()))
                        .hint("name another one, or remove it first"));
                }
                let staged = beside(&path)?;
                fs::DirBuilder::new().mode(0o755).create(&staged).at(&staged, "cannot create the directory")?;
                let unfinished = Unfinished(staged);
                let directory = File::open(&unfinished.0).at(&unfinished.0, "cannot open")?;
                Ok((directory.into(), Opened::Directory(unfinished, path)))
            }
        }
    }
}

impl Opened {
    /// Everything is written: makes it durable and gives it its name.
    pub fn finish(self) -> Result<()> {
        failpoint::here("save.written")?;
        match self {
            Self::Stream => Ok(()),
            Self::File(file, path, staged) => {
                file.sync_all().at(&path, "cannot write")?;
                let staged = match staged {
                    Some(staged) => staged,
                    // A link cannot replace a file: it gets a name for a moment.
                    None => {
                        let staged = Unfinished(beside(&path)?);
                        let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
                        link(&nameless, &staged.0).at(&path, "cannot write")?;
                        staged
                    }
                };
                fs::rename(&staged.0, &path).at(&path, "cannot write")?;
                sync_dir(parent(&path))
            }
            Self::Directory(unfinished, path) => {
                let directory = File::open(&unfinished.0).at(&unfinished.0, "cannot open")?;
                rustix::fs::syncfs(&directory).at(&path, "cannot write")?;
                // An empty directory is replaced.
                fs::rename(&unfinished.0, &path).at(&path, "cannot write")?;
                sync_dir(parent(&path))
            }
        }
    }
}

/// A new file (0600) without a name, of which a killed process leaves nothing; on file systems that have no such files, as
/// those of USB sticks, one with a hidden name.
fn new_file(path: &Path) -> Result<(File, Option<Unfinished>)> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    match options.clone().custom_flags(libc::O_TMPFILE).open(parent(path)) {
        Ok(file) => return Ok((file, None)),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {}
        Err(error) => return Err(error).at(path, "cannot write"),
    }
    let staged = Unfinished(beside(path)?);
    let file = options.create_new(true).open(&staged.0).at(path, "cannot write")?;
    Ok((file, Some(staged)))
}

/// Gives a file without a name one (open(2), `O_TMPFILE`).
fn link(nameless: &str, path: &Path) -> io::Result<()> {
    use nix::fcntl::AT_FDCWD;
    use nix::unistd::linkat;
    linkat(AT_FDCWD, nameless, AT_FDCWD, path, nix::fcntl::AtFlags::AT_SYMLINK_FOLLOW).map_err(io::Error::from)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A hidden name in the same directory.
fn beside(path: &Path) -> Result<PathBuf> {
    Ok(parent(path).join(format!(".coracle-{}", &random_hex()?[..16])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use std::io::Write;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("image.tar");
        for (content, finished, expected) in
            [("one", true, "one"), ("half", false, "one"), ("another", true, "another")]
        {
            let (fd, opened) = Output::File(path.clone()).open().unwrap();
            File::from(fd).write_all(content.as_bytes()).unwrap();
            match finished {
                true => opened.finish().unwrap(),
                false => drop(opened),
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), expected);
            assert_eq!(names(scratch.path()), ["image.tar"]);
        }
        // As on a file system without nameless files.
        let hidden = scratch.path().join(".hidden");
        for finished in [false, true] {
            fs::write(&hidden, "hidden").unwrap();
            let file = File::open(&hidden).unwrap();
            let opened = Opened::File(file, path.clone(), Some(Unfinished(hidden.clone())));
            match finished {
                true => opened.finish().unwrap(),
                false => drop(opened),
            }
            assert!(!hidden.exists());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "hidden");
        assert!(Output::File(scratch.path().to_owned()).open().is_err());
        assert!(matches!(Output::File("/dev/null".into()).open().unwrap().1, Opened::Stream));
    }

    #[test]
    fn a_directory_appears_when_it_is_complete_and_replaces_nothing() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("layout");
        drop(Output::Directory(path.clone()).open().unwrap());
        assert!(names(scratch.path()).is_empty());
        fs::create_dir(&path).unwrap();
        let (_, opened) = Output::Directory(path.clone()).open().unwrap();
        if let Opened::Directory(unfinished, _) = &opened {
            fs::write(unfinished.0.join("file"), "x").unwrap();
        }
        opened.finish().unwrap();
        assert_eq!((names(scratch.path()), names(&path)), (vec!["layout".into()], vec!["file".into()]));
        assert!(Output::Directory(path).open().unwrap_err().message().contains("not empty"));
    }
}
