//! The one error type at module borders: what was attempted, why it failed, and what to do next.
//!
//! Rules: the message starts in lower case, has no final period, puts names in backticks and does not repeat its cause,
//! because whoever prints an error walks the chain. Return an error or report it, never both.

use std::fmt;
use std::io;
use std::path::Path;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the classes a caller can act on. The command line turns them into exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The request itself is wrong: a malformed name, contradicting options.
    Usage,
    /// The named object does not exist.
    NotFound,
    /// The object exists, is in use, or is in the wrong state.
    Conflict,
    /// Permission was refused: by a registry, the kernel or a policy.
    Denied,
    /// This machine or this version cannot do it.
    Unsupported,
    /// Data from outside breaks its format, a digest or a stated limit.
    Invalid,
    /// The network or the other end failed.
    Network,
    /// A system call failed, or anything else unexpected.
    System,
    /// The container's command exists but cannot be executed (exit code 126).
    CannotExecute,
    /// The container's command was not found (exit code 127).
    CommandNotFound,
}

/// An error with its kind, message, cause and hints.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync + 'static>>,
    hints: Vec<String>,
}

impl Error {
    /// An error without a cause.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None, hints: Vec::new() }
    }

    /// [`Kind::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// [`Kind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// [`Kind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    /// [`Kind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// [`Kind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// [`Kind::System`].
    pub fn system(message: impl Into<String>) -> Self {
        Self::new(Kind::System, message)
    }

    /// Sets the cause.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a next step for the person who reads it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Replaces the kind.
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The class of the failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message alone, without causes or hints.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// All hints, those of inner errors last.
    pub fn hints(&self) -> Vec<&str> {
        let mut hints: Vec<&str> = self.hints.iter().map(String::as_str).collect();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            if let Some(inner) = cause.downcast_ref::<Error>() {
                hints.extend(inner.hints.iter().map(String::as_str));
            }
            source = cause.source();
        }
        hints
    }

    /// The message and all causes on one line: ``cannot read `x`: permission denied``.
    pub fn chain(&self) -> String {
        let mut line = self.message.clone();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            line.push_str(": ");
            line.push_str(&describe(cause));
            source = cause.source();
        }
        line
    }

    /// The errno at the root of the chain, when a system call is the cause.
    pub fn errno(&self) -> Option<i32> {
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            if let Some(io) = cause.downcast_ref::<io::Error>() {
                return io.raw_os_error();
            }
            source = cause.source();
        }
        None
    }
}

/// One cause as text; system errors lose std's "(os error 2)" and capital letter.
fn describe(cause: &(dyn std::error::Error + 'static)) -> String {
    match cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
        Some(errno) => nix::errno::Errno::from_raw(errno).desc().to_lowercase(),
        None => cause.to_string(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// An error that crosses a socket: the chain flattened, the rest kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WireError {
    /// As [`Error::kind`].
    pub kind: Kind,
    /// As [`Error::chain`].
    pub message: String,
    /// As [`Error::hints`].
    pub hints: Vec<String>,
}

impl From<&Error> for WireError {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind, message: error.chain(), hints: error.hints().into_iter().map(String::from).collect() }
    }
}

impl From<WireError> for Error {
    fn from(wire: WireError) -> Self {
        Self { kind: wire.kind, message: wire.message, source: None, hints: wire.hints }
    }
}

/// Puts what was attempted on top of a foreign error. An [`Error`] below keeps its kind; a full disk gets its hint here,
/// once for every write of the program.
pub trait ResultExt<T> {
    /// `result.context(|| format!("cannot read `{path}`"))`
    fn context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T>;

    /// `result.at(path, "cannot read")`: the message is ``cannot read `<path>` ``.
    fn at(self, path: &Path, attempt: &str) -> Result<T>;
}

impl<T, E> ResultExt<T> for std::result::Result<T, E>
where
    E: Into<Cause>,
{
    fn context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T> {
        self.map_err(|source| {
            let Cause { kind, source } = source.into();
            let no_space = source
                .downcast_ref::<io::Error>()
                .and_then(io::Error::raw_os_error)
                .is_some_and(|errno| errno == libc::ENOSPC || errno == libc::EDQUOT);
            let error = Error { kind, message: message().into(), source: Some(source), hints: Vec::new() };
            match no_space {
                true => error.hint("the disk or quota is full: free some space, or remove images with `coracle rmi` and containers with `coracle rm`"),
                false => error,
            }
        })
    }

    fn at(self, path: &Path, attempt: &str) -> Result<T> {
        self.context(|| format!("{attempt} `{}`", path.display()))
    }
}

/// What [`ResultExt`] accepts as a cause: the kind to carry on, and the error itself.
pub struct Cause {
    kind: Kind,
    source: Box<dyn std::error::Error + Send + Sync + 'static>,
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Self { kind: error.kind, source: Box::new(error) }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self { kind: Kind::System, source: Box::new(error) }
    }
}

impl From<nix::errno::Errno> for Cause {
    fn from(errno: nix::errno::Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl From<rustix::io::Errno> for Cause {
    fn from(errno: rustix::io::Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl From<serde_json::Error> for Cause {
    fn from(error: serde_json::Error) -> Self {
        Self { kind: Kind::Invalid, source: Box::new(error) }
    }
}

/// Turns "there is no such file" into `None`; every other failure stays one.
pub fn if_absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_names_thing_and_cause_without_rust_noise() {
        let error = std::fs::read("/nonexistent/x").at(Path::new("/nonexistent/x"), "cannot read").unwrap_err();
        assert_eq!(error.chain(), "cannot read `/nonexistent/x`: no such file or directory");
        assert_eq!(error.errno(), Some(libc::ENOENT));
        let outer =
            Err::<(), _>(error.hint("inner hint")).context(|| "cannot start `web`").unwrap_err().hint("outer hint");
        assert_eq!(outer.chain(), "cannot start `web`: cannot read `/nonexistent/x`: no such file or directory");
        assert_eq!(outer.hints(), ["outer hint", "inner hint"]);
    }

    #[test]
    fn an_inner_kind_survives_context_and_the_wire() {
        let inner: Result<()> = Err(Error::not_found("no image `x`"));
        let error = inner.context(|| "cannot create a container").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        let back: Error = WireError::from(&error).into();
        assert_eq!((back.kind(), back.chain().as_str()), (Kind::NotFound, "cannot create a container: no image `x`"));
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error = Err::<(), _>(io::Error::from_raw_os_error(libc::ENOSPC)).context(|| "cannot write").unwrap_err();
        assert!(error.hints()[0].contains("free some space"));
    }
}
