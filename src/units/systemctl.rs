//! Asks the user's systemd through its own programs: they know how to reach the manager, and say why they cannot.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::base::{Error, Kind, Result, text};

/// Runs `systemctl --user` with these words and gives back its output.
pub fn user<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Result<String> {
    run("systemctl", ["--user".into()].into_iter().chain(words.into_iter().map(|word| word.as_ref().to_owned())))
}

/// Runs a program of systemd and gives back its output. The first line of its errors is the cause of the failure.
pub fn run<S: AsRef<OsStr>>(program: &str, words: impl IntoIterator<Item = S>) -> Result<String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output().map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::NotFound { Kind::Unsupported } else { Kind::System };
        Error::new(kind, format!("cannot run `{program}`"))
            .caused_by(error)
            .hint("this needs systemd as the manager of your session")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why").trim();
    Err(Error::system(format!("`{program}` failed")).caused_by(Error::system(text::clean(said))))
}

/// What systemd says about units: `active/running`, by their names. Units that it does not know are left out.
pub fn states(units: &[String]) -> Result<BTreeMap<String, String>> {
    if units.is_empty() {
        return Ok(BTreeMap::new());
    }
    let words = ["show", "--property=Id,LoadState,ActiveState,SubState", "--"].map(String::from);
    Ok(parsed(&user(words.iter().chain(units))?))
}

fn parsed(output: &str) -> BTreeMap<String, String> {
    let mut states = BTreeMap::new();
    for block in output.split("\n\n") {
        let value = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let (Some(id), Some(load)) = (value("Id"), value("LoadState")) else { continue };
        if load != "not-found" {
            let state =
                format!("{}/{}", value("ActiveState").unwrap_or_default(), value("SubState").unwrap_or_default());
            states.insert(id.to_owned(), state);
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_from_what_systemctl_shows() {
        let output = "Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\nId=b.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n";
        let states = parsed(output);
        assert_eq!(states.get("a.service").map(String::as_str), Some("active/running"));
        assert_eq!(states.len(), 1);
    }

    #[test]
    fn programs_that_fail_say_why() {
        let error = run("sh", ["-c", "echo; echo 'no bus here' >&2; exit 3"]).unwrap_err();
        assert_eq!(error.chain(), "`sh` failed: no bus here");
        assert_eq!(run("/nowhere/systemctl", [""; 0]).unwrap_err().kind(), Kind::Unsupported);
    }
}
