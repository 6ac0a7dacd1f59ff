//! The instructions as typed values. Texts in which variables count are [`Text`]: not expanded yet, with their place.

use super::diagnostic::Position;
use super::heredoc::Heredoc;

/// A text of the file, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// Not expanded.
    pub raw: String,
    /// Where it begins.
    pub at: Position,
}

/// `name=value`, both not expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: Text,
    /// The value.
    pub value: Text,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Where it begins.
    pub at: Position,
    /// Its last line.
    pub last_line: u32,
    /// The instruction's name in capital letters, and its arguments as they were written, on one line.
    pub original: String,
    /// The instruction's name as it was written.
    pub written: String,
    /// The comments directly above it, without their `#`.
    pub comments: Vec<String>,
    /// What it says.
    pub kind: Kind,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `ADD`.
    Add(Copy),
    /// `ARG`: names, with defaults if they have any.
    Arg(Vec<(Text, Option<Text>)>),
    /// `CMD`.
    Cmd(Command),
    /// `COPY`.
    Copy(Copy),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `ENV`.
    Env(Vec<Pair>),
    /// `EXPOSE`.
    Expose(Vec<Text>),
    /// `FROM`.
    From(From),
    /// `HEALTHCHECK`.
    Healthcheck(Health),
    /// `LABEL`.
    Label(Vec<Pair>),
    /// `MAINTAINER`.
    Maintainer(String),
    /// `ONBUILD`: the instruction that it keeps, as it was written.
    Onbuild(String),
    /// `RUN`.
    Run(Run),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    Stopsignal(Text),
    /// `USER`.
    User(Text),
    /// `VOLUME`.
    Volume(Vec<Text>),
    /// `WORKDIR`.
    Workdir(Text),
}

/// `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// An image, a stage, a context or `scratch`.
    pub image: Text,
    /// `AS`, in small letters.
    pub name: Option<Text>,
    /// `--platform`.
    pub platform: Option<Text>,
}

/// The shell or the exec form of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A line for the shell.
    Shell(String),
    /// The words of a command.
    Exec(Vec<String>),
}

/// A command.
pub type Command = Form;

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command, without the contents of here-documents.
    pub form: Form,
    /// Its here-documents, in their order.
    pub heredocs: Vec<Heredoc>,
    /// Whether the whole command is a here-document.
    pub is_heredoc: bool,
    /// `--mount`.
    pub mounts: Vec<Mount>,
    /// `--network`.
    pub network: Network,
}

/// The network of a `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// That of the build.
    #[default]
    Default,
    /// No network.
    None,
    /// The host's.
    Host,
}

/// One `--mount`. Texts are not expanded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountType,
    /// Where the option stands.
    pub at: Position,
    /// `target`, `dst` or `destination`.
    pub target: Option<String>,
    /// `source` or `src`.
    pub source: Option<String>,
    /// `from`.
    pub from: Option<String>,
    /// `id`.
    pub id: Option<String>,
    /// `env`: the variable that gets a secret.
    pub env: Option<String>,
    /// `readonly`, `ro`, `rw`, `readwrite`.
    pub read_only: Option<bool>,
    /// `required`.
    pub required: bool,
    /// `sharing`.
    pub sharing: Sharing,
    /// `mode`.
    pub mode: Option<u32>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
    /// `size`, in bytes.
    pub size: Option<u64>,
}

/// The type of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MountType {
    /// A directory or file of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory that outlives builds.
    Cache,
    /// A file system in memory.
    Tmpfs,
    /// A secret as a file or variable.
    Secret,
    /// The socket of an agent.
    Ssh,
}

/// How a cache is shared by steps that run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// By all.
    #[default]
    Shared,
    /// Each that finds it in use gets another.
    Private,
    /// One after the other.
    Locked,
}

/// `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    /// What is copied.
    pub sources: Vec<Source>,
    /// Where to.
    pub target: Text,
    /// `--from`.
    pub from: Option<Text>,
    /// `--chown`.
    pub chown: Option<Text>,
    /// `--chmod`.
    pub chmod: Option<Text>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<Text>,
    /// `--checksum`.
    pub checksum: Option<Text>,
    /// `--unpack`; not said by default.
    pub unpack: Option<bool>,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
}

/// One source of a `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path, pattern or URL.
    Path(Text),
    /// A here-document.
    Inline(Heredoc),
}

/// `HEALTHCHECK`: docker's check, whose command is the last word or words of `test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// `NONE`.
    None,
    /// `CMD`.
    Check {
        /// The command.
        command: Command,
        /// `--interval`, in nanoseconds; 0 for the default.
        interval: i64,
        /// `--timeout`.
        timeout: i64,
        /// `--start-period`.
        start_period: i64,
        /// `--start-interval`.
        start_interval: i64,
        /// `--retries`.
        retries: i64,
    },
}
