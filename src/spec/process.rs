//! The main process of a container: what it runs, with which variables, where and on which streams.

use serde::{Deserialize, Serialize};

use super::variables;
use crate::base::{Error, Result, text};
use crate::oci::config::Defaults;

/// The process, decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// The image's or the user's entrypoint.
    pub entrypoint: Vec<String>,
    /// Command or arguments after the entrypoint.
    pub command: Vec<String>,
    /// `NAME=value` pairs.
    pub env: Vec<String>,
    /// The working directory, absolute.
    pub cwd: String,
    /// Runs on a terminal of its own (`-t`).
    pub tty: bool,
    /// Keeps standard input open (`-i`).
    pub stdin: bool,
    /// The mask of the modes of new files; none for 0022.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// The execution domain (personality(2)); none for the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// `/etc/localtime`: a name of the machine's time zones, or `local`; none leaves the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What the command that made the container attached to, for `inspect`. Records of older versions do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached: Option<Attached>,
}

/// The streams that a command attaches to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

impl Process {
    /// Entrypoint and command as one argument vector.
    pub fn argv(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.command).cloned().collect()
    }
}

/// An execution domain: which kernel a program believes to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Personality {
    /// The usual one.
    Linux,
    /// uname(2) names the 32-bit machine.
    Linux32,
}

impl Personality {
    /// `--personality`.
    pub fn parse(word: &str) -> Result<Self> {
        match word.to_ascii_uppercase().as_str() {
            "LINUX" => Ok(Self::Linux),
            "LINUX32" => Ok(Self::Linux32),
            _ => Err(Error::usage(format!("invalid argument `{}` for `--personality`", text::clean(word)))
                .hint("it is one of: LINUX, LINUX32")),
        }
    }

    /// `PER_*` of personality(2).
    pub fn number(self) -> u64 {
        match self {
            Self::Linux => 0,
            Self::Linux32 => 8,
        }
    }
}

/// `--umask`: up to four octal digits.
pub fn umask(digits: &str) -> Result<u32> {
    let is_octal = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    match u32::from_str_radix(digits, 8) {
        Ok(mask) if is_octal && mask <= 0o777 => Ok(mask),
        _ => Err(Error::usage(format!("invalid umask `{}`: not an octal number up to 0777", text::clean(digits)))),
    }
}

/// `--tz`: a name below the machine's time zones, or `local`.
pub fn timezone(name: &str) -> Result<Option<String>> {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-+".contains(&byte))
    };
    match name {
        "" => Ok(None),
        name if name.len() <= 255 && name.split('/').all(part) => Ok(Some(name.to_owned())),
        name => Err(Error::usage(format!("invalid time zone `{}`", text::clean(name)))
            .hint("a name such as Europe/Paris, UTC, or `local` for this machine's")),
    }
}

/// The process as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessRequest {
    /// Command and arguments; empty means the image's.
    pub command: Vec<String>,
    /// `--entrypoint`; no words clear the image's.
    pub entrypoint: Option<Vec<String>>,
    /// `--env` and `--env-file` in their order: `NAME=value`. A bare `NAME` was already looked up by the face.
    pub env: Vec<String>,
    /// `--workdir`, see [`workdir`].
    pub cwd: Option<String>,
    /// `--tty`.
    pub tty: bool,
    /// `--interactive`.
    pub stdin: bool,
    /// `--umask`.
    pub umask: Option<u32>,
    /// `--personality`.
    pub personality: Option<Personality>,
    /// `--tz`.
    pub timezone: Option<String>,
    /// The streams that the command attaches to; none as docker's `create` has it: output, and input with `-i`.
    pub attached: Option<Attached>,
}

impl ProcessRequest {
    /// Decides. A new entrypoint also drops the image's command, which was made for the old one.
    pub fn resolve(&self, image: &Defaults) -> Result<Process> {
        let entrypoint = match &self.entrypoint {
            Some(entrypoint) => entrypoint.clone(),
            // docker and podman take one empty word for no entrypoint.
            None => image.entrypoint.clone().filter(|words| words[..] != [""]).unwrap_or_default(),
        };
        let command = match (self.command.is_empty(), &self.entrypoint) {
            (false, _) => self.command.clone(),
            (true, Some(_)) => Vec::new(),
            (true, None) => image.cmd.clone().unwrap_or_default(),
        };
        if entrypoint.is_empty() && command.is_empty() {
            return Err(
                Error::usage("no command specified: the image names none").hint("put a command after the image")
            );
        }
        let cwd = match self.cwd.as_deref().unwrap_or(&image.working_dir) {
            "" => "/".to_owned(),
            cwd => workdir(cwd)?,
        };
        // What has no name or no value is no variable.
        let inherited = image.env.iter().filter(|pair| pair.find('=').is_some_and(|at| at > 0)).cloned();
        let env = variables::merged(inherited, &self.env);
        let usual = Attached { stdin: self.stdin, stdout: true, stderr: true };
        let attached = Some(self.attached.unwrap_or(usual));
        Ok(Process {
            entrypoint,
            command,
            env,
            cwd,
            tty: self.tty,
            stdin: self.stdin,
            umask: self.umask,
            personality: self.personality,
            timezone: self.timezone.clone(),
            attached,
        })
    }
}

/// A working directory: absolute.
pub fn workdir(directory: &str) -> Result<String> {
    match directory.starts_with('/') {
        true => Ok(directory.to_owned()),
        false => Err(Error::usage(format!(
            "the working directory `{}` is invalid, it needs to be an absolute path",
            text::clean(directory)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).into()).collect()
    }

    fn image() -> Defaults {
        Defaults {
            entrypoint: Some(owned(&["/entry"])),
            cmd: Some(owned(&["serve"])),
            env: owned(&["PATH=/bin", "A=1", "=x", "bare"]),
            working_dir: "/srv".into(),
            ..Defaults::default()
        }
    }

    #[test]
    fn the_images_defaults_hold_and_the_request_wins() {
        let plain = ProcessRequest::default().resolve(&image()).unwrap();
        assert_eq!((plain.argv(), plain.cwd.as_str()), (owned(&["/entry", "serve"]), "/srv"));
        assert_eq!(plain.env, ["PATH=/bin", "A=1"]);
        let asked = ProcessRequest {
            command: owned(&["other"]),
            env: owned(&["A=2", "B=3"]),
            cwd: Some("/x".into()),
            tty: true,
            ..ProcessRequest::default()
        };
        let process = asked.resolve(&image()).unwrap();
        assert_eq!((process.argv(), process.cwd.as_str()), (owned(&["/entry", "other"]), "/x"));
        assert_eq!(process.env, ["PATH=/bin", "A=2", "B=3"]);
        assert!(process.tty && !process.stdin);
    }

    #[test]
    fn a_new_entrypoint_drops_the_command_and_an_empty_one_clears_it() {
        let argv = |image: &Defaults, entrypoint: Option<&str>, command: &[&str]| {
            let request = ProcessRequest {
                entrypoint: entrypoint.map(|word| word.split_whitespace().map(String::from).collect()),
                command: owned(command),
                ..ProcessRequest::default()
            };
            request.resolve(image).map(|process| process.argv().join(" ")).map_err(|error| error.message().to_owned())
        };
        assert_eq!(argv(&image(), Some("sh"), &[]), Ok("sh".into()));
        assert_eq!(argv(&image(), Some(""), &["ls"]), Ok("ls".into()));
        let none = Err("no command specified: the image names none".to_owned());
        assert_eq!(argv(&image(), Some(""), &[]), none);
        assert_eq!(argv(&Defaults::default(), None, &[]), none);
        let empty_word = Defaults { entrypoint: Some(owned(&[""])), ..image() };
        assert_eq!(argv(&empty_word, None, &[]), Ok("serve".into()));
    }

    #[test]
    fn masks_domains_and_zones() {
        assert_eq!((umask("0").unwrap(), umask("0022").unwrap(), umask("777").unwrap()), (0, 0o22, 0o777));
        for bad in ["", "8", "00022", "1777", "+22", "0x1"] {
            assert!(umask(bad).unwrap_err().message().contains("invalid umask"), "{bad}");
        }
        assert_eq!(Personality::parse("linux32").unwrap().number(), 8);
        assert!(Personality::parse("BSD").is_err());
        for good in ["UTC", "local", "America/Argentina/Ushuaia", "Etc/GMT+5"] {
            assert_eq!(timezone(good).unwrap().as_deref(), Some(good));
        }
        assert_eq!(timezone("").unwrap(), None);
        for bad in ["../../etc/shadow", "/etc/passwd", "a//b", "a b", "Europe/"] {
            assert!(timezone(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn working_directories_are_absolute() {
        let at = |cwd: Option<&str>, image: &Defaults| {
            let request = ProcessRequest { cwd: cwd.map(String::from), ..ProcessRequest::default() };
            request.resolve(image).map(|process| process.cwd)
        };
        assert!(at(Some("relative"), &image()).unwrap_err().message().contains("absolute path"));
        assert_eq!(at(None, &Defaults { working_dir: String::new(), ..image() }).unwrap(), "/");
    }
}
