//! The limits and devices of a container, with docker's names (`Resources` of its API), and how the limits of its last run
//! are in force.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::container::{ContainerConfig, Enforced};
use crate::spec::resources::{DeviceValue, USUAL_PIDS};

/// The part of `HostConfig` that is about limits and devices, in docker's order.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resources {
    cpu_shares: u64,
    memory: u64,
    nano_cpus: u64,
    cgroup_parent: String,
    blkio_weight: u16,
    blkio_weight_device: Vec<Weight>,
    blkio_device_read_bps: Vec<Rate>,
    blkio_device_write_bps: Vec<Rate>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    blkio_device_read_iops: Vec<Rate>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    blkio_device_write_iops: Vec<Rate>,
    cpu_period: u64,
    cpu_quota: i64,
    cpu_realtime_period: u64,
    cpu_realtime_runtime: u64,
    cpuset_cpus: String,
    cpuset_mems: String,
    devices: Vec<Device>,
    device_cgroup_rules: Option<Vec<String>>,
    device_requests: Option<Vec<Request>>,
    memory_reservation: u64,
    memory_swap: i64,
    memory_swappiness: Option<u64>,
    oom_kill_disable: Option<bool>,
    pids_limit: Option<i64>,
    ulimits: Vec<Ulimit>,
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

/// Devices of CDI.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    driver: &'static str,
    count: u32,
    #[serde(rename = "DeviceIDs")]
    device_ids: Vec<String>,
    capabilities: Option<Vec<Vec<String>>>,
    options: Option<BTreeMap<String, String>>,
}

/// The weight of a device.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Weight {
    path: String,
    weight: u64,
}

/// The rate of a device.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rate {
    path: String,
    rate: u64,
}

/// A limit of each process.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ulimit {
    name: String,
    hard: i64,
    soft: i64,
}

/// How limits are in force that are not what was asked for: coracle's own.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Differing {
    approximate: BTreeMap<String, String>,
    missing: Vec<String>,
}

impl Resources {
    /// Those of a container. `has_group`: whether it has, or would have, a control group, so that the usual limits hold.
    pub(super) fn of(config: &ContainerConfig, has_group: bool) -> Self {
        let limits = &config.resources;
        let devices = config.security.devices.iter().map(|device| Device {
            path_on_host: device.host.display().to_string(),
            path_in_container: device.path.clone(),
            cgroup_permissions: "rwm",
        });
        let ulimits =
            limits.ulimits.iter().map(|limit| Ulimit { name: limit.name.clone(), hard: limit.hard, soft: limit.soft });
        let weights = limits.io_weights.iter().map(|device| Weight { path: device.path.clone(), weight: device.value });
        Self {
            cpu_shares: limits.cpu_shares.unwrap_or(0),
            memory: limits.memory.unwrap_or(0),
            nano_cpus: limits.nano_cpus.unwrap_or(0),
            cgroup_parent: config.cgroups.parent.clone().unwrap_or_default(),
            blkio_weight: limits.io_weight.unwrap_or(0),
            blkio_weight_device: weights.collect(),
            blkio_device_read_bps: rates(&limits.read_bps),
            blkio_device_write_bps: rates(&limits.write_bps),
            blkio_device_read_iops: rates(&limits.read_iops),
            blkio_device_write_iops: rates(&limits.write_iops),
            cpu_period: limits.cpu_period.unwrap_or(0),
            cpu_quota: limits.cpu_quota.unwrap_or(0),
            cpuset_cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
            cpuset_mems: limits.cpuset_mems.clone().unwrap_or_default(),
            devices: devices.collect(),
            device_cgroup_rules: Some(config.security.device_rules.clone()).filter(|rules| !rules.is_empty()),
            device_requests: requests(&config.security.cdi),
            memory_reservation: limits.memory_reservation.unwrap_or(0),
            memory_swap: limits.memory_and_swap().unwrap_or(0),
            pids_limit: limits.pids.or_else(|| (limits.usual_pids && has_group).then_some(USUAL_PIDS)),
            ulimits: ulimits.collect(),
            ..Self::default()
        }
    }
}

/// The devices of CDI, as docker shows them.
fn requests(names: &[String]) -> Option<Vec<Request>> {
    let request = Request { driver: "cdi", count: 0, device_ids: names.to_vec(), capabilities: None, options: None };
    (!names.is_empty()).then(|| vec![request])
}

fn rates(devices: &[DeviceValue]) -> Vec<Rate> {
    devices.iter().map(|device| Rate { path: device.path.clone(), rate: device.value }).collect()
}

impl Differing {
    /// None if all is as it was asked for.
    pub(super) fn of(limits: &Enforced) -> Option<Self> {
        (!limits.approximate.is_empty() || !limits.missing.is_empty()).then(|| Self {
            approximate: limits.approximate.iter().cloned().collect(),
            missing: limits.missing.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::spec::resources;
    use crate::state::Status;

    #[test]
    fn limits_have_dockers_keys() {
        let mut config = fixtures::container("web", 0, Status::Created).config;
        let json =
            |config: &ContainerConfig, has_group| serde_json::to_value(Resources::of(config, has_group)).unwrap();
        assert_eq!(json(&config, true)["PidsLimit"], serde_json::Value::Null);
        config.resources.usual_pids = true;
        assert_eq!(json(&config, true)["PidsLimit"], 2048);
        assert_eq!(json(&config, false)["PidsLimit"], serde_json::Value::Null);
        config.resources = resources::Resources {
            memory: Some(64 << 20),
            nano_cpus: Some(500_000_000),
            read_bps: vec![DeviceValue { path: "/dev/sda".into(), value: 7 }],
            ulimits: vec![crate::spec::ulimit::Ulimit { name: "core".into(), soft: 0, hard: 5 }],
            ..resources::Resources::default()
        };
        let json = json(&config, true);
        assert_eq!((&json["Memory"], &json["MemorySwap"]), (&(64u64 << 20).into(), &(128u64 << 20).into()));
        assert_eq!(json["NanoCpus"], 500_000_000);
        assert_eq!(json["BlkioDeviceReadBps"], serde_json::json!([{"Path": "/dev/sda", "Rate": 7}]));
        assert_eq!(json["Ulimits"], serde_json::json!([{"Name": "core", "Hard": 5, "Soft": 0}]));
    }

    #[test]
    fn what_differs_is_told() {
        assert!(Differing::of(&Enforced { cgroup: Some("/x".into()), ..Enforced::default() }).is_none());
        let limits = Enforced { approximate: vec![("--memory".into(), "x".into())], ..Enforced::default() };
        let json = serde_json::to_value(Differing::of(&limits)).unwrap();
        assert_eq!(json, serde_json::json!({"Approximate": {"--memory": "x"}, "Missing": []}));
    }
}
