//! docker's credential helpers: programs `docker-credential-NAME` that keep secrets in a key ring
//! (<https://github.com/docker/docker-credential-helpers>). A question goes to the program's standard input, never to its
//! command line, which others can see.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::credentials::Credentials;
use crate::base::{Error, Kind, Result, ResultExt, text};

/// Most bytes that a helper may answer.
const ANSWER_MAX: u64 = 64 << 10;
/// The user name that marks the secret as an identity token.
pub const TOKEN_USER: &str = "<token>";
/// What helpers print, with exit status 1, when they know nothing about a server.
const UNKNOWN: &str = "credentials not found";

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// What is stored.
#[derive(serde::Serialize)]
struct Secret<'a> {
    #[serde(rename = "ServerURL")]
    server: &'a str,
    #[serde(rename = "Username")]
    user: &'a str,
    #[serde(rename = "Secret")]
    secret: &'a str,
}

/// Asks the helper `name` for the credentials for `server`; `None` when it has none. It has `patience` to answer.
pub fn get(name: &str, server: &str, patience: Duration) -> Result<Option<Credentials>> {
    let (program, answer, success) = ask(name, "get", &format!("{server}\n"), patience)?;
    interpret(&program, &answer, success)
}

/// Gives the helper `name` user and password for `server`.
pub fn store(name: &str, server: &str, user: &str, secret: &str, patience: Duration) -> Result<()> {
    let question = serde_json::to_string(&Secret { server, user, secret }).context(|| "cannot write credentials")?;
    let (program, answer, success) = ask(name, "store", &question, patience)?;
    if success { Ok(()) } else { Err(failed(&program, &answer)) }
}

/// Makes the helper `name` forget `server`. False when it knew nothing about it.
pub fn erase(name: &str, server: &str, patience: Duration) -> Result<bool> {
    let known = get(name, server, patience)?.is_some();
    if known {
        let (program, answer, success) = ask(name, "erase", &format!("{server}\n"), patience)?;
        if !success {
            return Err(failed(&program, &answer));
        }
    }
    Ok(known)
}

/// Runs the helper: its full name, what it answers, and whether it succeeds.
fn ask(name: &str, action: &str, question: &str, patience: Duration) -> Result<(String, Vec<u8>, bool)> {
    let is_name =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !is_name {
        return Err(Error::invalid(format!("`{}` is not the name of a credential helper", text::clean(name))));
    }
    let program = format!("docker-credential-{name}");
    let mut child = Command::new(&program)
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context(|| format!("cannot run `{program}`"))
        .map_err(|error| match error.errno() {
            Some(libc::ENOENT) => error
                .with_kind(Kind::NotFound)
                .hint(format!("install `{program}`, or remove its mention from the file if it is not needed any more")),
            _ => error,
        })?;
    let answer = converse(&mut child, question, patience);
    // It has closed its output, or it has lost our patience: in neither case do we wait for it to end by itself.
    let status = match &answer {
        Ok(_) => wait_a_little(&mut child),
        Err(_) => None,
    };
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let answer = answer.context(|| format!("`{program}` failed"))?;
    Ok((program, answer, status.is_some_and(|status| status.success())))
}

/// A failure in the helper's own words.
fn failed(program: &str, answer: &[u8]) -> Error {
    let message: String = String::from_utf8_lossy(answer).trim().chars().take(300).collect();
    Error::system(format!("`{program}` failed: {}", text::clean(&message)))
}

/// Writes the question and reads the bounded answer in a thread, so that a silent program cannot hold us.
fn converse(child: &mut Child, question: &str, patience: Duration) -> io::Result<Vec<u8>> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let question = question.to_owned();
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("credential-helper".into()).spawn(move || {
        // A helper that ends without reading is judged by its answer.
        let _ = stdin.map(|mut stdin| stdin.write_all(question.as_bytes()));
        let mut answer = Vec::new();
        let read = stdout.map_or(Ok(0), |stdout| stdout.take(ANSWER_MAX + 1).read_to_end(&mut answer));
        let _ = sender.send(read.map(|_| answer));
    })?;
    receiver.recv_timeout(patience).map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time"))?
}

fn wait_a_little(child: &mut Child) -> Option<std::process::ExitStatus> {
    for _ in 0..100 {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

fn interpret(program: &str, answer: &[u8], success: bool) -> Result<Option<Credentials>> {
    if answer.len() as u64 > ANSWER_MAX {
        return Err(Error::invalid(format!("`{program}` answered more than 64 KiB")));
    }
    if !success {
        let message = String::from_utf8_lossy(answer);
        return match message.contains(UNKNOWN) {
            true => Ok(None),
            false => Err(failed(program, answer)),
        };
    }
    // serde's message could quote the secret.
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|_| Error::invalid(format!("`{program}` did not answer with the JSON object of its protocol")))?;
    Ok(match (answer.username.as_str(), answer.secret) {
        (_, secret) if secret.is_empty() => None,
        (TOKEN_USER, secret) => Some(Credentials::IdentityToken(secret)),
        (user, password) => Some(Credentials::Password { user: user.to_owned(), password }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_interpreted() {
        let ask = |answer: &str, success| interpret("docker-credential-x", answer.as_bytes(), success);
        assert_eq!(
            ask(r#"{"ServerURL":"h","Username":"u","Secret":"p"}"#, true).unwrap(),
            Some(Credentials::Password { user: "u".into(), password: "p".into() })
        );
        assert_eq!(
            ask(r#"{"Username":"<token>","Secret":"t"}"#, true).unwrap(),
            Some(Credentials::IdentityToken("t".into()))
        );
        assert_eq!(ask("credentials not found in native keychain\n", false).unwrap(), None);
        assert!(ask("exit status 2: gpg \x1b failed", false).unwrap_err().message().contains("gpg \\u{1b} failed"));
        assert!(ask("{secret", true).is_err_and(|error| !error.chain().contains("secret")));
        assert!(ask(&"x".repeat(70_000), true).is_err());
    }

    #[test]
    fn an_absent_helper_and_a_path_are_refused() {
        let error = get("coracle-test-absent", "h", Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(get("../x", "h", Duration::from_secs(5)).is_err());
    }

    #[test]
    fn a_silent_program_is_ended() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(converse(&mut child, "h", Duration::from_millis(50)).unwrap_err().kind(), io::ErrorKind::TimedOut);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
