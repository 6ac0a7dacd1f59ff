//! The build context: a directory of the user, an archive on standard input, or nothing but a Dockerfile.
//!
//! The directory is opened once, and everything in it is reached through that descriptor.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::remote::Fetched;
use super::view::View;
use crate::base::publish::Staging;
use crate::base::{Error, Result, ResultExt, text};
use crate::dockerfile::{IGNORE_MAX, Ignore, MAX_FILE};

/// Where the files of a build are.
#[derive(Debug)]
pub struct Context {
    directory: Option<File>,
    /// The lines of `.dockerignore`.
    pub ignored: String,
    /// For an unpacked archive: gone with the build.
    _unpacked: Option<Staging>,
}

/// The names of Dockerfiles, if none is given.
const NAMES: [&str; 3] = ["Dockerfile", "dockerfile", "Containerfile"];

impl Context {
    /// A directory.
    pub fn of_directory(path: &Path) -> Result<Self> {
        let directory = File::open(path).at(path, "cannot open the build context")?;
        if !directory.metadata().at(path, "cannot examine")?.is_dir() {
            return Err(Error::usage(format!("the build context `{}` is not a directory", path.display()))
                .hint("the context is a directory; name the Dockerfile with -f"));
        }
        Ok(Self { directory: Some(directory), ignored: String::new(), _unpacked: None })
    }

    /// No files.
    pub fn empty() -> Self {
        Self { directory: None, ignored: String::new(), _unpacked: None }
    }

    /// An archive that was unpacked into a directory of the builder.
    pub fn of_unpacked(staging: Staging) -> Result<Self> {
        let directory = File::open(staging.path()).at(staging.path(), "cannot open")?;
        Ok(Self { directory: Some(directory), ignored: String::new(), _unpacked: Some(staging) })
    }

    /// A repository that was fetched.
    pub fn of_fetched(fetched: Fetched) -> Result<Self> {
        let (staging, directory) = fetched.into_directory()?;
        Ok(Self { directory: Some(directory), ignored: String::new(), _unpacked: Some(staging) })
    }

    /// A descriptor of the directory, if there is one.
    pub fn descriptor(&self) -> Result<Option<OwnedFd>> {
        let again =
            |directory: &File| directory.as_fd().try_clone_to_owned().context(|| "cannot keep the context open");
        self.directory.as_ref().map(again).transpose()
    }

    /// What identifies the directory, for the digests that are known of it.
    pub fn identity(&self) -> Option<String> {
        let metadata = self.directory.as_ref()?.metadata().ok()?;
        Some(format!("{}-{}.json", metadata.dev(), metadata.ino()))
    }

    fn view(&self) -> Result<Option<View>> {
        Ok(self.descriptor()?.map(View::of_directory))
    }

    /// Reads a file of the context; none when it is not there.
    pub fn read(&self, path: &str, limit: usize) -> Result<Option<String>> {
        let Some(view) = self.view()? else { return Ok(None) };
        let resolved = view.resolve(path.as_bytes(), true)?;
        let (Some(found), Some(name)) = (&resolved.found, resolved.path.last()) else { return Ok(None) };
        if resolved.is_directory() {
            return Err(Error::usage(format!("`{}` is a directory", text::clean(path))));
        }
        read_limited(resolved.last_directory()?.open(name, found)?, path, limit).map(Some)
    }

    /// The Dockerfile: the given one, or the first of the usual names. With its name.
    pub fn dockerfile(&self, given: Option<&str>) -> Result<(String, String)> {
        let names: Vec<&str> = given.map_or(NAMES.to_vec(), |given| vec![given]);
        for name in &names {
            if let Some(content) = self.read(name, MAX_FILE)? {
                return Ok(((*name).to_owned(), content));
            }
        }
        let wanted = text::clean(names.first().copied().unwrap_or_default()).into_owned();
        Err(Error::not_found(format!("failed to read dockerfile: open {wanted}: no such file or directory"))
            .hint("the Dockerfile is looked for in the build context; -f names another one"))
    }

    /// Reads which files are left out. The Dockerfile's own list goes first.
    pub fn read_ignored(&mut self, dockerfile: &str) -> Result<()> {
        for name in [format!("{dockerfile}.dockerignore"), ".dockerignore".into(), ".containerignore".into()] {
            if let Some(lines) = self.read(&name, IGNORE_MAX)? {
                self.check(&name, &lines)?;
                self.ignored = lines;
                return Ok(());
            }
        }
        Ok(())
    }

    fn check(&self, name: &str, lines: &str) -> Result<()> {
        let wrong = Ignore::parse(lines).err();
        match wrong {
            None => Ok(()),
            Some((line, pattern)) => {
                Err(Error::invalid(format!("{name}:{line}: the pattern `{}` is malformed", text::clean(&pattern))))
            }
        }
    }
}

/// Reads a text of at most `limit` bytes.
pub fn read_limited(input: impl Read, name: &str, limit: usize) -> Result<String> {
    let mut bytes = Vec::new();
    let name = text::clean(name).into_owned();
    input.take(limit as u64 + 1).read_to_end(&mut bytes).context(|| format!("cannot read `{name}`"))?;
    if bytes.len() > limit {
        return Err(Error::invalid(format!("`{name}` is larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid(format!("`{name}` is not UTF-8")))
}
