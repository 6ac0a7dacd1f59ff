//! The limits of a container: its control group, made for each run and gone with it, and what its processes are told to limit
//! themselves to.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::Duration;

use rustix::process::Resource;

use super::ids::ContainerIds;
use crate::base::{Error, Paths, Result, ResultExt, text, trace};
use crate::cgroup::group::Group;
use crate::cgroup::{self, Own, Placement, Wish};
use crate::rootless::outer;
use crate::runtime::process::ProcessLimits;
use crate::spec::best_effort::{self, Substitute};
use crate::spec::cgroup2::{self, Setting};
use crate::spec::container::{ContainerConfig, Enforced};
use crate::spec::resources::{Enforcement, Resources, members};
use crate::spec::ulimit::Ulimit;

/// The limits of one container under its supervisor.
pub(super) struct Limits {
    /// Taken while it is settled.
    placement: Option<Placement>,
    /// The group of the present run.
    own: Option<Own>,
    substitute: Substitute,
}

impl Limits {
    /// Asks for a place for the container's group; it need not be known when this returns.
    pub(super) fn begin(paths: &Paths, config: &ContainerConfig) -> Result<Self> {
        let uid = outer::current_maps()?.0.to_outside(0).unwrap_or(0);
        let placement = Placement::begin(&Wish {
            id: config.id.as_str(),
            name: config.name.as_str(),
            cgroups: &config.cgroups,
            stop_timeout: Duration::from_secs(config.lifecycle.stop_timeout.into()),
            runtime: &paths.runtime,
            uid,
            real_root: uid == 0,
        })?;
        Ok(Self { placement: Some(placement), own: None, substitute: Substitute::default() })
    }

    /// Makes the group of a run, with all limits in force.
    pub(super) fn enforce(&mut self, config: &ContainerConfig, ids: &ContainerIds) -> Result<()> {
        let placement = self.placement.take().ok_or_else(|| Error::system("the container's control group is lost"))?;
        let placement = self.placement.insert(placement.settle()?);
        let settings = cgroup2::settings(&config.resources, &device_number)?;
        let failed = match placement {
            Placement::Found(place) => {
                let own = place.make_own()?;
                trace::step(|| format!("its control group is {}, by {}", own.path, place.manager.word()));
                let own = self.own.insert(own);
                own.configure(&config.cgroups.conf)?;
                if !config.lifecycle.systemd.is_off() {
                    let (uid, gid) = ids.root();
                    own.group().give(uid, gid).context(|| "cannot give systemd its control group")?;
                }
                let failed = own.group().apply(&settings);
                if let (Some(first), Enforcement::Strict) =
                    (failed.iter().find(|it| !it.setting.implied), config.resources.enforcement)
                {
                    return Err(cgroup::explain(first, own.group()));
                }
                failed.into_iter().map(|failed| failed.setting).collect()
            }
            Placement::Absent(reason) => {
                trace::step(|| format!("it has no control group of its own: {}", reason.chain()));
                if let (Some(first), Enforcement::Strict) = (cgroup::asked_for(&settings), config.resources.enforcement)
                {
                    return Err(cgroup::without_group(first.option, reason));
                }
                settings
            }
            Placement::Asked(..) => return Err(Error::system("the container's control group is not settled")),
        };
        self.substitute = substitute(&config.resources, &failed)?;
        Ok(())
    }

    /// Changes the limits of the present run, all of them or none.
    pub(super) fn change(&self, limits: &Resources) -> Result<()> {
        let settings = cgroup2::settings(limits, &device_number)?;
        match &self.own {
            None if cgroup::asked_for(&settings).is_none() => Ok(()),
            None => Err(Error::unsupported(
                "the limits of a running container without a control group of its own cannot be changed",
            )
            .hint("`coracle doctor` says why it has none; stop the container, change them, and start it again")),
            Some(own) => own.change(&settings).map_or(Ok(()), |failed| Err(cgroup::explain(&failed, own.group()))),
        }
    }

    /// Stops every process of the container, or lets them go on. False if it has no control group of its own.
    pub(super) fn freeze(&self, frozen: bool) -> Result<bool> {
        let Some(own) = &self.own else { return Ok(false) };
        own.group().freeze(frozen, FREEZING).context(|| "cannot freeze the container")?;
        Ok(true)
    }

    /// The group that the container's processes are born in.
    pub(super) fn group(&self) -> Option<BorrowedFd<'_>> {
        self.own.as_ref().map(|own| own.group().as_fd())
    }

    /// The group for a process that is added to a container whose first process is `init`. One that runs systemd divides its
    /// own, so that no process can be made in it: then it is that of the first process.
    pub(super) fn group_for(&self, init: i32) -> Option<Group> {
        let own = self.own.as_ref().filter(|own| own.group().is_divided())?;
        let text = fs::read_to_string(format!("/proc/{init}/cgroup")).ok()?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
        let below = path.strip_prefix(own.path.as_str()).filter(|rest| rest.starts_with('/'))?;
        own.group().below(below).ok()
    }

    /// For the record of the run.
    pub(super) fn in_force(&self) -> Enforced {
        Enforced {
            cgroup: self.own.as_ref().map(|own| own.path.clone()),
            approximate: self
                .substitute
                .approximate
                .iter()
                .map(|(option, what)| (option.to_string(), what.clone()))
                .collect(),
            missing: self.substitute.missing.iter().map(ToString::to_string).collect(),
        }
    }

    /// What the container's processes do themselves.
    pub(super) fn of_processes(&self, limits: &Resources) -> Result<ProcessLimits> {
        let mut rlimits = limits.ulimits.iter().map(rlimit).collect::<Result<Vec<_>>>()?;
        for (resource, limit) in [(Resource::Data, self.substitute.data), (Resource::Nproc, self.substitute.processes)]
        {
            if let Some(limit) = limit {
                let hard = rustix::process::getrlimit(resource).maximum.map_or(limit, |hard| hard.min(limit));
                rlimits.push((resource, Some(hard), Some(hard)));
            }
        }
        Ok(ProcessLimits { rlimits, cpus: self.substitute.cpus.clone(), nice: self.substitute.nice })
    }

    /// SIGKILL for every process of the container.
    pub(super) fn kill(&self) {
        if let Some(own) = &self.own {
            let _ = own.group().kill();
        }
    }

    /// The run is over: ends what is left of it. True if the kernel has killed a process of it for want of memory.
    pub(super) fn end_run(&mut self) -> bool {
        let Some(own) = self.own.take() else { return false };
        let oom_killed = own.group().oom_kills() > 0;
        if let Err(error) = own.remove() {
            trace::step(|| format!("its control group stays: {error}"));
        }
        oom_killed
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        self.end_run();
    }
}

/// How long the processes of a container may take to stop: one that waits for a disk does when it is answered.
const FREEZING: Duration = Duration::from_secs(5);

/// What stands in for the settings that could not be made.
fn substitute(limits: &Resources, failed: &[Setting]) -> Result<Substitute> {
    let options: Vec<&str> = failed.iter().filter(|setting| !setting.implied).map(|setting| setting.option).collect();
    if options.is_empty() {
        return Ok(Substitute::default());
    }
    let mask = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).context(|| "cannot find the processors")?;
    let online: Vec<usize> =
        (0..nix::sched::CpuSet::count()).filter(|cpu| mask.is_set(*cpu).unwrap_or(false)).collect();
    if limits
        .cpuset_cpus
        .as_deref()
        .and_then(members)
        .is_some_and(|wanted| !wanted.iter().any(|cpu| online.contains(cpu)))
    {
        return Err(Error::usage("`--cpuset-cpus` names no processor that may be used here"));
    }
    Ok(best_effort::substitute(&limits.only(&options), &online))
}

/// The major and minor number of a block device.
fn device_number(path: &str) -> Result<(u32, u32)> {
    let file = fs::metadata(path).context(|| format!("cannot examine the device `{}`", text::clean(path)))?;
    match file.file_type().is_block_device() {
        true => Ok((rustix::fs::major(file.rdev()), rustix::fs::minor(file.rdev()))),
        false => Err(Error::usage(format!("`{}` is not a block device", text::clean(path)))),
    }
}

/// A limit of processes for setrlimit(2). One that an ordinary user cannot have is an error by its name.
fn rlimit(limit: &Ulimit) -> Result<(Resource, Option<u64>, Option<u64>)> {
    let resource = match limit.name.as_str() {
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        other => return Err(Error::usage(format!("invalid ulimit type: {}", text::clean(other)))),
    };
    let (soft, hard) = (u64::try_from(limit.soft).ok(), u64::try_from(limit.hard).ok());
    let may = rustix::process::getrlimit(resource).maximum;
    let exceeds = may.is_some_and(|may| hard.is_none_or(|hard| hard > may));
    // Root of the machine may raise it (CAP_SYS_RESOURCE); the kernel decides.
    let uid = outer::current_maps()?.0.to_outside(0);
    if let (true, Some(may)) = (exceeds && uid != Some(0), may) {
        return Err(Error::usage(format!(
            "cannot set the hard limit of `{}` to {}: yours is {may}, and an ordinary user cannot raise it",
            limit.name,
            hard.map_or_else(|| "unlimited".into(), |hard| hard.to_string())
        ))
        .hint(format!(
            "use --ulimit {0}={1}:{may}, or raise it in /etc/security/limits.conf",
            limit.name,
            soft.map_or(may, |soft| soft.min(may))
        )));
    }
    Ok((resource, soft, hard))
}
