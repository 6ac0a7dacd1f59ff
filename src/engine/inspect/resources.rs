//! The limits and devices of a container, with docker's names (`Resources` of its API). No limit is in force: coracle sets
//! none yet, so that each has the value that docker shows for a container without any.

use serde::Serialize;

use crate::spec::container::ContainerConfig;

/// The part of `HostConfig` that is about limits and devices, in docker's order.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resources {
    cpu_shares: u64,
    memory: u64,
    nano_cpus: u64,
    cgroup_parent: &'static str,
    blkio_weight: u16,
    blkio_weight_device: [(); 0],
    blkio_device_read_bps: [(); 0],
    blkio_device_write_bps: [(); 0],
    #[serde(rename = "BlkioDeviceReadIOps")]
    blkio_device_read_iops: [(); 0],
    #[serde(rename = "BlkioDeviceWriteIOps")]
    blkio_device_write_iops: [(); 0],
    cpu_period: u64,
    cpu_quota: i64,
    cpu_realtime_period: u64,
    cpu_realtime_runtime: u64,
    cpuset_cpus: &'static str,
    cpuset_mems: &'static str,
    devices: Vec<Device>,
    device_cgroup_rules: Option<[(); 0]>,
    device_requests: Option<[(); 0]>,
    memory_reservation: u64,
    memory_swap: i64,
    memory_swappiness: Option<u64>,
    oom_kill_disable: Option<bool>,
    pids_limit: Option<i64>,
    ulimits: [(); 0],
    cpu_count: u64,
    cpu_percent: u64,
    #[serde(rename = "IOMaximumIOps")]
    io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    io_maximum_bandwidth: u64,
}

/// A device of the host.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Device {
    path_on_host: String,
    path_in_container: String,
    cgroup_permissions: &'static str,
}

impl Resources {
    /// Those of a container.
    pub(super) fn of(config: &ContainerConfig) -> Self {
        let devices = config.security.devices.iter().map(|device| Device {
            path_on_host: device.host.display().to_string(),
            path_in_container: device.path.clone(),
            cgroup_permissions: "rwm",
        });
        Self { devices: devices.collect(), ..Self::default() }
    }
}
