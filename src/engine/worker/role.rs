//! The worker's own side: hears the request, goes where it must be, does it, reports. See the parent module.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::process::{Signal, set_parent_process_death_signal};
use serde_json::value::RawValue;

use super::protocol::{self, Event, Hello, Message, Teller};
use super::{Given, Place};
use crate::base::error::WireError;
use crate::base::id::random_bytes;
use crate::base::{Error, Paths, Result, ResultExt, failpoint, fault_log, limits, lock, poll, streams, trace};
use crate::rootless::outer;
use crate::sys::process::{close_all_but, exit_now};

/// The stack of the thread that watches the caller, in bytes.
const STACK: usize = 64 << 10;

/// The role's entry; the socket is the standard input. Returns the exit status of a worker that had nothing to do.
pub fn main() -> u8 {
    limits::ignore_file_size_signal();
    let _ = die_with_caller();
    match fault_log::caught(|| take_socket().and_then(|socket| serve(&socket))) {
        Ok(Ok(())) => 0,
        // The caller tells what became of a worker without a report.
        _ => 125,
    }
}

/// The socket, under another number than a program that is started from here could take for its input. Every other
/// descriptor that the caller left open is closed.
fn take_socket() -> Result<UnixStream> {
    close_all_but(&[]).context(|| "cannot close the caller's files")?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).context(|| "cannot keep the socket")?;
    rustix::stdio::dup2_stdin(streams::null()?).context(|| "cannot leave the standard input")?;
    Ok(socket.into())
}

fn serve(socket: &UnixStream) -> Result<()> {
    let clone = || socket.try_clone().context(|| "cannot duplicate the socket");
    let teller = Arc::new(Teller::new(clone()?));
    let heard = protocol::receive_hello(socket).context(|| "a worker cannot understand its request");
    let (hello, descriptor) = match heard {
        Ok(Some(heard)) => heard,
        Ok(None) => return Ok(()),
        Err(error) => return report(&teller, Err(error)),
    };
    let given = Given { progress: &*teller, descriptor };
    failpoint::watch(&hello.engine.paths.runtime);
    if hello.traced {
        let ears = teller.clone();
        trace::listen(Box::new(move |words| ears.event(Event::Step(words.to_owned()))));
    }
    let outcome = match hello.request.place() {
        Place::Here => fault_log::caught(|| hello.request.run(&hello.engine, given)).and_then(|outcome| outcome),
        Place::Outer => {
            let paths = hello.engine.paths.clone();
            let ears = teller.clone();
            lock::tell_waits(Some(Box::new(move |words| ears.event(Event::Waits(words.to_owned())))));
            let watched = clone()?;
            let outcome = fault_log::caught(|| in_outer(hello, given, watched)).and_then(|outcome| outcome);
            lock::tell_waits(None);
            outer::forget_keeper(&paths);
            outcome
        }
    };
    report(&teller, outcome)
}

/// Sends the report and ends the process, with whatever threads it has.
fn report(teller: &Teller, outcome: Result<Box<RawValue>>) -> Result<()> {
    failpoint::pass("worker.done");
    let report = outcome.map_err(|error| WireError::from(&error));
    let sent = teller.send(&Message::Report(report)).or_else(|error| {
        // Larger than a message may be: the caller should know at least that.
        let error = Error::invalid("a worker cannot send its report").caused_by(error);
        teller.send(&Message::Report(Err(WireError::from(&error))))
    });
    exit_now(i32::from(sent.is_err()))
}

fn in_outer(hello: Hello<'static>, given: Given<'_>, caller: UnixStream) -> Result<Box<RawValue>> {
    let paths = &hello.engine.paths;
    paths.ensure()?;
    failpoint::here("worker.begin")?;
    // Connections to registries and trees of layers need more files than some shells allow.
    limits::raise();
    // What jobs use panics without random numbers, and says less clearly why.
    random_bytes(&mut [0; 1])?;
    outer::enter(paths)?;
    end_with(caller, paths.clone())?;
    hello.request.run(&hello.engine, given)
}

/// Has the kernel kill this process when its caller ends, even while it is stopped. The thread that called waits for the
/// report, so its end is that of the call.
fn die_with_caller() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context(|| "cannot follow the caller")
}

/// From now on this process ends with its caller.
fn end_with(caller: UnixStream, paths: Paths) -> Result<()> {
    // Once more: the kernel forgets it when a process changes its user namespace (PR_SET_PDEATHSIG(2const)).
    die_with_caller()?;
    let watch = move || {
        // Hanging up is reported unasked.
        let _ = poll::hung_up(&caller);
        outer::forget_keeper(&paths);
        exit_now(1)
    };
    let thread = std::thread::Builder::new().name("caller".into()).stack_size(STACK);
    thread.spawn(watch).map(drop).context(|| "cannot start a thread")
}
