//! What a container may take of the machine: processors, memory, processes and disk, and how its processes are limited
//! (`--cpus`, `--memory`, `--pids-limit` and their like). The rules and the words are docker's (moby,
//! daemon/daemon_unix.go, `verifyPlatformContainerResources`). [`cgroup2`] translates them to files of cgroup v2,
//! [`best_effort`] to what an ordinary user can do without.
//!
//! [`cgroup2`]: super::cgroup2
//! [`best_effort`]: super::best_effort

use serde::{Deserialize, Serialize};

use super::ulimit::Ulimit;
use super::units;
use crate::base::{Error, Result, ResultExt, text};

/// docker's least memory of a container, in bytes.
const LEAST_MEMORY: u64 = 6 << 20;

/// The kernel's period of processor time unless another is set, in microseconds.
pub const PERIOD: u64 = 100_000;

/// podman's limit of processes where none is given.
pub const USUAL_PIDS: i64 = 2048;

/// The limits of a container. What is not given is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// `--cpus`, in billionths of a processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<u64>,
    /// `--cpu-shares`: against other containers, 1024 being usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    /// `--cpu-period`, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<u64>,
    /// `--cpu-quota`, in microseconds of each period; -1 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    /// `--cpuset-cpus`, in the kernel's form of lists: `0-3,5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems`, in the same form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_mems: Option<String>,
    /// `--memory`, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// `--memory-swap`: memory and swap together, in bytes; -1 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
    /// `--memory-reservation`, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<u64>,
    /// `--pids-limit`; -1 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<i64>,
    /// No more than [`USUAL_PIDS`] processes where nothing is said of them and that can be had.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub usual_pids: bool,
    /// `--blkio-weight`, 10 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_weight: Option<u16>,
    /// `--blkio-weight-device`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_weights: Vec<DeviceValue>,
    /// `--device-read-bps`, in bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_bps: Vec<DeviceValue>,
    /// `--device-write-bps`, in bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_bps: Vec<DeviceValue>,
    /// `--device-read-iops`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_iops: Vec<DeviceValue>,
    /// `--device-write-iops`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_iops: Vec<DeviceValue>,
    /// `--oom-score-adj`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// `--ulimit`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<Ulimit>,
    /// `--limits`.
    #[serde(skip_serializing_if = "Enforcement::is_strict")]
    pub enforcement: Enforcement,
}

/// A block device of the host and a value for it: a weight, or a rate in each second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceValue {
    /// Its path on the host.
    pub path: String,
    /// The value.
    pub value: u64,
}

/// `--limits`: what becomes of a limit that cannot be set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// It is an error.
    #[default]
    Strict,
    /// It is replaced with what an ordinary user can do, or left out.
    BestEffort,
}

impl Enforcement {
    fn is_strict(&self) -> bool {
        *self == Self::Strict
    }

    /// The value of `--limits`.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "strict" => Ok(Self::Strict),
            "best-effort" => Ok(Self::BestEffort),
            other => Err(Error::usage(format!("invalid argument `{}` for `--limits`", text::clean(other)))
                .hint("it is one of: strict, best-effort")),
        }
    }
}

impl Resources {
    /// No limits.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the values agree with each other.
    pub fn check(&self) -> Result<()> {
        self.check_memory()?;
        self.check_cpu()?;
        if self.io_weight.is_some_and(|weight| !(10..=1000).contains(&weight)) {
            return Err(Error::usage("Range of blkio weight is from 10 to 1000"));
        }
        match self.oom_score_adj {
            Some(value) if !(-1000..=1000).contains(&value) => {
                Err(Error::usage(format!("Invalid value {value}, range for oom score adj is [-1000, 1000]")))
            }
            _ => Ok(()),
        }
    }

    fn check_memory(&self) -> Result<()> {
        let usage = |words: &str| Err(Error::usage(words));
        if self.memory.is_some_and(|memory| memory < LEAST_MEMORY) {
            return usage("Minimum memory limit allowed is 6MB");
        }
        match (self.memory, self.memory_swap) {
            (None, Some(swap)) if swap > 0 => {
                return usage("You should always set the Memory limit when using Memoryswap limit, see usage");
            }
            (Some(memory), Some(swap)) if swap > 0 && swap.unsigned_abs() < memory => {
                return usage("Minimum memoryswap limit should be larger than memory limit, see usage");
            }
            _ => {}
        }
        match (self.memory, self.memory_reservation) {
            (_, Some(reservation)) if reservation < LEAST_MEMORY => usage("Minimum memory reservation allowed is 6MB"),
            (Some(memory), Some(reservation)) if memory < reservation => {
                usage("Minimum memory limit can not be less than memory reservation limit, see usage")
            }
            _ => Ok(()),
        }
    }

    fn check_cpu(&self) -> Result<()> {
        if self.nano_cpus.is_some() && self.cpu_period.is_some() {
            return Err(Error::usage("Conflicting options: Nano CPUs and CPU Period cannot both be set"));
        }
        if self.nano_cpus.is_some() && self.cpu_quota.is_some() {
            return Err(Error::usage("Conflicting options: Nano CPUs and CPU Quota cannot both be set"));
        }
        if self.cpu_period.is_some_and(|period| !(1000..=1_000_000).contains(&period)) {
            return Err(Error::usage(
                "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
            ));
        }
        if self.cpu_quota.is_some_and(|quota| quota > 0 && quota < 1000) {
            return Err(Error::usage("CPU cfs quota can not be less than 1ms (i.e. 1000)"));
        }
        Ok(())
    }

    /// Whether the machine, which has `cpus` processors, has what is asked for.
    pub fn check_machine(&self, cpus: u64) -> Result<()> {
        if let Some(nano) = self.nano_cpus
            && (nano < 10_000_000 || nano > cpus.saturating_mul(1_000_000_000))
        {
            return Err(Error::usage(format!(
                "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
            )));
        }
        Ok(())
    }

    /// Those of these limits that belong to one of `options`, which are the names that [`super::cgroup2`] gives them.
    pub fn only(&self, options: &[&str]) -> Self {
        let mut limits = self.clone();
        let lacks = |option: &str| !options.contains(&option);
        if lacks("--cpus") && lacks("--cpu-quota") && lacks("--cpu-period") {
            (limits.nano_cpus, limits.cpu_quota, limits.cpu_period) = (None, None, None);
        }
        if lacks("--cpu-shares") {
            limits.cpu_shares = None;
        }
        if lacks("--cpuset-cpus") {
            limits.cpuset_cpus = None;
        }
        if lacks("--cpuset-mems") {
            limits.cpuset_mems = None;
        }
        if lacks("--memory") {
            limits.memory = None;
        }
        if lacks("--memory-swap") {
            limits.memory_swap = None;
        }
        if lacks("--memory-reservation") {
            limits.memory_reservation = None;
        }
        if lacks("--pids-limit") {
            limits.pids = None;
        }
        if lacks("--blkio-weight") {
            limits.io_weight = None;
        }
        for (devices, option) in [
            (&mut limits.io_weights, "--blkio-weight-device"),
            (&mut limits.read_bps, "--device-read-bps"),
            (&mut limits.write_bps, "--device-write-bps"),
            (&mut limits.read_iops, "--device-read-iops"),
            (&mut limits.write_iops, "--device-write-iops"),
        ] {
            if lacks(option) {
                devices.clear();
            }
        }
        limits
    }

    /// These limits, changed by those of `update`: what it does not give stays.
    pub fn updated(&self, update: &Self) -> Result<Self> {
        let mut new = self.clone();
        macro_rules! take {
            ($($field:ident),*) => { $(if update.$field.is_some() { new.$field.clone_from(&update.$field); })* };
        }
        macro_rules! take_list {
            ($($field:ident),*) => { $(if !update.$field.is_empty() { new.$field.clone_from(&update.$field); })* };
        }
        take!(nano_cpus, cpu_shares, cpu_period, cpu_quota, cpuset_cpus, cpuset_mems, memory, memory_swap);
        take!(memory_reservation, pids, io_weight, oom_score_adj);
        take_list!(io_weights, read_bps, write_bps, read_iops, write_iops, ulimits);
        // As docker has it: a new limit of memory beyond an old one of memory and swap needs that one changed, too.
        if let (Some(memory), None, Some(swap)) = (update.memory, update.memory_swap, self.memory_swap)
            && swap > 0
            && swap.unsigned_abs() < memory
        {
            return Err(Error::usage(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
            ));
        }
        new.check()?;
        Ok(new)
    }

    /// Memory and swap together as they are in force: twice the memory where nothing is said of swap.
    pub fn memory_and_swap(&self) -> Option<i64> {
        let twice = |memory: u64| i64::try_from(memory.saturating_mul(2)).unwrap_or(i64::MAX);
        self.memory_swap.or_else(|| self.memory.map(twice))
    }

    /// The processor time of each period, in microseconds: quota (none for no limit) and period. Outer none: not limited.
    pub fn cpu_time(&self) -> Option<(Option<u64>, u64)> {
        match (self.nano_cpus, self.cpu_quota, self.cpu_period) {
            (Some(nano), ..) => Some((Some((nano.saturating_mul(PERIOD) / 1_000_000_000).max(1000)), PERIOD)),
            (None, None, None) => None,
            (None, quota, period) => {
                Some((quota.and_then(|quota| u64::try_from(quota).ok()), period.unwrap_or(PERIOD)))
            }
        }
    }
}

/// `--cpus`: a number of processors with up to nine decimals. 0 is no limit.
pub fn cpus(value: &str) -> Result<Option<u64>> {
    let bad = |why: &str| {
        Error::usage(format!("invalid argument `{}` for `--cpus`: {why}", text::clean(value)))
            .hint("it is a number of processors, such as 1.5")
    };
    let rational = || bad("failed to parse it as a rational number");
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits = |part: &str| part.chars().all(|letter| letter.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(rational());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 9 {
        return Err(bad("value is too precise"));
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| rational())? };
    let nano: u64 = format!("{fraction:0<9}").parse().map_err(|_| rational())?;
    let nano = whole.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(nano)).ok_or_else(rational)?;
    Ok((nano > 0).then_some(nano))
}

/// A number of an option; 0 is the same as none.
pub fn number<T: std::str::FromStr + PartialEq + Default>(option: &str, value: &str) -> Result<Option<T>> {
    match value.trim().parse::<T>() {
        Ok(number) => Ok((number != T::default()).then_some(number)),
        Err(_) => Err(Error::usage(format!("invalid argument `{}` for `{option}`: not a number", text::clean(value)))),
    }
}

/// A number of bytes as docker's memory options take it; 0 is the same as none.
pub fn bytes(option: &str, value: &str) -> Result<Option<u64>> {
    let bytes = units::parse_size(value)
        .context(|| format!("invalid argument `{}` for `{option}`", text::clean(value)))
        .map_err(|error| error.with_kind(crate::base::Kind::Usage))?;
    Ok((bytes > 0).then_some(bytes))
}

/// `--pids-limit`: a number; 0 and everything below it is no limit (docker, podman).
pub fn pids(value: &str) -> Result<Option<i64>> {
    number::<i64>("--pids-limit", value).map(|limit| Some(limit.filter(|limit| *limit > 0).unwrap_or(-1)))
}

/// `--memory-swap`: a number of bytes, or -1; 0 is the same as none.
pub fn memory_swap(value: &str) -> Result<Option<i64>> {
    match value {
        "-1" => Ok(Some(-1)),
        value => Ok(bytes("--memory-swap", value)?.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))),
    }
}

/// `--memory-swappiness`, which cgroup v2 does not have: -1 is no wish.
pub fn swappiness(value: &str) -> Result<()> {
    match number::<i64>("--memory-swappiness", value)? {
        Some(-1) => Ok(()),
        other if (0..=100).contains(&other.unwrap_or(0)) => Err(Error::unsupported(
            "`--memory-swappiness` cannot be used: cgroup v2 has no such setting for a group of processes",
        )
        .hint("leave it out; `--memory-swap` with the value of `--memory` keeps the container out of swap")),
        other => Err(Error::usage(format!(
            "Invalid value: {}, valid memory swappiness range is 0-100",
            other.unwrap_or_default()
        ))),
    }
}

/// The error of `--cpu-rt-period`, `--cpu-rt-runtime` and, for docker's daemon, their like: with cgroup v2 the kernel has no
/// real-time share of a group of processes.
pub fn no_realtime(option: &str) -> Error {
    Error::unsupported(format!(
        "`{option}` cannot be used: cgroup v2 has no real-time scheduling for a group of processes"
    ))
    .hint("`--ulimit rtprio=` with `--cap-add sys_nice` lets a program ask for it, where the user may")
}

/// The error of `--oom-kill-disable`.
pub fn no_oom_kill_disable() -> Error {
    Error::unsupported("`--oom-kill-disable` cannot be used: cgroup v2 cannot keep a group from being killed when it has no memory left")
        .hint("leave it out; `--oom-score-adj` makes the container a less likely victim when the machine runs out of memory")
}

/// `--cpuset-cpus` and `--cpuset-mems`: numbers and ranges. Empty is no limit.
pub fn cpu_list(option: &str, value: &str) -> Result<Option<String>> {
    if value.is_empty() {
        return Ok(None);
    }
    match members(value) {
        Some(_) => Ok(Some(value.to_owned())),
        None => Err(Error::usage(format!(
            "Invalid value {} for {}",
            text::clean(value),
            option.replacen("--", "", 1).replace('-', " ")
        ))
        .hint(format!("it is a list of numbers and ranges: {option} 0-2,4"))),
    }
}

/// The largest number in a list of processors: more than any kernel is built for (`NR_CPUS`).
const MAX_CPU: usize = 8191;

/// The numbers of a list such as `0-3,5`.
pub fn members(list: &str) -> Option<Vec<usize>> {
    let mut members = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit());
            text.parse::<usize>().ok().filter(|number| is_number && *number <= MAX_CPU)
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        members.extend(first..=last);
    }
    members.sort_unstable();
    members.dedup();
    Some(members)
}

/// `--blkio-weight-device PATH:WEIGHT`.
pub fn device_weights(values: &[String]) -> Result<Vec<DeviceValue>> {
    devices(values, |value| {
        let weight = value.parse::<u64>().ok().filter(|weight| (10..=1000).contains(weight));
        weight.ok_or_else(|| {
            Error::usage(format!("invalid weight for device: {}", text::clean(value)))
                .hint("a weight is from 10 to 1000")
        })
    })
}

/// `--device-read-bps` and `--device-write-bps`, `PATH:RATE` in bytes.
pub fn device_bps(values: &[String]) -> Result<Vec<DeviceValue>> {
    devices(values, |value| {
        units::parse_size(value).map_err(|_| Error::usage(format!(
            "invalid rate for device: {}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb",
            text::clean(value)
        )))
    })
}

/// `--device-read-iops` and `--device-write-iops`, `PATH:RATE`.
pub fn device_iops(values: &[String]) -> Result<Vec<DeviceValue>> {
    devices(values, |value| {
        value.parse().map_err(|_| Error::usage(format!(
            "invalid rate for device: {}. The correct format is <device-path>:<number>. Number must be a positive integer",
            text::clean(value)
        )))
    })
}

fn devices(values: &[String], number: impl Fn(&str) -> Result<u64>) -> Result<Vec<DeviceValue>> {
    let device = |value: &String| {
        let bad = || Error::usage(format!("bad format: {}", text::clean(value)));
        let (path, rate) = value.rsplit_once(':').filter(|(path, _)| !path.is_empty()).ok_or_else(bad)?;
        if !path.starts_with("/dev/") {
            return Err(Error::usage(format!("bad format for device path: {}", text::clean(value))));
        }
        Ok(DeviceValue { path: path.to_owned(), value: number(rate)? })
    };
    values.iter().map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_decimal_numbers() {
        for (value, nano) in [
            ("1.5", Some(1_500_000_000)),
            ("2", Some(2_000_000_000)),
            (".5", Some(500_000_000)),
            ("0.010", Some(10_000_000)),
            ("0", None),
            ("1.000000001", Some(1_000_000_001)),
        ] {
            assert_eq!(cpus(value).unwrap(), nano, "{value}");
        }
        for (value, reason) in [
            ("a", "rational number"),
            ("", "rational number"),
            (".", "rational number"),
            ("-1", "rational number"),
            ("1.0000000001", "too precise"),
            ("99999999999999999999", "rational number"),
            ("99999999999", "rational number"),
        ] {
            assert!(cpus(value).unwrap_err().message().contains(reason), "{value}");
        }
    }

    #[test]
    fn memory_and_its_swap_agree_as_docker_has_it() {
        let m = 1 << 20;
        let resources = |memory: u64, swap: i64, reservation: u64| Resources {
            memory: (memory > 0).then_some(memory),
            memory_swap: (swap != 0).then_some(swap),
            memory_reservation: (reservation > 0).then_some(reservation),
            ..Resources::default()
        };
        for (given, reason) in [
            (resources(5 * m, 0, 0), "Minimum memory limit allowed is 6MB"),
            (resources(0, 9 << 20, 0), "always set the Memory limit"),
            (resources(8 * m, 7 << 20, 0), "should be larger than memory limit"),
            (resources(0, 0, 5 * m), "Minimum memory reservation allowed is 6MB"),
            (resources(8 * m, 0, 9 * m), "can not be less than memory reservation"),
        ] {
            assert!(given.check().unwrap_err().message().contains(reason), "{given:?}");
        }
        for (given, both) in [
            (resources(8 * m, 0, 7 * m), Some(16 << 20)),
            (resources(8 * m, 8 << 20, 0), Some(8 << 20)),
            (resources(8 * m, -1, 0), Some(-1)),
            (resources(0, -1, 0), Some(-1)),
            (resources(0, 0, 0), None),
        ] {
            given.check().unwrap();
            assert_eq!(given.memory_and_swap(), both, "{given:?}");
        }
        assert_eq!(memory_swap("-1").unwrap(), Some(-1));
        assert_eq!(memory_swap("1g").unwrap(), Some(1 << 30));
        assert!(memory_swap("x").unwrap_err().message().contains("--memory-swap"));
    }

    #[test]
    fn processor_options_exclude_each_other() {
        let cpu = |nano, quota, period| Resources {
            nano_cpus: nano,
            cpu_quota: quota,
            cpu_period: period,
            ..Resources::default()
        };
        for (given, reason) in [
            (cpu(Some(1), None, Some(1000)), "Nano CPUs and CPU Period"),
            (cpu(Some(1), Some(1000), None), "Nano CPUs and CPU Quota"),
            (cpu(None, None, Some(999)), "CPU cfs period"),
            (cpu(None, None, Some(1_000_001)), "CPU cfs period"),
            (cpu(None, Some(999), None), "CPU cfs quota"),
        ] {
            assert!(given.check().unwrap_err().message().contains(reason), "{given:?}");
        }
        assert_eq!(cpu(Some(1_500_000_000), None, None).cpu_time(), Some((Some(150_000), 100_000)));
        assert_eq!(cpu(None, Some(5000), None).cpu_time(), Some((Some(5000), 100_000)));
        assert_eq!(cpu(None, Some(-1), Some(2000)).cpu_time(), Some((None, 2000)));
        assert_eq!(cpu(None, None, None).cpu_time(), None);
        let too_many = cpu(Some(3_000_000_000), None, None).check_machine(2).unwrap_err();
        assert!(too_many.message().contains("from 0.01 to 2.00"), "{too_many}");
        assert!(cpu(Some(1_000_000), None, None).check_machine(2).is_err());
        assert!(cpu(Some(2_000_000_000), None, None).check_machine(2).is_ok());
    }

    #[test]
    fn lists_of_processors() {
        assert_eq!(members("0-2,4,1").unwrap(), [0, 1, 2, 4]);
        for bad in ["", "a", "2-1", "1-", "-1", "1,,2", "0-99999", "+1"] {
            assert_eq!(members(bad), None, "{bad}");
        }
        assert_eq!(cpu_list("--cpuset-cpus", "").unwrap(), None);
        assert!(cpu_list("--cpuset-cpus", "x").unwrap_err().message().contains("Invalid value x for cpuset cpus"));
    }

    #[test]
    fn devices_have_weights_and_rates() {
        let one = |text: &str| [text.to_owned()];
        let value = |path: &str, value| vec![DeviceValue { path: path.into(), value }];
        assert_eq!(device_weights(&one("/dev/sda:100")).unwrap(), value("/dev/sda", 100));
        assert_eq!(device_bps(&one("/dev/sda:1mb")).unwrap(), value("/dev/sda", 1 << 20));
        assert_eq!(device_iops(&one("/dev/disk/by-id/a:b:7")).unwrap(), value("/dev/disk/by-id/a:b", 7));
        for (outcome, reason) in [
            (device_weights(&one("/dev/sda")), "bad format"),
            (device_weights(&one("sda:100")), "bad format for device path"),
            (device_weights(&one("/dev/sda:9")), "invalid weight for device"),
            (device_bps(&one("/dev/sda:x")), "invalid rate for device"),
            (device_iops(&one("/dev/sda:1mb")), "<device-path>:<number>. Number"),
        ] {
            assert!(outcome.unwrap_err().message().contains(reason), "{reason}");
        }
    }

    #[test]
    fn an_update_changes_what_it_gives() {
        let old = Resources { memory: Some(8 << 20), memory_swap: Some(16 << 20), ..Resources::default() };
        let new = old.updated(&Resources { pids: Some(5), ..Resources::default() }).unwrap();
        assert_eq!((new.memory, new.pids), (Some(8 << 20), Some(5)));
        let error = old.updated(&Resources { memory: Some(17 << 20), ..Resources::default() }).unwrap_err();
        assert!(error.message().contains("update the memoryswap at the same time"), "{error}");
        let both = Resources { memory: Some(17 << 20), memory_swap: Some(-1), ..Resources::default() };
        assert_eq!(old.updated(&both).unwrap().memory_and_swap(), Some(-1));
        assert!(old.updated(&Resources { memory: Some(1), ..Resources::default() }).is_err());
    }

    #[test]
    fn every_option_can_be_left_out() {
        let device = || vec![DeviceValue { path: "/dev/sda".into(), value: 100 }];
        let all = Resources {
            nano_cpus: Some(1),
            cpu_shares: Some(2),
            cpuset_cpus: Some("0".into()),
            cpuset_mems: Some("0".into()),
            memory: Some(1),
            memory_swap: Some(2),
            memory_reservation: Some(1),
            pids: Some(1),
            io_weight: Some(10),
            io_weights: device(),
            read_bps: device(),
            write_bps: device(),
            read_iops: device(),
            write_iops: device(),
            ..Resources::default()
        };
        assert!(all.only(&[]).is_default());
        let settings = super::super::cgroup2::settings(&all, &|_| Ok((8, 0))).unwrap();
        let options: Vec<&str> = settings.iter().map(|setting| setting.option).collect();
        assert_eq!(all.only(&options), all);
        assert_eq!(all.only(&["--memory"]), Resources { memory: Some(1), ..Resources::default() });
    }

    #[test]
    fn what_cgroup_2_lacks_is_refused() {
        assert!(swappiness("-1").is_ok());
        assert!(swappiness("10").unwrap_err().message().contains("cgroup v2 has no such setting"));
        assert!(swappiness("0").is_err());
        assert!(swappiness("101").unwrap_err().message().contains("range is 0-100"));
        assert!(no_realtime("--cpu-rt-period").message().contains("--cpu-rt-period"));
        assert_eq!(Enforcement::parse("best-effort").unwrap(), Enforcement::BestEffort);
        assert!(Enforcement::parse("x").is_err());
    }
}
