//! The services of nsswitch.conf(5) that only their own NSS modules know, asked through getent(1): `getent -s
//! hosts:SERVICE ahosts NAME` runs the module of that name and nothing else, in a process that has the right libc.
//!
//! getent does not tell a name that does not exist from a module that does not work; both are status 2. Where that decides
//! something (`resolve [!UNAVAIL=return]`, `mdns4_minimal [NOTFOUND=return]`), the socket of the daemon behind the module
//! tells, and so does the name: the mdns modules know `.local` only.

use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Places;
use super::files::Status;

/// Most bytes of an answer that are read.
const ANSWER_MAX: u64 = 64 << 10;

/// What `service` says about `name`.
pub async fn ask(places: &Places, service: &str, name: &str) -> Status {
    let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let Some(getent) = places.getent.iter().find(|path| path.exists()).cloned() else { return Status::Unavailable };
    if !is_word(service) || !is_word(name) || name.starts_with('-') || !is_running(&places.run, service, name) {
        return Status::Unavailable;
    }
    let (service, name, limit) = (format!("hosts:{service}"), name.to_owned(), places.limit);
    let (sender, receiver) = oneshot::channel();
    let started = std::thread::Builder::new().name("getent".into()).spawn(move || {
        let _ = sender.send(run(&getent, &service, &name, limit));
    });
    match started {
        Ok(_) => receiver.await.unwrap_or(Status::Unavailable),
        Err(_) => Status::Unavailable,
    }
}

/// Whether the daemon behind the module, if it has one, may know the name.
fn is_running(run: &Path, service: &str, name: &str) -> bool {
    match service {
        "resolve" => run.join("systemd/resolve/io.systemd.Resolve").exists(),
        mdns if mdns.starts_with("mdns") => name.ends_with(".local") && run.join("avahi-daemon/socket").exists(),
        _ => true,
    }
}

fn run(getent: &Path, service: &str, name: &str, limit: Duration) -> Status {
    let child = Command::new(getent)
        .args(["-s", service, "ahosts", name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return Status::Unavailable };
    let answer = read(&mut child, limit);
    // It has closed its output, or it has lost our patience.
    let _ = child.kill();
    let _ = child.wait();
    let Some(answer) = answer else {
        return Status::TryAgain(format!("`getent -s {service} ahosts {name}` does not answer"));
    };
    // One line for each address and kind of socket.
    let first_words = answer.lines().filter_map(|line| line.split_ascii_whitespace().next());
    let addresses: Vec<IpAddr> = first_words.filter_map(|word| word.parse().ok()).collect();
    match addresses.is_empty() {
        true => Status::NotFound,
        false => Status::Found(addresses),
    }
}

/// What it prints, read in a thread so that a silent module cannot hold us; `None` when the time is over.
fn read(child: &mut Child, limit: Duration) -> Option<String> {
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("getent-output".into())
        .spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.take(ANSWER_MAX).read_to_end(&mut answer);
            let _ = sender.send(read.map(|_| answer));
        })
        .ok()?;
    let answer = receiver.recv_timeout(limit).ok()?.ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
