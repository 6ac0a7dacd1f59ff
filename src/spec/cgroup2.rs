//! From the limits of a container to the files of cgroup v2 that set them (Documentation/admin-guide/cgroup-v2.rst of the
//! kernel): a pure translation.

use super::resources::{DeviceValue, Resources, USUAL_PIDS};
use crate::base::Result;

/// A file of a control group, and what is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The file: `memory.max`. The controller is what stands before the first point.
    pub file: &'static str,
    /// One write.
    pub value: String,
    /// The option that it is for.
    pub option: &'static str,
    /// It is left out where the kernel does not have the file: nobody has asked for it by name.
    pub implied: bool,
}

impl Setting {
    /// The controller that has the file.
    pub fn controller(&self) -> &'static str {
        self.file.split_once('.').map_or(self.file, |(controller, _)| controller)
    }
}

/// `max`, or a number.
fn or_max(number: i64) -> String {
    match number < 0 {
        true => "max".into(),
        false => number.to_string(),
    }
}

/// The settings for these limits. `number` finds the major and minor number of a device by its path.
pub fn settings(limits: &Resources, number: &dyn Fn(&str) -> Result<(u32, u32)>) -> Result<Vec<Setting>> {
    let mut all = Vec::new();
    let mut set = |file, value: String, option| all.push(Setting { file, value, option, implied: false });
    if let Some(shares) = limits.cpu_shares {
        set("cpu.weight", weight_of_shares(shares).to_string(), "--cpu-shares");
    }
    if let Some((quota, period)) = limits.cpu_time() {
        let quota = quota.map_or_else(|| "max".into(), |quota| quota.to_string());
        let option = match (limits.nano_cpus, limits.cpu_quota) {
            (Some(_), _) => "--cpus",
            (None, Some(_)) => "--cpu-quota",
            (None, None) => "--cpu-period",
        };
        set("cpu.max", format!("{quota} {period}"), option);
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        set("cpuset.cpus", cpus.clone(), "--cpuset-cpus");
    }
    if let Some(mems) = &limits.cpuset_mems {
        set("cpuset.mems", mems.clone(), "--cpuset-mems");
    }
    if let Some(memory) = limits.memory {
        set("memory.max", memory.to_string(), "--memory");
    }
    if let Some(reservation) = limits.memory_reservation {
        set("memory.low", reservation.to_string(), "--memory-reservation");
    }
    if let Some(pids) = limits.pids {
        set("pids.max", or_max(pids), "--pids-limit");
    }
    if let Some(weight) = limits.io_weight {
        set("io.weight", format!("default {}", io_weight(weight.into())), "--blkio-weight");
    }
    for DeviceValue { path, value } in &limits.io_weights {
        let (major, minor) = number(path)?;
        set("io.weight", format!("{major}:{minor} {}", io_weight(*value)), "--blkio-weight-device");
    }
    for (devices, key, option) in [
        (&limits.read_bps, "rbps", "--device-read-bps"),
        (&limits.write_bps, "wbps", "--device-write-bps"),
        (&limits.read_iops, "riops", "--device-read-iops"),
        (&limits.write_iops, "wiops", "--device-write-iops"),
    ] {
        for DeviceValue { path, value } in devices {
            let (major, minor) = number(path)?;
            // 0 is no limit with docker; the kernel refuses it.
            let rate = if *value == 0 { "max".into() } else { value.to_string() };
            set("io.max", format!("{major}:{minor} {key}={rate}"), option);
        }
    }
    if limits.usual_pids && limits.pids.is_none() {
        let value = USUAL_PIDS.to_string();
        all.push(Setting { file: "pids.max", value, option: "--pids-limit", implied: true });
    }
    if let Some(both) = limits.memory_and_swap() {
        // cgroup v2 counts swap apart from memory.
        let swap = match limits.memory {
            _ if both < 0 => -1,
            Some(memory) => both.saturating_sub_unsigned(memory).max(0),
            None => both,
        };
        let (option, implied) = match limits.memory_swap {
            Some(_) => ("--memory-swap", false),
            None => ("--memory", true),
        };
        all.push(Setting { file: "memory.swap.max", value: or_max(swap), option, implied });
    }
    Ok(all)
}

/// The weight of cgroup v2 for cgroup v1's shares: 1 for 2, 100 for 1024 and 10000 for 262144, which are least, usual and
/// greatest. The exponent is the parabola through these points over the logarithm of the shares, as
/// opencontainers/cgroups and crun have it since 2025; the straight line before that made 39 of the usual 1024.
pub fn weight_of_shares(shares: u64) -> u64 {
    let log = (shares.clamp(2, 262_144) as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    // Rounding errors of the fitted points must not count upwards.
    ((10f64.powf(exponent) - 1e-6).ceil() as u64).clamp(1, 10_000)
}

/// From docker's weights of 10 to 1000 to 1 to 10000, as runc has it.
fn io_weight(weight: u64) -> u64 {
    1 + weight.saturating_sub(10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limits: &Resources) -> Vec<(&'static str, String)> {
        let number = |path: &str| Ok((8, path.len() as u32));
        settings(limits, &number).unwrap().into_iter().map(|setting| (setting.file, setting.value)).collect()
    }

    #[test]
    fn shares_become_weights() {
        for (shares, weight) in
            [(0, 1), (2, 1), (1024, 100), (262_144, 10_000), (1 << 40, 10_000), (512, 59), (2048, 174)]
        {
            assert_eq!(weight_of_shares(shares), weight, "{shares}");
        }
        assert_eq!([10, 500, 1000].map(io_weight), [1, 4950, 10_000]);
    }

    #[test]
    fn limits_become_files() {
        let none = Resources::default();
        let m = 1u64 << 20;
        let memory = |memory, swap| Resources { memory: Some(memory), memory_swap: swap, ..none.clone() };
        let device = |value| vec![DeviceValue { path: "/dev/sda".into(), value }];
        let table: Vec<(Resources, Vec<(&str, &str)>)> = vec![
            (none.clone(), vec![]),
            (Resources { nano_cpus: Some(500_000_000), ..none.clone() }, vec![("cpu.max", "50000 100000")]),
            (Resources { cpu_quota: Some(-1), ..none.clone() }, vec![("cpu.max", "max 100000")]),
            (
                Resources { cpu_quota: Some(2000), cpu_period: Some(4000), ..none.clone() },
                vec![("cpu.max", "2000 4000")],
            ),
            (Resources { cpu_shares: Some(1024), ..none.clone() }, vec![("cpu.weight", "100")]),
            (memory(8 * m, None), vec![("memory.max", "8388608"), ("memory.swap.max", "8388608")]),
            (memory(8 * m, Some(8 << 20)), vec![("memory.max", "8388608"), ("memory.swap.max", "0")]),
            (memory(8 * m, Some(-1)), vec![("memory.max", "8388608"), ("memory.swap.max", "max")]),
            (memory(8 * m, Some(9 << 20)), vec![("memory.max", "8388608"), ("memory.swap.max", "1048576")]),
            (Resources { memory_swap: Some(-1), ..none.clone() }, vec![("memory.swap.max", "max")]),
            (Resources { memory_reservation: Some(8 * m), ..none.clone() }, vec![("memory.low", "8388608")]),
            (Resources { pids: Some(-1), ..none.clone() }, vec![("pids.max", "max")]),
            (Resources { pids: Some(10), ..none.clone() }, vec![("pids.max", "10")]),
            (Resources { usual_pids: true, ..none.clone() }, vec![("pids.max", "2048")]),
            (Resources { usual_pids: true, pids: Some(-1), ..none.clone() }, vec![("pids.max", "max")]),
            (
                Resources { cpuset_cpus: Some("0-1".into()), cpuset_mems: Some("0".into()), ..none.clone() },
                vec![("cpuset.cpus", "0-1"), ("cpuset.mems", "0")],
            ),
            (
                Resources { io_weight: Some(1000), io_weights: device(10), ..none.clone() },
                vec![("io.weight", "default 10000"), ("io.weight", "8:8 1")],
            ),
            (
                Resources { read_bps: device(m), write_iops: device(0), ..none },
                vec![("io.max", "8:8 rbps=1048576"), ("io.max", "8:8 wiops=max")],
            ),
        ];
        for (limits, files) in table {
            let files: Vec<(&str, String)> = files.into_iter().map(|(file, value)| (file, value.to_owned())).collect();
            assert_eq!(written(&limits), files, "{limits:?}");
        }
    }

    #[test]
    fn a_setting_knows_its_option_and_its_controller() {
        let limits = Resources { memory: Some(8 << 20), cpu_period: Some(1000), ..Resources::default() };
        let all = settings(&limits, &|_| Ok((0, 0))).unwrap();
        let told: Vec<_> = all.iter().map(|it| (it.controller(), it.option, it.implied)).collect();
        assert_eq!(told, [("cpu", "--cpu-period", false), ("memory", "--memory", false), ("memory", "--memory", true)]);
    }
}
