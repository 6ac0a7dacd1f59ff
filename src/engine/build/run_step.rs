//! A `RUN`: a container that nobody sees. It is recorded where `ps` does not look ([`Paths::build_steps`]), it is started
//! as `run --rm` starts one, and it goes with its builder: whoever meets it after the builder has died removes it. Only
//! its upper directory is of interest afterwards.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use super::events::{Event, Events};
use super::interpret::RunAction;
use super::jobs::TakeUpper;
use crate::archive::pack::Times;
use crate::base::process::ProcessIdentity;
use crate::base::publish;
use crate::base::{ContainerId, Error, Result, ResultExt, failpoint, time};
use crate::engine::Engine;
use crate::engine::create::layer_trees;
use crate::engine::namespaces::network_mode;
use crate::engine::request::CreateRequest;
use crate::engine::resolve::{Facts, resolve};
use crate::engine::run::launch_request;
use crate::engine::session::{End, Terminal, relay};
use crate::engine::start::supervisor;
use crate::engine::{userns, worker};
use crate::oci::{Digest, ImageConfig};
use crate::spec::image::ImageOrigin;
use crate::spec::namespaces::{Namespaces, NetworkRequest};
use crate::spec::process::ProcessRequest;
use crate::spec::storage::MountRequest;
use crate::state::ContainerGuard;
use crate::store::MadeLayer;
use crate::supervise::protocol::{self, MAX_MESSAGE, Reply, Request};

/// The host name of steps: BuildKit's.
const HOSTNAME: &str = "buildkitsandbox";

/// A step that is about to run.
pub struct Step<'a> {
    /// What to run.
    pub action: &'a RunAction,
    /// The stack of layers, lowest first.
    pub layers: &'a [Digest],
    /// Mounts of the step.
    pub mounts: Vec<MountRequest>,
    /// More variables: secrets. They are in no record but the container's, which goes with the step.
    pub secrets: Vec<String>,
    /// What the image is for: `arm64`, for which there may be an emulator.
    pub architecture: String,
}

/// A step whose command has ended well.
#[derive(Debug)]
pub struct Ended {
    guard: ContainerGuard,
    mount_points: Vec<String>,
}

/// How a command ended.
#[derive(Debug)]
pub enum Outcome {
    /// With code 0.
    Done(Ended),
    /// With another.
    Failed(i32),
}

/// What a step shares with whoever may end the build.
pub struct Control<'a> {
    /// Receives the container's id before its command runs.
    pub begun: &'a mut dyn FnMut(&ContainerId),
    /// Whether the build was ended.
    pub is_over: &'a dyn Fn() -> bool,
}

/// Runs a step's command.
pub fn run(
    steps: &Engine,
    images: &Engine,
    template: &CreateRequest,
    step: Step<'_>,
    events: &Events<'_>,
    control: &mut Control<'_>,
) -> Result<Outcome> {
    let supervisor = supervisor(steps)?;
    let store = images.store()?;
    let trees = layer_trees(&store, step.layers, "the stage")?;
    let mounts = template.storage.mounts.iter().chain(&step.mounts);
    let mount_points = mounts.map(|mount| mount.mount.target.clone()).collect();
    let guard = create(steps, template, &step, &trees)?;
    let id = guard.id.clone();
    (control.begun)(&id);
    failpoint::here("build.step.created")?;
    if (control.is_over)() {
        steps.containers().remove(guard, publish::Durability::Volatile)?;
        return Err(Error::system("the build is over"));
    }
    // The lock goes over to the supervisor.
    drop(guard);
    // Whoever ends the build from now on finds the container, but may find that it does not run yet.
    let mut started = || {
        if (control.is_over)() {
            let _ = crate::engine::kill::kill(steps, id.as_str(), libc::SIGKILL);
        }
    };
    let ended = follow(&supervisor, &id, trees, events, &mut started);
    drop(supervisor);
    let code = ended.inspect_err(|_| discard(steps, &id))?;
    match code {
        0 => {
            let guard = steps.containers().guard(&id)?;
            let guard = guard.ok_or_else(|| Error::system("the step's container is still held by its supervisor"))?;
            Ok(Outcome::Done(Ended { guard, mount_points }))
        }
        _ => {
            discard(steps, &id);
            Ok(Outcome::Failed(code))
        }
    }
}

fn create(steps: &Engine, template: &CreateRequest, step: &Step<'_>, trees: &[PathBuf]) -> Result<ContainerGuard> {
    let RunAction { argv, env, proxies, cwd, user, network, .. } = step.action;
    let mut request = CreateRequest {
        process: ProcessRequest {
            command: argv.clone(),
            entrypoint: Some(Vec::new()),
            env: env.iter().chain(proxies).chain(&step.secrets).cloned().collect(),
            cwd: Some(cwd.clone()),
            ..ProcessRequest::default()
        },
        ..template.clone()
    };
    request.identity.user = Some(user.clone());
    match network {
        crate::dockerfile::Network::Default => {}
        crate::dockerfile::Network::None => request.namespaces.networks = vec![NetworkRequest::None],
        crate::dockerfile::Network::Host => request.namespaces.networks = vec![NetworkRequest::Host],
    }
    request.storage.mounts.extend(step.mounts.iter().cloned());
    request.lifecycle.remove = true;
    let (mode, host) = network_mode(steps, &request.namespaces)?;
    if host.is_none() {
        request.identity.hostname = Some(HOSTNAME.into());
    }
    let decided = userns::decide(steps, &request, trees)?;
    let id = ContainerId::random()?;
    let facts = Facts {
        name: format!("step-{}", id.short()).parse()?,
        id,
        created: time::now(),
        image: ImageOrigin {
            name: "build step".into(),
            id: Digest::sha256(b"build step").to_string(),
            layers: step.layers.iter().map(ToString::to_string).collect(),
            architecture: step.architecture.clone(),
        },
        namespaces: Namespaces { network: mode, user: decided.namespace.clone(), ..Namespaces::default() },
        hostname: host,
        pod: None,
        recorded_owners: crate::archive::owners::recorded_in(trees) && !crate::rootless::outer::has_single_id()?,
        volume_names: &mut || Err(Error::system("a step has no volumes")),
    };
    let mut config = resolve(&request, &ImageConfig::default(), facts)?;
    config.creator = ProcessIdentity::of(std::process::id() as i32);
    let hostname = format!("{}\n", config.identity.hostname);
    let own = [("hosts", &[][..]), ("hostname", hostname.as_bytes()), ("resolv.conf", &[])];
    steps.containers().create(&config, 0o755, &own, &[])
}

/// Starts the container and passes its output on until it ends; returns its exit code.
fn follow(
    supervisor: &OwnedFd,
    id: &ContainerId,
    trees: Vec<PathBuf>,
    events: &Events<'_>,
    started: &mut dyn FnMut(),
) -> Result<i32> {
    let pipe = || std::io::pipe().context(|| "cannot make a pipe");
    let ((out, to_out), (err, to_err)) = (pipe()?, pipe()?);
    let mut launch = launch_request(id.clone(), trees, Vec::new(), false, None);
    launch.attach = true;
    // Its end is not that of its files: the builder needs them.
    launch.keep = true;
    let sent = protocol::send_request(supervisor.as_fd(), &Request::Launch(launch, Vec::new()));
    std::thread::scope(|scope| {
        scope.spawn(|| pass_on(out, false, events));
        scope.spawn(|| pass_on(err, true, events));
        let (to_out, to_err) = (to_out, to_err);
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            match protocol::receive_reply(supervisor.as_fd(), &mut buffer)? {
                Some(Reply::Note(said)) => events.tell(Event::Note(said)),
                Some(Reply::Done) => {}
                Some(Reply::Started(..)) => break,
                Some(Reply::Failed(error)) => return Err(Error::from(error)),
                Some(_) => return Err(Error::system("the step's supervisor answered out of turn")),
                None => {
                    sent.context(|| "cannot reach the step's supervisor")?;
                    return Err(Error::system("the step's supervisor died while starting"));
                }
            }
        }
        started();
        let terminal = Terminal {
            stdin: None,
            stdout: Some(to_out.as_fd()),
            stderr: Some(to_err.as_fd()),
            detach_keys: Vec::new(),
            sig_proxy: false,
        };
        match relay(supervisor, &terminal, false)? {
            End::Exited(code) => Ok(code),
            End::Detached | End::Unread => Err(Error::system("the step's output was lost")),
        }
    })
}

/// Tells the lines of a stream.
fn pass_on(stream: std::io::PipeReader, is_error: bool, events: &Events<'_>) {
    let mut stream = File::from(OwnedFd::from(stream));
    let mut buffer = vec![0; 32 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => events.tell(Event::Output(&buffer[..length], is_error)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Makes the layer of what the command has changed, and takes its container away.
pub fn take_layer(steps: &Engine, images: &Engine, ended: Ended, layers: &[Digest], times: Times) -> Result<MadeLayer> {
    let Ended { guard, mount_points } = ended;
    let directory = steps.paths.container(&guard.id);
    let job = TakeUpper { id: guard.id.clone(), directory, layers: layers.to_vec(), mount_points, times };
    let made = worker::call_silently(images, job);
    steps.containers().remove(guard, publish::Durability::Volatile)?;
    made
}

/// Ends and removes the steps that builders have left which were killed.
pub fn sweep(steps: &Engine) -> Result<()> {
    // Listing takes those away that have ended.
    for container in steps.containers().list()?.into_iter().flatten() {
        let is_alive = container.config.creator.as_ref().is_some_and(ProcessIdentity::is_alive);
        if container.status.is_running() && !is_alive {
            // It may end by itself just now.
            let _ = crate::engine::kill::kill(steps, container.config.id.as_str(), libc::SIGKILL);
        }
    }
    steps.containers().sweep()
}

/// Takes the container of a step away whose files nobody needs.
pub fn forget(steps: &Engine, ended: Ended) -> Result<()> {
    steps.containers().remove(ended.guard, publish::Durability::Volatile)
}

/// Takes the container of a failed step away.
pub fn discard(steps: &Engine, id: &ContainerId) {
    if let Ok(Some(guard)) = steps.containers().guard(id) {
        let _ = steps.containers().remove(guard, publish::Durability::Volatile);
    }
}
