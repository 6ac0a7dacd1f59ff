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
        Ok(Process { entrypoint, command, env, cwd, tty: self.tty, stdin: self.stdin, attached })
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
    fn working_directories_are_absolute() {
        let at = |cwd: Option<&str>, image: &Defaults| {
            let request = ProcessRequest { cwd: cwd.map(String::from), ..ProcessRequest::default() };
            request.resolve(image).map(|process| process.cwd)
        };
        assert!(at(Some("relative"), &image()).unwrap_err().message().contains("absolute path"));
        assert_eq!(at(None, &Defaults { working_dir: String::new(), ..image() }).unwrap(), "/");
    }
}
