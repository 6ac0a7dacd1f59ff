//! `compose up` in the foreground: the output of all containers, in whole lines, until they have ended or the user ends it.
//!
//! # Theory of operation
//!
//! Containers are followed by their logs, one thread for each: what is shown is what `logs` shows later, and nothing that a
//! container says between its start and the first look is lost. One thread waits for signals, which are blocked in all others;
//! one makes the project. All of them send to this one, which prints. The first ^C stops containers, in order; the second
//! kills them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use nix::sys::signal::{SigSet, Signal};

use super::lines::{LogLines, Style};
use super::work::{Work, short_name};
use crate::base::{Error, Result, ResultExt, time};
use crate::compose::container::Usual;
use crate::compose::labels::Known;
use crate::compose::project::Project;
use crate::compose::stop::Existing;
use crate::compose::up::{Made, MadeService, Up, Wishes};
use crate::engine::Engine;
use crate::engine::logs::{LogRequest, read};
use crate::spec::container::{Container, Status};
use crate::spec::logs::{Entry, Selection};

/// The exit code of a command that ^C has ended.
const INTERRUPTED: u8 = 130;

/// When `up` ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ends {
    /// With the last container.
    WithLast,
    /// With the first.
    WithFirst,
    /// With the first that fails.
    WithFailure,
    /// With that of a service, as which it exits.
    From(String),
}

/// What is shown, and of what.
pub struct Attached<'a> {
    /// The command.
    pub work: &'a Work<'a>,
    /// The project.
    pub project: &'a Project,
    /// What is usual for containers.
    pub usual: &'a Usual,
    /// What is asked.
    pub wishes: &'a Wishes,
    /// The services whose output is shown.
    pub shown: BTreeSet<String>,
    /// How.
    pub style: Style,
    /// When it ends.
    pub ends: Ends,
}

/// What is told to the thread that prints.
enum Message {
    /// A container runs now.
    Runs { service: String, at: usize },
    /// It has printed something.
    Entry(usize, Entry),
    /// It has ended, with this code if that is known.
    Ended(usize, Option<i32>),
    /// Everything was started, or something has failed.
    Started(Result<()>),
    /// The user wants it to end.
    Signal,
    /// All containers were stopped.
    Stopped(Result<()>),
}

/// A container that is followed.
struct Followed {
    service: String,
    id: String,
    is_over: bool,
}

/// Makes the project and shows it. Returns the exit code.
pub fn run(attached: &Attached<'_>) -> Result<u8> {
    let (sender, receiver) = channel();
    watch_signals(sender.clone())?;
    let cancelled = AtomicBool::new(false);
    let up = attached.work.up(attached.project, attached.usual, attached.wishes, &cancelled);
    let made = up.create()?;
    let names = made.iter().flat_map(|service| &service.containers).map(|made| shown_name(attached, made));
    let mut state = State {
        attached,
        lines: LogLines::new(attached.style, &names.collect::<Vec<_>>()),
        followed: followed(&made),
        stopping: 0,
        aborts: false,
        has_started: false,
        failure: None,
        code: None,
    };
    let told: Vec<String> = names_of(&made, attached);
    if !told.is_empty() {
        attached.work.shown.settle();
        attached.work.context.ui.note(&format!("Attaching to {}", told.join(", ")));
    }
    let (since, engine, starter) = (time::now(), attached.work.engine.clone(), sender.clone());
    let starter = Mutex::new(starter);
    let begin = |service: &str, one: &Made| {
        let position = made.iter().flat_map(|service| &service.containers).position(|other| other == one);
        let Some(at) = position else { return };
        let sender = starter.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _ = sender.send(Message::Runs { service: service.to_owned(), at });
        follow(engine.clone(), one.id.clone(), at, since, sender);
    };
    let up = Up { started: &begin, ..up };
    let existing = attached.work.existing(&attached.project.name, Some(attached.project), attached.wishes.timeout);
    std::thread::scope(|scope| {
        let (up, made, existing, done) = (&up, &made, &existing, sender.clone());
        scope.spawn(move || {
            let _ = done.send(Message::Started(up.start(made)));
        });
        let outcome = state.run(&receiver, &cancelled, &|kill| {
            let sender = sender.clone();
            scope.spawn(move || {
                let _ = sender.send(Message::Stopped(stop(existing, kill)));
            });
        });
        cancelled.store(true, Ordering::Relaxed);
        outcome
    })
}

fn shown_name(attached: &Attached<'_>, made: &Made) -> String {
    let name = made.name.as_str();
    let short = name.strip_prefix(attached.project.name.as_str()).and_then(|rest| rest.strip_prefix('-'));
    short.unwrap_or(name).to_owned()
}

fn names_of(made: &[MadeService], attached: &Attached<'_>) -> Vec<String> {
    let shown = made.iter().filter(|service| attached.shown.contains(&service.name));
    shown.flat_map(|service| &service.containers).map(|made| shown_name(attached, made)).collect()
}

fn followed(made: &[MadeService]) -> Vec<Followed> {
    let of = |service: &MadeService| {
        let one = |made: &Made| Followed { service: service.name.clone(), id: made.id.clone(), is_over: false };
        service.containers.iter().map(one).collect::<Vec<_>>()
    };
    made.iter().flat_map(of).collect()
}

/// Has SIGINT and SIGTERM told instead of ending the process. Threads that are made later block them, too.
fn watch_signals(sender: Sender<Message>) -> Result<()> {
    let mut wanted = SigSet::empty();
    wanted.extend([Signal::SIGINT, Signal::SIGTERM]);
    wanted.thread_block().context(|| "cannot block signals")?;
    let wait = move || {
        while wanted.wait().is_ok() {
            if sender.send(Message::Signal).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(wait).map(drop).context(|| "cannot watch signals")
}

/// Follows a container by its log until it has ended. The thread ends with the process if nobody listens any more.
fn follow(engine: Engine, id: String, at: usize, since: Timestamp, sender: Sender<Message>) {
    let work = move || {
        let selection = Selection { since: Some(since), ..Selection::default() };
        let mut sink = |_: &_, entry| {
            sender.send(Message::Entry(at, entry)).map_err(|_| Error::system("nobody shows the output any more"))
        };
        let _ = read(&engine, std::slice::from_ref(&id), &LogRequest { follow: true, selection }, &mut sink);
        let containers = engine.containers();
        let container = containers.find(&id).and_then(|id| containers.load(&id));
        let code = match container.map(|container| container.status) {
            Ok(Status::Exited { code, .. }) => Some(code),
            _ => None,
        };
        let _ = sender.send(Message::Ended(at, code));
    };
    // Without a thread its output is not shown; `logs` shows it.
    let _ = std::thread::Builder::new().spawn(work);
}

/// Stops the containers of the project, or kills them.
fn stop(existing: &Existing<'_>, kill: bool) -> Result<()> {
    let mut containers = existing.containers(&[], false)?;
    containers.retain(|container| {
        let is_known =
            existing.stopping.project.is_none_or(|project| project.service(Known::of(container).service()).is_some());
        is_known && container.status.is_running()
    });
    match kill {
        true => existing.kill(&containers.iter().collect::<Vec<_>>(), libc::SIGKILL),
        false => existing.stop(&containers),
    }
}

struct State<'a> {
    attached: &'a Attached<'a>,
    lines: LogLines,
    followed: Vec<Followed>,
    /// How often the user has interrupted it; or more than nothing because a container has ended.
    stopping: u32,
    /// It is stopped because a container has ended.
    aborts: bool,
    has_started: bool,
    failure: Option<Error>,
    /// The exit code that containers have decided.
    code: Option<u8>,
}

impl State<'_> {
    fn run(&mut self, messages: &Receiver<Message>, cancelled: &AtomicBool, stop: &dyn Fn(bool)) -> Result<u8> {
        let context = self.attached.work.context;
        while let Ok(message) = messages.recv() {
            match message {
                Message::Runs { at, service } => {
                    self.followed[at].is_over = false;
                    debug_assert_eq!(self.followed[at].service, service);
                }
                Message::Entry(at, entry) => {
                    if self.is_shown(at) {
                        self.lines.print(context, at, &entry)?;
                        context.ui.flush()?;
                    }
                }
                Message::Ended(at, code) => self.ended(at, code, cancelled, stop)?,
                Message::Started(Ok(())) => self.has_started = true,
                Message::Started(Err(error)) => {
                    self.has_started = true;
                    if self.stopping == 0 {
                        return Err(error);
                    }
                }
                Message::Signal => {
                    self.stopping += 1;
                    cancelled.store(true, Ordering::Relaxed);
                    match self.stopping {
                        1 => {
                            context.ui.note("Gracefully stopping... (press Ctrl+C again to force)");
                            stop(false);
                        }
                        2 => stop(true),
                        _ => return Ok(INTERRUPTED),
                    }
                }
                Message::Stopped(outcome) => {
                    if let Err(error) = outcome {
                        self.failure.get_or_insert(error);
                    }
                    return self.end(messages);
                }
            }
            if self.stopping == 0 && self.has_started && self.followed.iter().all(|one| one.is_over) {
                return Ok(self.code.unwrap_or(0));
            }
        }
        Ok(self.code.unwrap_or(0))
    }

    fn is_shown(&self, at: usize) -> bool {
        self.attached.shown.contains(&self.followed[at].service)
    }

    fn ended(&mut self, at: usize, code: Option<i32>, cancelled: &AtomicBool, stop: &dyn Fn(bool)) -> Result<()> {
        let context = self.attached.work.context;
        self.followed[at].is_over = true;
        if self.is_shown(at) {
            let rest = self.lines.rest(at);
            context.ui.text(&rest)?;
            if let Some(code) = code {
                context.ui.container_output(
                    crate::spec::logs::Stream::Stdout,
                    self.lines.status(at, &format!("exited with code {code}")).as_bytes(),
                )?;
            }
            context.ui.flush()?;
        }
        let code = code.unwrap_or(0);
        let ends = match &self.attached.ends {
            Ends::WithLast => false,
            Ends::WithFirst => true,
            Ends::WithFailure => code != 0,
            // The others stop with the first, as with docker.
            Ends::From(_) => true,
        };
        let decides = match &self.attached.ends {
            Ends::From(service) => self.followed[at].service == *service,
            _ => ends,
        };
        if decides && self.code.is_none() {
            self.code = Some(code as u8);
        }
        if ends && self.stopping == 0 {
            self.stopping = 1;
            self.aborts = true;
            cancelled.store(true, Ordering::Relaxed);
            context.ui.note("Aborting on container exit...");
            stop(false);
        }
        Ok(())
    }

    /// What containers said at their end, and the exit code.
    fn end(&mut self, messages: &Receiver<Message>) -> Result<u8> {
        let context = self.attached.work.context;
        let patience = std::time::Duration::from_millis(500);
        while self.followed.iter().any(|one| !one.is_over && !one.id.is_empty()) {
            match messages.recv_timeout(patience) {
                Ok(Message::Entry(at, entry)) if self.is_shown(at) => self.lines.print(context, at, &entry)?,
                Ok(Message::Ended(at, code)) => self.ended(at, code, &AtomicBool::new(true), &|_| {})?,
                Ok(Message::Signal) | Err(_) => break,
                Ok(_) => {}
            }
        }
        context.ui.flush()?;
        match (self.failure.take(), self.aborts) {
            (Some(error), _) => Err(error),
            (None, true) => Ok(self.code.unwrap_or(0)),
            (None, false) => Ok(INTERRUPTED),
        }
    }
}

/// The names of containers as their lines show them.
pub fn line_names(project: &str, containers: &[Container]) -> Vec<String> {
    containers.iter().map(|container| short_name(project, container).to_owned()).collect()
}
