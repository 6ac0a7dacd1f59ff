//! A scope of systemd: a unit made of processes that are there already, whose control group is left to whoever asked for it
//! (systemd.scope(5), `Delegate=`). Asked for over D-Bus, from the user's manager or, by root, from the system's.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::dbus::{Connection, Kind, Message, Method, Value};
use crate::base::{Error, Result, ResultExt};

/// How long a socket may take to answer at all. The other end is a process of this machine whose only work is to answer: one
/// that lives does within milliseconds, and each that hangs holds up every start of a container for as long.
const CONNECTING: Duration = Duration::from_secs(3);

/// How long systemd may take for the scope, in all. It has to ask the system's manager to move a process of a login session,
/// which takes a few hundredths of a second, and is given time for a machine that has just begun to work.
const PATIENCE: Duration = Duration::from_secs(12);

const SYSTEMD: &str = "org.freedesktop.systemd1";

const fn of_manager(member: &'static str) -> Method {
    Method {
        destination: SYSTEMD,
        path: "/org/freedesktop/systemd1",
        interface: "org.freedesktop.systemd1.Manager",
        member,
    }
}

const fn of_bus(member: &'static str) -> Method {
    Method {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member,
    }
}

/// The error of a unit whose name is taken.
const EXISTS: &str = "org.freedesktop.systemd1.UnitExists";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Its name without `.scope`.
    pub name: String,
    /// For people.
    pub description: String,
    /// The slice above it.
    pub slice: String,
    /// The process that is moved into it.
    pub pid: u32,
    /// How long its processes may take to end after SIGTERM.
    pub stop_timeout: Duration,
}

/// A scope that was asked for.
#[derive(Debug)]
pub struct Pending {
    connection: Connection,
    scope: Scope,
    call: u32,
    again: bool,
    /// When it is given up.
    until: Instant,
}

/// A socket where systemd can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Where it is.
    pub path: PathBuf,
    /// A message bus, not systemd's own.
    pub is_bus: bool,
    /// It must be the user's own.
    pub own: bool,
}

/// Where systemd can be asked: sockets in the order in which they are tried. The message bus is the documented way;
/// systemd's own socket works while there is no bus.
pub fn sockets(runtime: &[PathBuf], real_root: bool) -> Vec<Socket> {
    let socket = |path: PathBuf, is_bus| Socket { path, is_bus, own: !real_root };
    if real_root {
        return vec![socket("/run/dbus/system_bus_socket".into(), true), socket("/run/systemd/private".into(), false)];
    }
    let of =
        |directory: &PathBuf| [socket(directory.join("bus"), true), socket(directory.join("systemd/private"), false)];
    runtime.iter().flat_map(of).collect()
}

/// Asks for a scope, and does not wait for it. `sockets` as in [`sockets`].
pub fn ask(scope: Scope, sockets: &[Socket]) -> Result<Pending> {
    ask_within(scope, sockets, CONNECTING, PATIENCE)
}

/// The same, with the time that a socket has to answer, and that systemd has for the scope.
fn ask_within(scope: Scope, sockets: &[Socket], connecting: Duration, patience: Duration) -> Result<Pending> {
    let until = Instant::now() + patience;
    let mut why = None;
    for socket in sockets {
        let opened = Connection::open(&socket.path, socket.own, connecting);
        match opened.and_then(|connection| begin(connection, &scope, socket.is_bus)) {
            Ok((connection, call)) => return Ok(Pending { connection, scope, call, again: false, until }),
            Err(error) => {
                let error = no_answer(&socket.path, error);
                // A socket that is there and does not answer says more than one that is not there.
                if why.is_none() || socket.path.exists() {
                    why = Some(error);
                }
            }
        }
    }
    Err(why.unwrap_or_else(|| Error::system("it is not known where systemd can be asked")))
}

fn no_answer(socket: &Path, error: io::Error) -> Error {
    Error::system(format!("systemd does not answer at `{}`", socket.display())).caused_by(error)
}

fn begin(mut connection: Connection, scope: &Scope, is_bus: bool) -> io::Result<(Connection, u32)> {
    if is_bus {
        connection.send(&of_bus("Hello"), &[])?;
        let rule = format!(
            "type='signal',sender='{SYSTEMD}',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"
        );
        connection.send(&of_bus("AddMatch"), &[Value::Text(rule)])?;
    }
    connection.send(&of_manager("Subscribe"), &[])?;
    let call = start(&mut connection, scope)?;
    Ok((connection, call))
}

fn start(connection: &mut Connection, scope: &Scope) -> io::Result<u32> {
    let text = |text: &str| Value::Text(text.to_owned());
    let properties = vec![
        ("Description", text(&scope.description)),
        ("Slice", text(&scope.slice)),
        ("Delegate", Value::Flag(true)),
        ("PIDs", Value::Numbers(vec![scope.pid])),
        ("CollectMode", text("inactive-or-failed")),
        ("TimeoutStopUSec", Value::Long(u64::try_from(scope.stop_timeout.as_micros()).unwrap_or(u64::MAX))),
    ];
    let unit = text(&format!("{}.scope", scope.name));
    connection
        .send(&of_manager("StartTransientUnit"), &[unit, text("fail"), Value::Properties(properties), Value::NoUnits])
}

impl Pending {
    /// Waits until the scope is there. Returns its name.
    pub fn wait(mut self) -> Result<String> {
        let mut job = None;
        // The job may be over before the call has returned.
        let mut over: Vec<(String, String)> = Vec::new();
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let heard = self.connection.set_patience(left).and_then(|()| self.connection.receive());
            let message = heard.context(|| "systemd does not answer")?;
            match job_of(&message, self.call) {
                Heard::Job(path) => job = Some(path),
                Heard::Refused(name, why) if name == EXISTS && !self.again => {
                    // What is left of an earlier run, such as a process of the user's that was started in it.
                    self.scope.name = format!("{}-{}", self.scope.name, self.scope.pid);
                    self.again = true;
                    self.call = start(&mut self.connection, &self.scope)
                        .context(|| format!("systemd does not answer after `{why}`"))?;
                }
                Heard::Refused(name, why) => {
                    let why = if why.is_empty() { name } else { why };
                    return Err(Error::system(format!(
                        "systemd refuses a scope for the container: {}",
                        crate::base::text::clean(&why)
                    )));
                }
                Heard::Over(path, result) if over.len() < 64 => over.push((path, result)),
                Heard::Over(..) | Heard::Other => {}
            }
            let result = job.as_ref().and_then(|job| over.iter().find(|(path, _)| path == job));
            match result.map(|(_, result)| result.as_str()) {
                None => {}
                Some("done") => return Ok(format!("{}.scope", self.scope.name)),
                Some(other) => {
                    return Err(Error::system(format!(
                        "systemd did not start a scope for the container: its job is `{}`",
                        crate::base::text::clean(other)
                    )));
                }
            }
        }
    }
}

/// What a message means to somebody who waits for a job.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Job(String),
    Refused(String, String),
    Over(String, String),
    Other,
}

fn job_of(message: &Message, call: u32) -> Heard {
    match (message.kind, message.body.as_slice()) {
        (Kind::Return, [Value::Path(job), ..]) if message.answers == call => Heard::Job(job.clone()),
        (Kind::Error, body) if message.answers == call => {
            let why = match body.first() {
                Some(Value::Text(why)) => why.clone(),
                _ => String::new(),
            };
            Heard::Refused(message.name.clone(), why)
        }
        (Kind::Signal, [Value::Number(_), Value::Path(job), Value::Text(_), Value::Text(result), ..])
            if message.name == "JobRemoved" =>
        {
            Heard::Over(job.clone(), result.clone())
        }
        _ => Heard::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn answers_are_told_from_each_other() {
        let message = |kind, answers, name: &str, body| Message { kind, answers, name: name.into(), body };
        let text = |text: &str| Value::Text(text.into());
        let job = || Value::Path("/job/7".into());
        let removed = vec![Value::Number(7), job(), text("x.scope"), text("done")];
        for (given, heard) in [
            (message(Kind::Return, 4, "", vec![job()]), Heard::Job("/job/7".into())),
            (message(Kind::Return, 3, "", vec![job()]), Heard::Other),
            (message(Kind::Error, 4, EXISTS, vec![text("no")]), Heard::Refused(EXISTS.into(), "no".into())),
            // systemd's own socket has no bus whose `Hello` could be answered.
            (message(Kind::Error, 1, "org.freedesktop.DBus.Error.UnknownMethod", vec![]), Heard::Other),
            (message(Kind::Signal, 0, "JobRemoved", removed), Heard::Over("/job/7".into(), "done".into())),
            (message(Kind::Signal, 0, "JobRemoved", vec![job()]), Heard::Other),
            (message(Kind::Signal, 0, "NameAcquired", vec![text(":1.4")]), Heard::Other),
        ] {
            assert_eq!(job_of(&given, 4), heard, "{given:?}");
        }
    }

    #[test]
    fn sockets_that_hang_are_given_up() {
        let directory = Staging::new(&std::env::temp_dir()).unwrap();
        std::fs::create_dir(directory.path().join("systemd")).unwrap();
        // Both are there and say nothing.
        let _bus = UnixListener::bind(directory.path().join("bus")).unwrap();
        let private = UnixListener::bind(directory.path().join("systemd/private")).unwrap();
        let ask = |patience| {
            let scope = Scope {
                name: "x".into(),
                description: String::new(),
                slice: "user.slice".into(),
                pid: 1,
                stop_timeout: Duration::ZERO,
            };
            let short = Duration::from_millis(50);
            ask_within(scope, &sockets(&[directory.path().to_owned()], false), short, patience)
        };
        let begun = Instant::now();
        let error = ask(Duration::from_secs(60)).unwrap_err();
        assert!(error.message().contains("does not answer at"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        // One lets us in and then says nothing but what nobody has asked for.
        let server = std::thread::spawn(move || {
            // The first is that of the attempt before.
            let (_, (mut stream, _)) = (private.accept().unwrap(), private.accept().unwrap());
            stream.write_all(b"DATA\r\nOK 0123\r\n").unwrap();
            let mut heard = Vec::new();
            let _ = stream.read_to_end(&mut heard);
        });
        let error = ask(Duration::from_millis(300)).unwrap().wait().unwrap_err();
        assert!(error.message().contains("systemd does not answer"), "{error}");
        server.join().unwrap();
    }

    #[test]
    fn nobody_to_ask_is_an_error_that_names_the_place() {
        let scope = Scope {
            name: "x".into(),
            description: String::new(),
            slice: "user.slice".into(),
            pid: 1,
            stop_timeout: Duration::ZERO,
        };
        let error = ask(scope, &sockets(&["/nowhere".into()], false)).unwrap_err();
        assert!(error.message().contains("/nowhere/bus"), "{error}");
        assert!(sockets(&["/nowhere".into()], true).iter().all(|socket| socket.path.starts_with("/run")));
    }
}
