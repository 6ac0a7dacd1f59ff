//! What stands in for limits where no control group can be had and the user wants it so (`--limits=best-effort`): what every
//! process may do to itself. Each process inherits it from the one that made it, so that most of it counts for each process
//! rather than for all of them together.

use super::resources::{Resources, members};

/// What the processes of a container are given, and in which words it differs from what was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Substitute {
    /// The processors that they run on; empty for all (sched_setaffinity(2)).
    pub cpus: Vec<usize>,
    /// Their nice value; 0 is usual (setpriority(2)).
    pub nice: i32,
    /// Bytes of data of each process, RLIMIT_DATA of getrlimit(2).
    pub data: Option<u64>,
    /// Processes of each user of the container, RLIMIT_NPROC: counted in its user namespace since Linux 5.14.
    pub processes: Option<u64>,
    /// What is only near to what was asked for: an option, and what it is.
    pub approximate: Vec<(&'static str, String)>,
    /// The options that are not in force.
    pub missing: Vec<&'static str>,
}

/// For these limits, on a machine with the processors `online`.
pub fn substitute(limits: &Resources, online: &[usize]) -> Substitute {
    let mut found = Substitute::default();
    let allowed: Vec<usize> = match limits.cpuset_cpus.as_deref().and_then(members) {
        Some(wanted) => {
            found.cpus = wanted.into_iter().filter(|cpu| online.contains(cpu)).collect();
            found.approximate.push(("--cpuset-cpus", "the processes' affinity, which they may change".into()));
            found.cpus.clone()
        }
        None => online.to_vec(),
    };
    if let Some((Some(quota), period)) = limits.cpu_time() {
        let whole = usize::try_from(quota.div_ceil(period)).unwrap_or(usize::MAX).max(1);
        let option = if limits.nano_cpus.is_some() { "--cpus" } else { "--cpu-quota" };
        if whole < allowed.len() {
            found.cpus = allowed[..whole].to_vec();
        }
        found.approximate.push((option, format!("at most {} whole processors, by affinity", whole.min(allowed.len()))));
    } else if limits.cpu_period.is_some() {
        found.missing.push("--cpu-period");
    }
    match limits.cpu_shares {
        Some(shares) if shares < 1024 => {
            found.nice = nice_of_shares(shares);
            found.approximate.push(("--cpu-shares", format!("the nice value {}", found.nice)));
        }
        Some(1024) | None => {}
        Some(_) => found.missing.push("--cpu-shares"),
    }
    if let Some(memory) = limits.memory {
        found.data = Some(memory);
        found.approximate.push(("--memory", "the data of each process (RLIMIT_DATA)".into()));
    }
    if let Some(pids) = limits.pids.and_then(|pids| u64::try_from(pids).ok()) {
        found.processes = Some(pids);
        found.approximate.push(("--pids-limit", "the processes of each user of the container (RLIMIT_NPROC)".into()));
    }
    let missing = [
        (limits.cpuset_mems.is_some(), "--cpuset-mems"),
        (limits.memory_swap.is_some(), "--memory-swap"),
        (limits.memory_reservation.is_some(), "--memory-reservation"),
        (limits.io_weight.is_some(), "--blkio-weight"),
        (!limits.io_weights.is_empty(), "--blkio-weight-device"),
        (!limits.read_bps.is_empty(), "--device-read-bps"),
        (!limits.write_bps.is_empty(), "--device-write-bps"),
        (!limits.read_iops.is_empty(), "--device-read-iops"),
        (!limits.write_iops.is_empty(), "--device-write-iops"),
    ];
    found.missing.extend(missing.into_iter().filter(|(given, _)| *given).map(|(_, option)| option));
    found
}

/// The nice value whose share of a processor is nearest to that of the shares: each step is a fifth less (sched(7)).
fn nice_of_shares(shares: u64) -> i32 {
    let ratio = 1024.0 / shares.max(2) as f64;
    ((ratio.ln() / 1.25f64.ln()).round() as i32).clamp(0, 19)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_substitutes() {
        let none = Resources::default();
        let of = |limits: Resources| substitute(&limits, &[0, 1, 2, 3]);
        assert_eq!(of(none.clone()), Substitute::default());
        assert_eq!(of(Resources { cpuset_cpus: Some("2-7".into()), ..none.clone() }).cpus, [2, 3]);
        assert_eq!(of(Resources { nano_cpus: Some(1_500_000_000), ..none.clone() }).cpus, [0, 1]);
        let both = Resources { nano_cpus: Some(500_000_000), cpuset_cpus: Some("1,3".into()), ..none.clone() };
        assert_eq!(of(both).cpus, [1]);
        assert!(of(Resources { nano_cpus: Some(9_000_000_000), ..none.clone() }).cpus.is_empty());
        assert_eq!(of(Resources { memory: Some(7), pids: Some(5), ..none.clone() }).data, Some(7));
        assert_eq!(of(Resources { pids: Some(5), ..none.clone() }).processes, Some(5));
        assert_eq!(of(Resources { pids: Some(-1), ..none.clone() }), Substitute::default());
        assert_eq!(of(Resources { cpu_shares: Some(2048), ..none.clone() }).missing, ["--cpu-shares"]);
        assert_eq!(of(Resources { memory_swap: Some(-1), io_weight: Some(10), ..none }).missing.len(), 2);
    }

    #[test]
    fn shares_become_nice_values() {
        assert_eq!([1024, 819, 512, 102, 2].map(nice_of_shares), [0, 1, 3, 10, 19]);
    }
}
