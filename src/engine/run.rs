//! `run`: create and start in one go. The supervisor is made first and gets itself ready while the container is being
//! created; on a machine with two cores that hides most of its cost.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use super::Engine;
use super::cdi;
use super::create::{Created, create_guarded};
use super::progress::Progress;
use super::request::CreateRequest;
use super::session::{End, Terminal, relay, terminal_size};
use super::start::{make_ready, supervisor};
use crate::base::process::ProcessIdentity;
use crate::base::{ContainerId, Error, Result, ResultExt, failpoint, trace};
use crate::spec::cdi::Edits;
use crate::state::ContainerConfig;
use crate::supervise::protocol::{self, Handover, Launch, MAX_MESSAGE, Reply, Request};

/// What became of a run.
#[derive(Debug)]
pub struct Ran {
    /// The container.
    pub id: ContainerId,
    /// How the session ended; none when the container was started in the background.
    pub end: Option<End>,
}

/// What a command hands over to the container's program from its own surroundings.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// What the descriptors are.
    pub handover: Handover,
    /// They themselves: the standard streams first, if they are among them.
    pub descriptors: Vec<OwnedFd>,
}

/// Creates a container and starts it: attached to `terminal`, or in the background without one. `created` is called
/// with its id between the two (`--cidfile`); `note` with what the user should know once it runs.
pub fn run(
    engine: &Engine,
    request: &CreateRequest,
    terminal: Option<&Terminal<'_>>,
    progress: &dyn Progress,
    created: &mut dyn FnMut(&ContainerId) -> Result<()>,
    note: &mut dyn FnMut(&str),
) -> Result<Ran> {
    run_with(engine, request, terminal, progress, created, note, HandedOver::default())
}

/// [`run`] with what the caller hands over to the container's program.
pub fn run_with(
    engine: &Engine,
    request: &CreateRequest,
    terminal: Option<&Terminal<'_>>,
    progress: &dyn Progress,
    created: &mut dyn FnMut(&ContainerId) -> Result<()>,
    note: &mut dyn FnMut(&str),
    handed: HandedOver,
) -> Result<Ran> {
    let edits = cdi::edits(engine, &request.security.cdi)?;
    let supervisor = supervisor(engine)?;
    let starter = if request.lifecycle.remove { ProcessIdentity::of(std::process::id() as i32) } else { None };
    let Created { config, guard, layers, images } = create_guarded(engine, request, starter, progress)?;
    created(&config.id)?;
    make_ready(engine, &config, note)?;
    let launch = launch_request(config.id.clone(), layers, images, config.process.stdin, terminal);
    let launch = Launch { edits, ..launch };
    // The lock goes over to the supervisor.
    drop(guard);
    let end = start_with(&supervisor, (launch, handed), &config, terminal, note)?;
    Ok(Ran { id: config.id, end })
}

pub(super) fn launch_request(
    id: ContainerId,
    layers: Vec<PathBuf>,
    images: Vec<Vec<PathBuf>>,
    stdin: bool,
    terminal: Option<&Terminal<'_>>,
) -> Launch {
    let size = terminal.and_then(|terminal| terminal.stdin.or(terminal.stdout)).map_or((0, 0), terminal_size);
    Launch {
        id,
        layers,
        images,
        attach: terminal.is_some(),
        stdin: stdin && terminal.is_some_and(|terminal| terminal.stdin.is_some()),
        terminal: size,
        traced: trace::is_on(),
        keep: false,
        handover: Handover::default(),
        edits: Edits::default(),
    }
}

/// Tells a fresh supervisor what to start and follows it: to the end of the session, or until it runs. `note` is called
/// with what the user should know.
pub(super) fn start_with(
    supervisor: &OwnedFd,
    (mut launch, handed): (Launch, HandedOver),
    config: &ContainerConfig,
    terminal: Option<&Terminal<'_>>,
    note: &mut dyn FnMut(&str),
) -> Result<Option<End>> {
    failpoint::here("start.launch")?;
    // A supervisor that could not get ready has closed the socket after saying why.
    launch.handover = handed.handover;
    let sent = protocol::send_request(supervisor.as_fd(), &Request::Launch(launch, handed.descriptors));
    let mut buffer = vec![0; MAX_MESSAGE];
    let answer = loop {
        match protocol::receive_reply(supervisor.as_fd(), &mut buffer)? {
            Some(Reply::Note(said)) => note(&said),
            answer => break answer,
        }
    };
    match answer {
        Some(Reply::Started(pid, _)) => trace::step(|| format!("container `{}` runs as process {pid}", config.name)),
        Some(Reply::Failed(error)) => return Err(error.into()),
        Some(_) => return Err(Error::system("the container's supervisor answered out of turn")),
        None => {
            sent.context(|| "cannot reach the container's supervisor")?;
            return Err(Error::system("the container's supervisor died while starting"));
        }
    }
    match terminal {
        Some(terminal) => {
            trace::step(|| "relays its streams and waits for its end".into());
            relay(supervisor, terminal, config.process.tty).map(Some)
        }
        None => Ok(None),
    }
}
