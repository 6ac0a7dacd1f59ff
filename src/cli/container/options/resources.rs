//! Options about what a container may take of the machine.

use super::Around;
use crate::base::{Error, Result, text};
use crate::cli::config::Config;
use crate::cli::context::Persona;
use crate::spec::resources::{self, Enforcement, Resources};
use crate::spec::ulimit::Ulimit;

/// The limits that `run`, `create` and `update` share.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// The container's weight among others that use the disk, from 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<String>,
    /// The same for one device
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    pub blkio_weight_device: Vec<String>,
    /// The period of --cpu-quota in microseconds; 100000 is usual
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<String>,
    /// Processor time in each period, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_quota: Option<String>,
    /// Refused: cgroup v2 has no real-time scheduling of groups
    #[arg(long, value_name = "MICROSECONDS", hide = true)]
    pub cpu_rt_period: Option<String>,
    /// Refused: cgroup v2 has no real-time scheduling of groups
    #[arg(long, value_name = "MICROSECONDS", hide = true)]
    pub cpu_rt_runtime: Option<String>,
    /// The container's share of processor time among others that want it; 1024 is usual
    #[arg(short = 'c', long, value_name = "SHARES")]
    pub cpu_shares: Option<String>,
    /// How many processors it may use, such as 1.5
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<String>,
    /// The processors it may run on: 0-2,4
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// The memory nodes it may use: 0,1
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Bytes that it may read of a device each second
    #[arg(long, value_name = "DEVICE:RATE")]
    pub device_read_bps: Vec<String>,
    /// Read operations on a device each second
    #[arg(long, value_name = "DEVICE:RATE")]
    pub device_read_iops: Vec<String>,
    /// Bytes that it may write to a device each second
    #[arg(long, value_name = "DEVICE:RATE")]
    pub device_write_bps: Vec<String>,
    /// Write operations on a device each second
    #[arg(long, value_name = "DEVICE:RATE")]
    pub device_write_iops: Vec<String>,
    /// How much memory it may use
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<String>,
    /// Memory that is taken from others first when there is little of it
    #[arg(long, value_name = "BYTES")]
    pub memory_reservation: Option<String>,
    /// Memory and swap together; -1 for no limit of swap; twice --memory is usual
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// Refused: cgroup v2 has no swappiness of groups
    #[arg(long, value_name = "NUMBER", hide = true, allow_hyphen_values = true)]
    pub memory_swappiness: Option<String>,
    /// How many processes and threads it may have; -1 for no limit
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub pids_limit: Option<String>,
}

/// Options of a new container about its limits.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct ResourceOptions {
    #[command(flatten)]
    pub limits: LimitOptions,
    /// What becomes of limits that cannot be set here: strict (an error) or best-effort (what an ordinary user can do instead)
    #[arg(long = "limits", value_name = "MODE")]
    pub enforcement: Option<String>,
    /// Refused: cgroup v2 always kills a group that is out of memory
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide = true)]
    pub oom_kill_disable: bool,
    /// How likely the kernel is to kill it when memory runs out, from -1000 to 1000
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub oom_score_adj: Option<String>,
    /// A resource limit of each of its processes: NAME=SOFT[:HARD]
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
}

impl LimitOptions {
    /// The limits that are given.
    pub fn limits(&self) -> Result<Resources> {
        for (option, value) in [("--cpu-rt-period", &self.cpu_rt_period), ("--cpu-rt-runtime", &self.cpu_rt_runtime)] {
            if value.as_deref().is_some_and(|value| value != "0") {
                return Err(resources::no_realtime(option));
            }
        }
        self.memory_swappiness.as_deref().map_or(Ok(()), resources::swappiness)?;
        fn of<T>(value: Option<&String>, read: impl Fn(&str) -> Result<Option<T>>) -> Result<Option<T>> {
            value.map_or(Ok(None), |value| read(value))
        }
        let limits = Resources {
            nano_cpus: of(self.cpus.as_ref(), resources::cpus)?,
            cpu_shares: of(self.cpu_shares.as_ref(), |value| resources::number("--cpu-shares", value))?,
            cpu_period: of(self.cpu_period.as_ref(), |value| resources::number("--cpu-period", value))?,
            cpu_quota: of(self.cpu_quota.as_ref(), |value| resources::number("--cpu-quota", value))?,
            cpuset_cpus: of(self.cpuset_cpus.as_ref(), |value| resources::cpu_list("--cpuset-cpus", value))?,
            cpuset_mems: of(self.cpuset_mems.as_ref(), |value| resources::cpu_list("--cpuset-mems", value))?,
            memory: of(self.memory.as_ref(), |value| resources::bytes("--memory", value))?,
            memory_swap: of(self.memory_swap.as_ref(), resources::memory_swap)?,
            memory_reservation: of(self.memory_reservation.as_ref(), |value| {
                resources::bytes("--memory-reservation", value)
            })?,
            pids: of(self.pids_limit.as_ref(), resources::pids)?,
            io_weight: of(self.blkio_weight.as_ref(), |value| resources::number("--blkio-weight", value))?,
            io_weights: resources::device_weights(&self.blkio_weight_device)?,
            read_bps: resources::device_bps(&self.device_read_bps)?,
            write_bps: resources::device_bps(&self.device_write_bps)?,
            read_iops: resources::device_iops(&self.device_read_iops)?,
            write_iops: resources::device_iops(&self.device_write_iops)?,
            ..Resources::default()
        };
        limits.check_machine(processors())?;
        Ok(limits)
    }
}

impl ResourceOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>) -> Result<Resources> {
        if self.oom_kill_disable {
            return Err(resources::no_oom_kill_disable());
        }
        let limits = self.limits.limits()?;
        let limits = Resources {
            oom_score_adj: match &self.oom_score_adj {
                None => None,
                Some(value) => Some(value.parse().map_err(|_| {
                    Error::usage(format!(
                        "invalid argument `{}` for `--oom-score-adj`: not a number",
                        text::clean(value)
                    ))
                })?),
            },
            ulimits: Ulimit::all(&self.ulimit)?,
            ..limits
        };
        limits.check()?;
        // Nothing of them is read where there is nothing to enforce.
        let enforcement = match self.enforcement.as_deref() {
            Some(word) => Enforcement::parse(word)?,
            None if limits.is_default() => Enforcement::default(),
            None => Config::read(&around.environment.configuration()?)?.cgroups.limits,
        };
        let usual_pids = around.persona != Persona::Docker && limits.pids.is_none();
        Ok(Resources { enforcement, usual_pids, ..limits })
    }
}

/// The processors of this machine.
fn processors() -> u64 {
    let count = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    count.and_then(|count| u64::try_from(count).ok()).unwrap_or(1)
}
