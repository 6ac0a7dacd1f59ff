//! The beginning of a run: mounts, makes the streams, launches; and what a supervisor has before the first one: its socket,
//! its signals.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, bind, listen, socket};

use super::attached::{Output, Stdin, Streams};
use super::handed::Handed;
use super::ids::ContainerIds;
use super::limited::Limits;
use super::network::{self, Networked};
use super::notify::Notifier;
use super::protocol::Launch;
use super::sockets::address;
use super::{account, devices, emulator, give, hooked, joined, prepare, secrets, spawn, timezone, unions};
use crate::base::members::Members;
use crate::base::streams::{null, pipe};
use crate::base::{Error, Paths, Result, ResultExt, failpoint, private, trace};
use crate::rootless::outer;
use crate::runtime::hooks::Hooks;
use crate::runtime::launch::{Launched, Resources, launch};
use crate::runtime::plan::{self, Source};
use crate::spec::logs::Stream;
use crate::spec::security::Device;
use crate::state::ContainerConfig;
use crate::state::secrets::variables;
use crate::sys::process::Cloned;

/// A run that has begun, and what its supervisor holds of it.
pub(super) struct Started {
    pub(super) init: Cloned,
    /// The process that serves its root file system.
    pub(super) file_server: Option<Cloned>,
    /// Those that serve unions among its mounts.
    pub(super) union_servers: Vec<Cloned>,
    pub(super) streams: Streams,
    /// By which its processes are known in a pid namespace that is not its own.
    pub(super) members: Option<Members>,
    /// What is run around it.
    pub(super) hooks: Option<Hooks>,
}

/// What a run needs of its supervisor.
pub(super) struct Around<'a> {
    /// The networks that were joined.
    pub(super) network: &'a mut Option<Networked>,
    /// Where the container's control group is to be.
    pub(super) limits: &'a mut Limits,
    /// What the command has handed over.
    pub(super) handed: &'a Handed,
    /// The service manager that wants to know of it.
    pub(super) notifier: Option<&'a Notifier>,
}

/// Begins a run in the networks that were joined; `first` when the container never ran. On failure nothing of it is left
/// running.
pub(super) fn start(
    paths: &Paths,
    request: &Launch,
    config: &ContainerConfig,
    around: Around<'_>,
    first: bool,
) -> Result<Started> {
    let Around { network, limits, handed, notifier } = around;
    let container = paths.container(&config.id);
    trace::step(|| format!("starts container `{}`", config.name));
    trace::step(|| joined(network.as_ref()));
    let exe = own_program()?;
    network::share(paths, &config.namespaces.network)?;
    let (joined, whose) = joined::join(paths, &config.namespaces)?;
    network::write_files(paths, config, network.as_ref().map(Networked::joined))?;
    let ids = ContainerIds::new(&config.namespaces.user, &outer::current_maps()?)?;
    if !first {
        prepare::forget_volatile(&container, config)?;
    }
    let volumes = prepare::volumes(paths, config)?;
    let (root, file_server) = prepare::mount_root(paths, config, request, &ids, &exe)?;
    failpoint::here("supervisor.mounted")?;
    trace::step(|| root_step(request, file_server.as_ref()));
    if first {
        prepare::fill_volumes(&volumes, config, &ids, root.as_fd())?;
        account::give_files(&container, config, &ids)?;
    }
    account::add(config, root.as_fd())?;
    timezone::write(config, &ids, root.as_fd())?;
    limits.enforce(config, &ids)?;
    failpoint::here("supervisor.limited")?;
    let mut variables = variables(paths, config)?;
    variables.extend(request.handover.variables.iter().cloned());
    let notify = notifier.and_then(Notifier::for_program);
    variables.extend(notify.iter().flat_map(|(_, variables)| variables.iter().cloned()));
    let limited = limits.of_processes(&config.resources)?;
    let process = prepare::main_process(config, &variables, root.as_fd(), limited, &request.edits)?;
    let mut unions = unions::make(paths, config, request, &ids, &volumes, &exe)?;
    give::give(config, &process.identity, &ids, &volumes, &unions, &paths.data)?;
    unions.mounts.extend(secrets::mounts(paths, config, &ids)?);
    let facts = plan::Facts {
        etc: network::etc_directory(paths, config),
        volumes,
        devices: request.edits.devices.iter().cloned().chain(all_devices(config)).collect(),
        mounts: request.edits.mounts.clone(),
        hooks: hooked::bundle(paths, config, &request.edits)?,
        emulator: emulator::registration_for(config),
        terminal: request.terminal,
        notify: notify.map(|(socket, _)| socket.to_owned()),
        listens: !request.handover.variables.is_empty() && config.lifecycle.init_path.is_none(),
        maps: ids.nested.clone(),
        whose,
    };
    let plan = plan::plan(config, process, &facts);
    plan.mounts.iter().for_each(|mount| trace::step(|| mount_step(mount)));
    let (streams, ours) = streams_of(config, handed)?;
    let init = users_init(config)?;
    let init = init.as_ref().unwrap_or(&exe);
    let usual = Resources::of(root, init, ids.nested);
    let given = handed.descriptors.clone();
    let resources = Resources { streams, made: unions.mounts, cgroup: limits.group(), handed: given, joined, ..usual };
    let Launched { init, terminal } =
        launch(&plan, resources, &mut |pid| network.as_mut().map_or(Ok(()), |network| network.plug(paths, pid)))?;
    failpoint::here("supervisor.launched")?;
    hooked::started(plan.hooks.as_ref(), init.pid);
    trace::step(|| format!("the first process is {}: {}", init.pid, config.process.argv().join(" ")));
    let streams = our_ends(ours, terminal, config.process.stdin, handed)?;
    let members = members_of(whose.pid, init.pid);
    Ok(Started { init, file_server, union_servers: unions.servers, streams, members, hooks: plan.hooks })
}

/// By which the processes of a run are known in a pid namespace that is not its own.
fn members_of(pid_namespace: Source, init: i32) -> Option<Members> {
    match pid_namespace {
        Source::Own => None,
        // One that has ended already has left nothing.
        Source::Host | Source::Joined => Members::of(init).ok(),
    }
}

/// The root file system, as a step that is traced.
fn root_step(request: &Launch, server: Option<&Cloned>) -> String {
    let server = server.map_or_else(|| "the kernel".to_owned(), |server| format!("process {}", server.pid));
    format!("the root of {} layers is served by {server}", request.layers.len())
}

/// The standard streams for the program, without a terminal, and our ends of those that are pipes.
fn streams_of(config: &ContainerConfig, handed: &Handed) -> Result<(Option<[OwnedFd; 3]>, Option<OurEnds>)> {
    match (config.process.tty, handed.streams()?) {
        (true, _) => Ok((None, None)),
        // They are the program's alone.
        (false, Some(streams)) => Ok((Some(streams), None)),
        (false, None) => pipes(config.process.stdin).map(|(theirs, ours)| (Some(theirs), Some(ours))),
    }
}

/// What is relayed of a run, from our ends of its pipes or the master of its terminal.
fn our_ends(ours: Option<OurEnds>, terminal: Option<OwnedFd>, stdin: bool, handed: &Handed) -> Result<Streams> {
    match (ours, terminal) {
        (Some(ours), _) => {
            let outputs = vec![Output::new(ours.stdout, Stream::Stdout), Output::new(ours.stderr, Stream::Stderr)];
            Ok(Streams { outputs, stdin: ours.stdin.map(Stdin::new), terminal: None })
        }
        (None, Some(terminal)) => {
            let read = terminal.try_clone().context(|| "cannot share the terminal")?;
            let write = terminal.try_clone().context(|| "cannot share the terminal")?;
            let stdin = stdin.then(|| Stdin::new(write));
            Ok(Streams { outputs: vec![Output::new(read, Stream::Stdout)], stdin, terminal: Some(terminal) })
        }
        (None, None) if handed.streams.is_some() => Ok(Streams { outputs: Vec::new(), stdin: None, terminal: None }),
        (None, None) => Err(Error::system("the container did not hand over its terminal")),
    }
}

/// The program of `--init-path`.
fn users_init(config: &ContainerConfig) -> Result<Option<fs::File>> {
    let open = |path| spawn::through_read_only_mount(path).context(|| "cannot use the program of --init-path");
    config.lifecycle.init_path.as_deref().map(open).transpose()
}

/// The host's devices, for a container that gets all of them.
fn all_devices(config: &ContainerConfig) -> Vec<Device> {
    if config.security.privileged { devices::all(Path::new("/dev")) } else { Vec::new() }
}

/// A mount, as a step that is traced.
fn mount_step(mount: &plan::MountPlan) -> String {
    let source = match &mount.source {
        plan::MountPlanSource::Bind { path, .. } => path.display().to_string(),
        plan::MountPlanSource::Made => "a union or a secret".into(),
        plan::MountPlanSource::New { kind, .. } => format!("a {}", kind.name().to_string_lossy()),
    };
    format!("mounts {source} at {}{}", mount.target, if mount.read_only { ", for reading" } else { "" })
}

/// This program, to be started in other roles.
pub(super) fn own_program() -> Result<fs::File> {
    fs::File::open("/proc/self/exe").context(|| "cannot open coracle's own program")
}

/// What a container has on its networks, in words.
fn joined(network: Option<&Networked>) -> String {
    let Some(network) = network else { return "is on no network of its own".into() };
    let joined = network.joined();
    let endpoints = joined.endpoints.iter().map(|endpoint| format!("network `{}`", endpoint.network));
    let ports = joined.ports.iter().map(|port| format!("port {} as {}", port.host_port, port.container()));
    format!("netd gave it {}", endpoints.chain(ports).collect::<Vec<_>>().join(", "))
}

/// The ends of the container's pipes that stay here.
struct OurEnds {
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// stdin, stdout and stderr for the container, and our ends. Without `-i`, stdin is /dev/null.
fn pipes(stdin: bool) -> Result<([OwnedFd; 3], OurEnds)> {
    let (out_read, out_write) = pipe()?;
    let (err_read, err_write) = pipe()?;
    let (in_read, in_write) = match stdin {
        true => pipe().map(|(read, write)| (read, Some(write)))?,
        false => (null()?, None),
    };
    Ok(([in_read, out_write, err_write], OurEnds { stdin: in_write, stdout: out_read, stderr: err_read }))
}

/// The supervisor's own socket. A leftover of a killed predecessor is replaced: the container's lock is ours.
pub(super) fn listen_at(path: &Path) -> Result<OwnedFd> {
    let listener =
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)
            .context(|| "cannot make a socket")?;
    let _ = fs::remove_file(path);
    let (_directory, address) = address(path)?;
    private::close_to_others(listener.as_fd()).at(path, "cannot close to others")?;
    bind(listener.as_raw_fd(), &address).at(path, "cannot bind")?;
    listen(&listener, Backlog::new(16).unwrap_or(Backlog::MAXCONN)).at(path, "cannot listen at")?;
    Ok(listener)
}

/// SIGTERM, SIGINT and SIGHUP as a file.
pub(super) fn termination_signals() -> Result<OwnedFd> {
    use nix::sys::signal::{SigSet, Signal};
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().context(|| "cannot block signals")?;
    let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context(|| "cannot watch signals")?;
    fd.as_fd().try_clone_to_owned().context(|| "cannot watch signals")
}
