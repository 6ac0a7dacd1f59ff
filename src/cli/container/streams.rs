//! The user's streams as the engine wants them, and the keys that detach from them.

use std::io::{IsTerminal, Stderr, Stdin, Stdout};
use std::os::fd::AsFd;

use crate::base::{Error, Result, text};
use crate::engine::session::{DETACH_KEYS, Terminal};

/// The exit code of a command whose output nobody reads any more: that of a program that SIGPIPE ended, in a shell.
pub const UNREAD: u8 = 128 + 13;

/// The standard streams of this process.
pub struct Streams {
    stdin: Stdin,
    stdout: Stdout,
    stderr: Stderr,
}

/// Which of them a container gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

impl Wanted {
    /// Output and errors, and input if it is to be kept open.
    pub fn usual(interactive: bool) -> Self {
        Self { stdin: interactive, stdout: true, stderr: true }
    }

    /// `--attach`: any of STDIN, STDOUT and STDERR; the usual ones when none is named.
    pub fn named(names: &[String], interactive: bool) -> Result<Self> {
        if names.is_empty() {
            return Ok(Self::usual(interactive));
        }
        let mut wanted = Self { stdin: false, stdout: false, stderr: false };
        for name in names {
            match name.to_ascii_lowercase().as_str() {
                "stdin" => wanted.stdin = true,
                "stdout" => wanted.stdout = true,
                "stderr" => wanted.stderr = true,
                _ => {
                    return Err(Error::usage(format!(
                        "invalid argument `{}` for `--attach`: valid streams are STDIN, STDOUT and STDERR",
                        text::clean(name)
                    )));
                }
            }
        }
        Ok(wanted)
    }
}

impl Streams {
    /// The process's own.
    pub fn of_process() -> Self {
        Self { stdin: std::io::stdin(), stdout: std::io::stdout(), stderr: std::io::stderr() }
    }

    /// A terminal for the container (`tty`) needs one on our side, as in docker, unless it gets no input.
    pub fn check_terminal(&self, wanted: Wanted, tty: bool) -> Result<()> {
        match tty && wanted.stdin && !self.stdin.is_terminal() {
            true => Err(Error::usage("the input device is not a TTY")
                .hint("leave out `-t` when standard input is a pipe or a file")),
            false => Ok(()),
        }
    }

    /// The wanted ones.
    pub fn terminal(&self, wanted: Wanted, tty: bool, keys: Option<&str>, sig_proxy: bool) -> Result<Terminal<'_>> {
        self.check_terminal(wanted, tty)?;
        self.unchecked(wanted, keys, sig_proxy)
    }

    /// The wanted ones, whatever they are.
    pub fn unchecked(&self, wanted: Wanted, keys: Option<&str>, sig_proxy: bool) -> Result<Terminal<'_>> {
        Ok(Terminal {
            stdin: wanted.stdin.then(|| self.stdin.as_fd()),
            stdout: wanted.stdout.then(|| self.stdout.as_fd()),
            stderr: wanted.stderr.then(|| self.stderr.as_fd()),
            detach_keys: keys.map_or_else(|| Ok(DETACH_KEYS.to_vec()), detach_keys)?,
            sig_proxy,
        })
    }
}

/// `--detach-keys`: single characters and `ctrl-` with a letter or one of `@[\]^_`, separated by commas; empty for none.
pub fn detach_keys(keys: &str) -> Result<Vec<u8>> {
    let key = |key: &str| match (key.as_bytes(), key.strip_prefix("ctrl-").map(str::as_bytes)) {
        ([single], _) if single.is_ascii_graphic() => Some(*single),
        (_, Some([letter])) if letter.is_ascii_alphabetic() || b"@[\\]^_".contains(letter) => {
            Some(letter.to_ascii_uppercase() - b'@')
        }
        _ => None,
    };
    match keys {
        "" => Ok(Vec::new()),
        keys => keys.split(',').map(key).collect::<Option<_>>().ok_or_else(|| {
            Error::usage(format!("invalid detach keys: `{}`", text::clean(keys)))
                .hint("give characters and `ctrl-<letter>`, separated by commas: `ctrl-p,ctrl-q`")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_bytes() {
        for (keys, bytes) in [
            ("ctrl-p,ctrl-q", &[16, 17][..]),
            ("ctrl-A,d", &[1, b'd']),
            ("ctrl-@,ctrl-[,ctrl-\\,ctrl-_", &[0, 27, 28, 31]),
            ("~", b"~"),
            ("", b""),
        ] {
            assert_eq!(detach_keys(keys).unwrap(), bytes, "{keys}");
        }
        for bad in ["ctrl-", "ctrl-1", "nonsense-key", "a,,b", "é", " "] {
            assert!(detach_keys(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn streams_are_chosen_by_name() {
        let named =
            |names: &[&str]| Wanted::named(&names.iter().map(|name| (*name).into()).collect::<Vec<String>>(), true);
        assert_eq!(named(&[]).unwrap(), Wanted { stdin: true, stdout: true, stderr: true });
        assert_eq!(named(&["STDOUT"]).unwrap(), Wanted { stdin: false, stdout: true, stderr: false });
        assert_eq!(named(&["stdin", "StdErr"]).unwrap(), Wanted { stdin: true, stdout: false, stderr: true });
        assert!(named(&["stdlog"]).is_err());
    }
}
