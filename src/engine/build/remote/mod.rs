//! Sources that are somewhere else: files of web servers and git repositories, in `ADD`, as contexts and as
//! `--build-context`.
//!
//! What is fetched lies in a directory of the builder ([`Fetched`]), which goes with the build. The key of a step has the
//! digest of a file, or the commit of a repository: a repository whose commit has a record in the cache is not fetched.

pub mod git;
pub mod http;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::base::paths::private_dir;
use crate::base::publish::{self, Staging};
use crate::base::{Error, Result, ResultExt, text};
use crate::engine::Engine;
use crate::oci::Digest;

/// A source that is somewhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// A git repository.
    Git(git::Repository),
    /// A file of a web server.
    Http(String),
}

impl Remote {
    /// What a text means; none if it is a path. The rules are BuildKit's (util/gitutil).
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(repository) = git::Repository::parse(text) {
            return Some(Self::Git(repository));
        }
        let is_url = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
        is_url.then(|| Self::Http(text.to_owned()))
    }
}

/// A URL for messages: without the password that may be in it.
pub fn shown(url: &str) -> String {
    crate::registry::download::shown(url)
}

/// A source of `ADD` that is somewhere else.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RemoteSource {
    /// Where.
    pub url: String,
    /// `--checksum`.
    pub checksum: Option<String>,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
}

/// A source of an `ADD` whose content is known by its digest or commit.
#[derive(Debug)]
pub enum Looked {
    /// A repository, and whether `.git` stays.
    Git(git::Resolved, bool),
    /// A file.
    Http(http::Page),
}

impl Looked {
    /// Finds out what a source is now.
    pub fn look(around: &Around<'_>, source: &RemoteSource) -> Result<Self> {
        let checksum = source.checksum.as_deref();
        match Remote::parse(&source.url) {
            Some(Remote::Git(repository)) => {
                Ok(Self::Git(git::resolve(around, &repository, checksum)?, source.keep_git_dir))
            }
            Some(Remote::Http(url)) => {
                let checksum = checksum.map(str::parse::<Digest>).transpose()?;
                http::look(around, &url, checksum.as_ref()).map(Self::Http)
            }
            None => Err(Error::invalid(format!("`{}` is not a URL", shown(&source.url)))),
        }
    }

    /// What the key of its step says of it.
    pub fn key(&self) -> String {
        match self {
            Self::Git(resolved, keep) => format!("git {} {:?} {keep}", resolved.commit, resolved.subdirectory()),
            Self::Http(page) => format!("file {} {:?}", page.digest, page.name),
        }
    }

    /// Fetches it, unless that has been done.
    pub fn fetch(self, around: &Around<'_>) -> Result<Fetched> {
        match self {
            Self::Git(resolved, keep) => git::fetch(around, &resolved, keep),
            Self::Http(page) => page.fetched(around),
        }
    }
}

impl Remote {
    /// For messages: without a password.
    pub fn shown(&self) -> String {
        match self {
            Self::Git(repository) => repository.shown(),
            Self::Http(url) => shown(url),
        }
    }
}

/// The author of a source's name, and what that allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The user, on the command line: with the user's own credentials, wherever it is.
    User,
    /// A Dockerfile: without credentials but those that the build was given, not on this machine.
    File,
    /// The same, but on this machine too (`--allow network.host`).
    FileHere,
}

/// What sources need.
pub struct Around<'a> {
    /// Where files are kept, and how servers are reached.
    pub engine: &'a Engine,
    /// The author of the source's name.
    pub trust: Trust,
    /// Secrets of the build: tokens among them.
    pub secrets: &'a BTreeMap<String, Vec<u8>>,
    /// Sockets of agents.
    pub agents: &'a BTreeMap<String, PathBuf>,
    /// Variables of the user for git: [`git::VARIABLES`].
    pub environment: &'a BTreeMap<String, String>,
}

impl Around<'_> {
    /// The secret `NAME.HOST`, or `NAME`.
    fn secret(&self, name: &str, host: &str) -> Option<String> {
        let value = self.secrets.get(&format!("{name}.{host}")).or_else(|| self.secrets.get(name))?;
        Some(String::from_utf8_lossy(value).trim_end_matches(['\n', '\r']).to_owned())
    }
}

/// A directory with what was fetched.
#[derive(Debug)]
pub struct Fetched {
    staging: Staging,
    /// Its path below the directory.
    pub source: String,
    /// It is one file, rather than a directory whose files are meant.
    pub is_file: bool,
}

impl Fetched {
    /// The directory.
    pub fn directory(&self) -> &Path {
        self.staging.path()
    }

    /// The directory, which goes with the returned value, and a descriptor of what is meant in it: a link of a repository
    /// leads nowhere else.
    pub fn into_directory(self) -> Result<(Staging, File)> {
        let failed = || format!("cannot open `{}` of the repository", text::clean(&self.source));
        let root = File::open(self.staging.path().join("tree")).context(failed)?;
        let below = self.source.trim_start_matches("/tree").trim_start_matches('/');
        let below = if below.is_empty() { "." } else { below };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let directory = rustix::fs::openat2(&root, below, flags, Mode::empty(), resolve).context(failed)?;
        Ok((self.staging, File::from(directory)))
    }

    /// The file, opened.
    pub fn file(&self) -> Result<File> {
        let directory = self.staging.path().join("file");
        let entry = std::fs::read_dir(&directory).at(&directory, "cannot list")?.next();
        let entry = entry.ok_or_else(|| Error::system("a download is gone"))?.at(&directory, "cannot list")?;
        File::open(entry.path()).at(&entry.path(), "cannot open")
    }
}

/// A fresh directory of the builder.
fn area(engine: &Engine) -> Result<Staging> {
    let area = engine.paths.data.join("build").join("remote");
    private_dir(&area)?;
    publish::sweep(&area)?;
    Staging::new(&area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths_and_repositories_from_files() {
        for path in ["a/b", "/a", "./x.git", "C:\\x", "git", "ftp://h/x", "a@b", "dir:x"] {
            assert_eq!(Remote::parse(path), None, "{path}");
        }
        for file in ["https://h/a.tar.gz", "http://h", "https://h/a.git.txt", "https://h/x#y.git"] {
            assert!(matches!(Remote::parse(file), Some(Remote::Http(_))), "{file}");
        }
        for repository in [
            "https://h/a.git",
            "https://h/a.git#main:sub",
            "git@h:a/b",
            "git://h/a",
            "ssh://git@h/a#v1",
            "github.com/a/b",
        ] {
            assert!(matches!(Remote::parse(repository), Some(Remote::Git(_))), "{repository}");
        }
    }
}
