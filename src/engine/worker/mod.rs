//! Workers: processes that do for a verb what the calling process must not do itself. With them every verb of the engine
//! may be called from a process with threads, at any time and from several threads at once.
//!
//! # Theory of operation
//!
//! Some work needs a process of its own. Unpacking layers and reading the files of containers needs the user's outer
//! namespace, which a process enters for good and only while it has one thread; supervisors and trials are forked, which
//! only a process with one thread can do safely. Such work is a [`Job`]: a plain value with a report. [`call`] does it.
//!
//! A worker is coracle's own executable, started again under the name [`ROLE`] (posix_spawn(3), which threads do not
//! disturb). One end of a socket pair is its standard input. The caller sends one `Hello` with the request, the worker
//! moves itself where the job's [`Place`] says, sends events while it works, and ends with exactly one report
//! ([`protocol`]). The functions of a verb that send progress do not see the difference: on the worker's side the events
//! are sent, on the caller's side they reach the [`Progress`] that the caller passed.
//!
//! *The direct path.* Jobs that stay where the caller is and only need to fork ([`Place::Here`]) are done in the calling
//! process when it has one thread: that is the command line, and a start of a container pays for no further process.
//!
//! *What a worker has of its caller:* its environment (proxies and the helpers for credentials are found there), working
//! directory, standard error and resource limits, whose soft ones it raises to the hard ones as all our processes do. It
//! closes all other descriptors. It leaves the keyring of the user's session when it enters the outer namespace. It stays
//! in the caller's process group: ^C and ^Z at the terminal reach both.
//!
//! *Death.* A worker ends with its caller: a thread watches the socket, and the kernel kills it when the calling thread
//! ends, should it be stopped. It may end between any two instructions, because everything on disk is published by
//! renaming (`base::publish`): what is half-made stays in staging, where nobody sees it, until somebody sweeps it. A
//! worker that dies without a report is an error that names the job, the process and how it died.
//!
//! # Adding a job
//!
//! A struct that implements [`Job`] beside its verb, and one line in the list of [`Request`]. The verb says
//! `worker::call(engine, TheJob { … }, progress)`.

mod protocol;
mod role;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::protocol::{Hello, Message};
use super::archives::files::{commit, copy, diff, export, volume as volume_files};
use super::archives::foreign::MigrateRequest;
use super::archives::import::ImportRequest;
use super::archives::load::LoadRequest;
use super::archives::save::SaveRequest;
use super::build::{self, jobs};
use super::progress::{Progress, Silent};
use super::pull::PullRequest;
use super::push::PushRequest;
use super::push::list::SendList;
use super::{Engine, builtin, doctor, reclaim, serve, start, top, usage};
use crate::base::process::signal_name;
use crate::base::{Error, Result, ResultExt, failpoint, trace};
use crate::sys::process::has_one_thread;

pub use role::main;

/// The program name that makes coracle a worker; followed by the job's name and the data directory, for whoever looks at
/// the list of processes.
pub const ROLE: &str = "coracle-worker";

/// Where a job is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the user's outer namespace, with threads if the job likes.
    Outer,
    /// Where the caller is, in a process with one thread, so that it can fork.
    Here,
}

/// Work that may need a process of its own.
pub(super) trait Job: Serialize + DeserializeOwned + Into<Request> {
    /// What it is called in messages and in the list of processes: mostly the verb.
    const NAME: &'static str;
    /// Where it is done.
    const PLACE: Place;
    /// What comes of it.
    type Report: Serialize + DeserializeOwned;

    /// Does it, in the right place.
    fn run(self, engine: &Engine, given: Given<'_>) -> Result<Self::Report>;
}

/// What a job gets beside its own fields.
pub(super) struct Given<'a> {
    /// Told what happens.
    pub(super) progress: &'a dyn Progress,
    /// A descriptor, for a job that wants one.
    pub(super) descriptor: Option<OwnedFd>,
}

impl Given<'_> {
    /// A descriptor, for a job that tells nothing.
    pub(super) fn of_descriptor(descriptor: OwnedFd) -> Self {
        Self { progress: &Silent, descriptor: Some(descriptor) }
    }
}

/// Makes the [`Request`] of all jobs.
macro_rules! jobs {
    ($($(#[$doc:meta])* $name:ident($job:ty),)+) => {
        /// Any job, as it crosses the socket. There is one in a process, so that their sizes do not matter.
        #[expect(clippy::large_enum_variant)]
        #[derive(Debug, Serialize, Deserialize)]
        pub(super) enum Request {
            $($(#[$doc])* $name($job),)+
        }

        $(impl From<$job> for Request {
            fn from(job: $job) -> Self {
                Self::$name(job)
            }
        })+

        impl Request {
            fn place(&self) -> Place {
                match self {
                    $(Self::$name(_) => <$job as Job>::PLACE,)+
                }
            }

            /// Does it and returns the report as JSON.
            fn run(self, engine: &Engine, given: Given<'_>) -> Result<Box<RawValue>> {
                match self {
                    $(Self::$name(job) => job.run(engine, given).and_then(encode),)+
                }
            }
        }
    };
}

jobs! {
    /// Fetches an image.
    Pull(PullRequest),
    /// Reads images from an archive.
    Load(LoadRequest),
    /// Makes an image of an archive of files.
    Import(ImportRequest),
    /// Takes over images of another program.
    Migrate(MigrateRequest),
    /// Writes images into an archive.
    Save(SaveRequest),
    /// Packs something in a container for `cp`.
    CopyOut(copy::CopyOut),
    /// Unpacks into a container for `cp`.
    CopyIn(copy::CopyIn),
    /// Compares layers.
    Diff(diff::DiffJob),
    /// Packs the files of a container.
    Export(export::ExportJob),
    /// Packs the files of a volume.
    VolumeOut(volume_files::VolumeOut),
    /// Unpacks into a volume.
    VolumeIn(volume_files::VolumeIn),
    /// Makes an image of a container.
    Commit(commit::CommitJob),
    /// Sends an image to a registry.
    Push(PushRequest),
    /// Sends a list of images to a registry.
    SendList(SendList),
    /// Serves images to other programs.
    Serve(serve::ServeJob),
    /// Stores the image that is built into the executable.
    InstallHello(builtin::InstallHello),
    /// Adds up what containers wrote.
    Measure(usage::Measure),
    /// Adds up the files of volumes.
    MeasureVolumes(usage::MeasureVolumes),
    /// Reads the names of a container's users.
    ReadNames(top::ReadNames),
    /// Starts a supervisor.
    Supervise(start::Supervise),
    /// Verifies the store.
    Check(reclaim::check::CheckRequest),
    /// Makes the layer of files that a build copies.
    MakeLayer(jobs::MakeLayer),
    /// Makes the digest of files that a build copies.
    DigestSources(jobs::DigestSources),
    /// Makes the layer of what a step of a build has changed.
    TakeUpper(jobs::TakeUpper),
    /// Deletes what is left of steps of builds.
    EmptySteps(jobs::EmptySteps),
    /// Stores the image of a build.
    PutImage(jobs::PutImage),
    /// Writes the files of a built image.
    ExportFiles(build::export::ExportFiles),
    /// Makes the directory of a cache mount.
    MakeCache(build::cache_mount::MakeCache),
    /// Gives a secret to another user of a step.
    GiveSecret(build::cache_mount::GiveSecret),
    /// Removes the directories of cache mounts.
    PruneMounts(build::cache_mount::PruneMounts),
    /// Makes one layer of several.
    SquashLayers(build::squash::SquashLayers),
    /// Unpacks the context of a build.
    UnpackContext(build::UnpackContext),
    /// Frees the space of what was removed.
    Reclaim(reclaim::Reclaim),
    /// Finds out whether containers can have networks.
    TryNetworks(doctor::TryNetworks),
    /// Looks whether this machine is ready for containers.
    Examine(doctor::Examine),
}

fn encode<T: Serialize>(report: T) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(&report).context(|| "cannot send the result of a worker")
}

/// Does a job, in a worker or here; the caller cannot tell. Returns when it is done.
pub(super) fn call<J: Job>(engine: &Engine, job: J, progress: &dyn Progress) -> Result<J::Report> {
    call_with(engine, job, Given { progress, descriptor: None })
}

/// [`call`] for a job that is to take over a descriptor.
pub(super) fn call_with<J: Job>(engine: &Engine, job: J, given: Given<'_>) -> Result<J::Report> {
    // Unit tests have threads, but what is forked there does nothing but exec or exit.
    if J::PLACE == Place::Here && (cfg!(test) || has_one_thread()) {
        return job.run(engine, given);
    }
    let mut worker = Worker::start(engine, J::NAME)?;
    let report = worker.converse(&Hello::new(engine, job.into()), &given)?;
    serde_json::from_str(report?.get()).context(|| format!("cannot understand the worker for `{}`", J::NAME))
}

/// [`call`] for a job without progress.
pub(super) fn call_silently<J: Job>(engine: &Engine, job: J) -> Result<J::Report> {
    call(engine, job, &Silent)
}

/// The caller's end of a worker.
struct Worker {
    job: &'static str,
    process: Child,
    socket: UnixStream,
    /// Set once it was waited for.
    ended: Option<io::Result<ExitStatus>>,
}

impl Worker {
    fn start(engine: &Engine, job: &'static str) -> Result<Self> {
        if cfg!(test) {
            return Err(Error::system("a unit test cannot start workers: its executable plays no roles"));
        }
        let (socket, theirs) = UnixStream::pair().context(|| "cannot make a socket pair")?;
        let process = Command::new("/proc/self/exe")
            .arg0(ROLE)
            .arg(job)
            .arg(&engine.paths.data)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .context(|| format!("cannot start a worker for `{job}`"))?;
        trace::step(|| format!("the worker for `{job}` is process {}", process.id()));
        Ok(Self { job, process, socket, ended: None })
    }

    /// Sends the request and passes events on until the report. The outer result is about the worker, the inner one is its
    /// own.
    fn converse(&mut self, hello: &Hello<'_>, given: &Given<'_>) -> Result<Result<Box<RawValue>>> {
        let descriptor = given.descriptor.as_ref().map(AsFd::as_fd);
        failpoint::here("worker.spawned")?;
        match protocol::send_hello(&self.socket, hello, descriptor) {
            // It has said why, or it has died: both are told below.
            Err(error) if protocol::is_gone(&error) => {}
            sent => sent.context(|| format!("cannot send its request to the worker for `{}`", self.job))?,
        }
        loop {
            let message = protocol::receive(&self.socket)
                .context(|| format!("cannot understand the worker for `{}`", self.job))?;
            match message {
                Some(Message::Event(event)) => event.tell(given.progress),
                Some(Message::Report(report)) => {
                    self.wait();
                    return Ok(report.map_err(Error::from));
                }
                None => return Err(self.death()),
            }
        }
    }

    fn wait(&mut self) -> &io::Result<ExitStatus> {
        let process = &mut self.process;
        self.ended.get_or_insert_with(|| process.wait())
    }

    /// Why there is no report.
    fn death(&mut self) -> Error {
        let (job, pid) = (self.job, self.process.id());
        let how = match self.wait() {
            Ok(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("was killed by {}", signal_name(signal)),
                (None, code) => format!("ended with status {}", code.unwrap_or_default()),
            },
            // Somebody else in this process has waited for it, or nobody wants to know of children.
            Err(_) => "ended".to_owned(),
        };
        let killed = how.ends_with("SIGKILL");
        let error = Error::system(format!("the worker for `{job}` (process {pid}) {how} before it was done"));
        match killed {
            true => error.hint("is the machine short of memory? `dmesg` tells; nothing half-made was kept, try again"),
            false => error.hint("nothing half-made was kept, try again"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.process.kill();
            let _ = self.wait();
        }
    }
}
