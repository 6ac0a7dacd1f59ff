//! `image scp`: an image from the store of one user or machine to that of another, as the archive that `save` writes and
//! `load` reads.
//!
//! # Theory of operation
//!
//! Two commands and a pipe. Of this user's store they are the verbs themselves. On another machine ssh(1) runs the first of
//! coracle, podman and docker that is there; keys, passwords, aliases and known hosts are ssh's business. For another user of
//! this machine root runs coracle with that user's ids. Nothing is stored on the way, and the receiver takes all or nothing.

use std::fs;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::archives::load::{LoadRequest, Loaded, load};
use super::archives::save::{Output, SaveRequest, save};
use super::progress::Progress;
use super::{Engine, image_name, tag};
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::rootless::accounts::{Account, account_by_name, account_by_uid};
use crate::rootless::outer;
use crate::spec::scp::{Copy, End, Machine};
use crate::store::ImageRecord;
use crate::sys::process::begin_session;

/// The search path of programs that run as another user.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The most that a failed program of another user may tell, in bytes.
const WORDS_MAX: u64 = 16 << 10;

/// Copies an image; what this user's store has got is returned. `quiet`: the other side does not tell what it has loaded.
pub fn scp(engine: &Engine, copy: &Copy, quiet: bool, progress: &dyn Progress) -> Result<Vec<Loaded>> {
    let (from, to) = (Side::of(&copy.from)?, Side::of(&copy.to)?);
    if from == Side::Here {
        // Before anybody is called.
        image(engine, &copy.image)?;
    }
    let (reader, writer) = std::io::pipe().context(|| "cannot make a pipe")?;
    let (source, writer) = match from.start(&Half::save(copy), Some(writer), None, quiet)? {
        Started::Here(writer) => (None, writer),
        Started::Process(process) => (Some(process), None),
    };
    let (target, reader) = match to.start(&Half::load(copy), None, Some(reader), quiet)? {
        Started::Here(_) if from == Side::Here => {
            return Err(Error::usage("source and destination are the same store"));
        }
        Started::Here(reader) => (None, reader),
        Started::Process(process) => (Some(process), None),
    };
    let saved = writer.map_or(Ok(()), |writer| save(engine, &request(engine, copy)?, Output::Stream(writer)));
    let loaded = reader.map(|reader| load(engine, &LoadRequest::default(), reader, progress));
    // Whoever began the trouble says more: the other one has only seen the stream end.
    let sent = source.map_or(Ok(()), Process::end);
    let received = target.map_or(Ok(()), Process::end);
    sent?;
    match (saved, received) {
        (Err(saved), Err(received)) => return Err(received.caused_by(saved)),
        (saved, received) => saved.and(received)?,
    }
    let mut loaded = loaded.transpose()?.unwrap_or_default();
    match (&to, &copy.name) {
        (Side::Here, Some(name)) => rename(engine, &mut loaded, name)?,
        (Side::User(account), Some(name)) if from != Side::Here => {
            Process::of_user(account, &["tag", &copy.image, name], Stdio::null(), Stdio::null())?.end()?;
        }
        _ => {}
    }
    Ok(loaded)
}

/// The archive: the image with its name, or with the new one.
fn request(engine: &Engine, copy: &Copy) -> Result<SaveRequest> {
    let Some(name) = &copy.name else {
        return Ok(SaveRequest { images: vec![copy.image.clone()], ..SaveRequest::default() });
    };
    let image = image(engine, &copy.image)?;
    Ok(SaveRequest { images: vec![image.id.to_string()], names: vec![name.clone()], ..SaveRequest::default() })
}

fn image(engine: &Engine, name: &str) -> Result<ImageRecord> {
    image_name::lookup(engine, &engine.store()?, name)?.ok_or_else(|| {
        Error::not_found(format!("no such image: `{}`", text::clean(name)))
            .hint("`coracle images` lists the images there are")
    })
}

/// Gives what was loaded the name that was asked for, beside its own.
fn rename(engine: &Engine, loaded: &mut [Loaded], name: &str) -> Result<()> {
    let [only] = loaded else {
        return Err(Error::invalid(format!("{} images came, and only one can be named", loaded.len())));
    };
    tag::tag(engine, &only.image.id.to_string(), &[name.to_owned()])?;
    only.names = vec![name.parse()?];
    Ok(())
}

/// One half of the work, as words for a command line.
struct Half {
    save: bool,
    image: String,
    /// The tag that the loaded image gets; only known to the side that loads.
    name: Option<String>,
}

impl Half {
    fn save(copy: &Copy) -> Self {
        Self { save: true, image: copy.image.clone(), name: None }
    }

    /// An image of this store has its new name in the archive already.
    fn load(copy: &Copy) -> Self {
        let name = copy.name.clone().filter(|_| copy.from != End::Here);
        Self { save: false, image: copy.image.clone(), name }
    }

    /// For the shell of another machine. Names hold nothing that means something to it (see [`crate::spec::scp`]).
    fn script(&self) -> String {
        let work = match (self.save, &self.name) {
            (true, _) => format!("\"$p\" save {}", self.image),
            (false, None) => "\"$p\" load".to_owned(),
            (false, Some(name)) => format!("\"$p\" load && \"$p\" tag {} {name}", self.image),
        };
        format!(
            "sh -c 'for p in coracle \"$HOME/.local/bin/coracle\" podman docker; do \
             if command -v \"$p\" >/dev/null 2>&1; then {work}; exit; fi; done; \
             echo \"there is no coracle, podman or docker on the other machine\" >&2; exit 127'"
        )
    }
}

/// Where one half is done.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    Here,
    User(Account),
    Machine(Machine),
}

enum Started {
    /// By this process, with its end of the pipe.
    Here(Option<OwnedFd>),
    Process(Process),
}

impl Side {
    fn of(end: &End) -> Result<Self> {
        let name = match end {
            End::Here => return Ok(Self::Here),
            End::Machine(machine) => return Ok(Self::Machine(machine.clone())),
            End::User(name) => name,
        };
        let passwd = fs::read_to_string("/etc/passwd").at(Path::new("/etc/passwd"), "cannot read")?;
        let account = account_by_name(&passwd, name)
            .ok_or_else(|| Error::not_found(format!("there is no user `{}` on this machine", text::clean(name))))?;
        let uid = nix::unistd::geteuid().as_raw();
        if account_by_uid(&passwd, uid).is_some_and(|own| own.name == *name) {
            return Ok(Self::Here);
        }
        match outer::is_real_root() && current_map_is_whole()? {
            true => Ok(Self::User(account)),
            false => {
                Err(Error::new(Kind::Denied, format!("cannot reach the images of the user `{name}`: you are not root"))
                    .hint("root can: sudo coracle image scp YOU@localhost::IMAGE USER@localhost::")
                    .hint("or log in with ssh, by an address: coracle image scp IMAGE USER@127.0.0.1::"))
            }
        }
    }

    /// Starts the half. Exactly one end of the pipe is given.
    fn start(
        &self,
        half: &Half,
        writer: Option<PipeWriter>,
        reader: Option<PipeReader>,
        quiet: bool,
    ) -> Result<Started> {
        let last = || if quiet { Stdio::null() } else { Stdio::inherit() };
        let stdin = |reader: Option<PipeReader>| reader.map_or_else(Stdio::null, Stdio::from);
        let stdout = |writer: Option<PipeWriter>| writer.map_or_else(last, Stdio::from);
        match self {
            Self::Here => Ok(Started::Here(writer.map(OwnedFd::from).or(reader.map(OwnedFd::from)))),
            Self::User(account) => {
                let words: &[&str] = if half.save { &["save", &half.image] } else { &["load"] };
                Process::of_user(account, words, stdin(reader), stdout(writer)).map(Started::Process)
            }
            Self::Machine(machine) => {
                Process::of_machine(machine, &half.script(), stdin(reader), stdout(writer)).map(Started::Process)
            }
        }
    }
}

/// Whether this process has the ids of the whole machine: root of a user's namespace has not.
fn current_map_is_whole() -> Result<bool> {
    Ok(outer::current_maps()?.0.len() == u64::from(u32::MAX))
}

/// One of the two commands.
struct Process {
    child: Child,
    /// For messages.
    what: String,
    hint: &'static str,
}

impl Process {
    fn of_user(account: &Account, words: &[&str], stdin: Stdio, stdout: Stdio) -> Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        let runtime = format!("/run/user/{}", account.uid);
        command.arg0("coracle").args(words).env_clear().env("PATH", PATH).env("HOME", &account.home);
        command.env("USER", &account.name).env("LOGNAME", &account.name).current_dir("/");
        if fs::metadata(&runtime).is_ok_and(|metadata| metadata.uid() == account.uid) {
            command.env("XDG_RUNTIME_DIR", runtime);
        }
        // Without other groups: std gives them up with the user.
        command.uid(account.uid).gid(account.gid);
        // That user may do with the process what it likes: it gets neither our terminal nor a way to write to it.
        begin_session(&mut command);
        command.stderr(Stdio::piped());
        let what = format!("coracle as the user `{}`", account.name);
        Self::start(command, stdin, stdout, what, "that user can try `coracle images` and `coracle load`")
    }

    fn of_machine(machine: &Machine, script: &str, stdin: Stdio, stdout: Stdio) -> Result<Self> {
        let mut command = Command::new("ssh");
        if let Some(port) = machine.port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["-T", "--", &machine.destination, script]);
        let what = format!("ssh to `{}`", machine.destination);
        Self::start(command, stdin, stdout, what, "its own words are above; try `ssh` to that machine by hand")
    }

    fn start(mut command: Command, stdin: Stdio, stdout: Stdio, what: String, hint: &'static str) -> Result<Self> {
        match command.stdin(stdin).stdout(stdout).spawn() {
            Ok(child) => Ok(Self { child, what, hint }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Error::unsupported("there is no `ssh`, which reaches other machines")
                    .caused_by(error)
                    .hint("install OpenSSH's client: the package openssh-client or openssh-clients"))
            }
            Err(error) => Err(Error::system(format!("cannot start {what}")).caused_by(error)),
        }
    }

    fn end(mut self) -> Result<()> {
        let mut words = String::new();
        if let Some(stderr) = self.child.stderr.take() {
            let mut bytes = Vec::new();
            stderr
                .take(WORDS_MAX)
                .read_to_end(&mut bytes)
                .context(|| format!("cannot read what {} says", self.what))?;
            words = text::clean_lines(String::from_utf8_lossy(&bytes).trim());
        }
        let status: ExitStatus = self.child.wait().context(|| format!("cannot wait for {}", self.what))?;
        match status.success() {
            true => Ok(()),
            false => {
                let error = Error::system(format!("{} has failed ({status})", self.what)).hint(self.hint);
                Err(if words.is_empty() { error } else { error.caused_by(Error::system(words)) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::scp::parse;

    #[test]
    fn scripts_are_one_word_of_sh() {
        let copy = parse("there::app:v1", Some("other::new:v2")).unwrap();
        let (save, load) = (Half::save(&copy).script(), Half::load(&copy).script());
        assert!(save.contains("\"$p\" save app:v1;"), "{save}");
        assert!(load.contains("\"$p\" load && \"$p\" tag app:v1 new:v2;"), "{load}");
        assert!([save, load].iter().all(|script| script.matches('\'').count() == 2));
        // An image of this store comes with its new name.
        let copy = parse("app:v1", Some("other::new:v2")).unwrap();
        assert!(!Half::load(&copy).script().contains("tag"));
    }
}
