//! `stats`: what running containers use of the machine at one moment.
//!
//! The numbers come from the container's control group. Where it has none, they are put together from its processes: those
//! that have ended count as far as their parents have waited for them, memory that processes share counts once for each, and
//! disks are not counted.

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::Engine;
use super::top::members;
use crate::base::{Result, time};
use crate::cgroup::{self, stat};
use crate::spec::container::Container;

/// The numbers of one container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Its whole id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it uses; none while it does not run.
    pub usage: Option<Usage>,
}

/// What a container has used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// When that was, from some fixed moment on.
    pub at: Duration,
    /// How long the run has lasted.
    pub age: Duration,
    /// Processor time.
    pub cpu: Duration,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of memory that it may have: its limit, or what the machine has.
    pub memory_limit: u64,
    /// Bytes received on its own networks.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
    /// Processes and threads.
    pub pids: u64,
}

impl Usage {
    /// Percent of one processor since an earlier moment of the same run; none if it is another run or the same moment.
    pub fn percent_since(&self, before: &Self) -> Option<f64> {
        let passed = self.at.checked_sub(before.at).filter(|passed| !passed.is_zero())?;
        let spent = self.cpu.checked_sub(before.cpu)?;
        (self.age >= before.age).then(|| 100.0 * spent.as_secs_f64() / passed.as_secs_f64())
    }

    /// Percent of one processor since the run began.
    pub fn average_percent(&self) -> f64 {
        match self.age.is_zero() {
            true => 0.0,
            false => 100.0 * self.cpu.as_secs_f64() / self.age.as_secs_f64(),
        }
    }

    /// Percent of the memory that it may have.
    pub fn memory_percent(&self) -> f64 {
        match self.memory_limit {
            0 => 0.0,
            limit => 100.0 * self.memory as f64 / limit as f64,
        }
    }
}

/// The numbers of the containers of these names or, without any, of all that run; with `all`, those that do not, too.
pub fn stats(engine: &Engine, names: &[String], all: bool) -> Result<Vec<Sample>> {
    let containers = engine.containers();
    let chosen: Vec<Container> = match names {
        [] => {
            let listed = containers.list()?.into_iter().flatten();
            listed.filter(|container| all || container.status.is_running()).collect()
        }
        names => names.iter().map(|name| containers.load(&containers.find(name)?)).collect::<Result<_>>()?,
    };
    let machine = Machine::read();
    Ok(chosen.iter().map(|container| sample(container, &machine)).collect())
}

/// What is the same for all containers.
struct Machine {
    memory: u64,
    page: u64,
    ticks_per_second: u64,
}

impl Machine {
    fn read() -> Self {
        use nix::unistd::{SysconfVar, sysconf};
        let number = |variable, default| {
            sysconf(variable).ok().flatten().and_then(|number| u64::try_from(number).ok()).unwrap_or(default)
        };
        let page = number(SysconfVar::PAGE_SIZE, 4096);
        let memory = page * number(SysconfVar::_PHYS_PAGES, 0);
        Self { memory, page, ticks_per_second: number(SysconfVar::CLK_TCK, 100).max(1) }
    }
}

fn sample(container: &Container, machine: &Machine) -> Sample {
    let config = &container.config;
    // One that ends meanwhile is shown as one that does not run.
    let usage = running(container).and_then(|(pid, started)| {
        let age = time::now().duration_since(started);
        let age = Duration::try_from(age).unwrap_or_default();
        let used = match container.run.limits.cgroup.as_deref().and_then(cgroup::recorded) {
            Some(group) => of_group(&stat::usage(&group), machine),
            None => of_processes(pid, machine)?,
        };
        let (received, sent) = match config.namespaces.network.is_own() {
            true => traffic(&fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default()),
            false => (0, 0),
        };
        Some(Usage { at: now(), age, received, sent, ..used })
    });
    Sample { id: config.id.as_str().to_owned(), name: container.name.to_string(), usage }
}

/// pid 1 and the beginning of the run.
fn running(container: &Container) -> Option<(i32, jiff::Timestamp)> {
    use crate::spec::container::Status::{Paused, Running, Stopping};
    match container.status {
        Running { started, .. } | Paused { started, .. } | Stopping { started, .. } => {
            Some((container.status.pid()?, started))
        }
        _ => None,
    }
}

/// A clock that is never set.
fn now() -> Duration {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    BEGINNING.get_or_init(Instant::now).elapsed()
}

fn of_group(used: &stat::Usage, machine: &Machine) -> Usage {
    Usage {
        cpu: Duration::from_micros(used.cpu.unwrap_or(0)),
        memory: used.memory.unwrap_or(0),
        memory_limit: used.memory_limit.unwrap_or(machine.memory).min(machine.memory),
        read: used.read.unwrap_or(0),
        written: used.written.unwrap_or(0),
        pids: used.pids.unwrap_or(0),
        ..Usage::default()
    }
}

fn of_processes(init: i32, machine: &Machine) -> Option<Usage> {
    let processes = members(init).ok()?;
    let ticks: u64 = processes.iter().map(|process| process.ticks + process.waited_ticks).sum();
    Some(Usage {
        cpu: Duration::from_millis(ticks.saturating_mul(1000) / machine.ticks_per_second),
        memory: processes.iter().map(|process| process.resident * machine.page).sum(),
        memory_limit: machine.memory,
        pids: processes.iter().map(|process| process.threads).sum(),
        ..Usage::default()
    })
}

/// Bytes received and sent on all interfaces but loopback, from `/proc/PID/net/dev`.
fn traffic(text: &str) -> (u64, u64) {
    let interfaces = text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    interfaces.fold((0, 0), |(received, sent), (_, numbers)| {
        let numbers: Vec<u64> = numbers.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
        let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
        (received + at(0), sent + at(8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_summed_without_loopback() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n    \
                    lo:     900      9    0    0    0     0          0         0      900       9    0\n  \
                    eth0:    1000      3    0    0    0     0          0         0       70       1    0\n\
                    eth1:5 1 0 0 0 0 0 0 6 1 0\n";
        assert_eq!(traffic(text), (1005, 76));
        assert_eq!(traffic(""), (0, 0));
    }

    #[test]
    fn percentages_are_of_one_processor() {
        let second = Duration::from_secs(1);
        let first = Usage { at: second, age: second, cpu: second, memory: 50, memory_limit: 200, ..Usage::default() };
        let later = Usage { at: 3 * second, age: 3 * second, cpu: 4 * second, ..first };
        assert_eq!(later.percent_since(&first), Some(150.0));
        assert_eq!(first.percent_since(&first), None);
        // It was started again in between.
        assert_eq!(Usage { age: Duration::ZERO, cpu: Duration::ZERO, ..later }.percent_since(&first), None);
        assert_eq!((first.average_percent(), first.memory_percent()), (100.0, 25.0));
        assert_eq!((Usage::default().average_percent(), Usage::default().memory_percent()), (0.0, 0.0));
    }

    #[test]
    fn a_limit_beyond_the_machine_is_the_machines() {
        let machine = Machine { memory: 100, page: 1, ticks_per_second: 100 };
        let of =
            |memory_limit| of_group(&stat::Usage { memory_limit, ..stat::Usage::default() }, &machine).memory_limit;
        assert_eq!((of(None), of(Some(7)), of(Some(1000))), (100, 7, 100));
    }
}
