//! What a service may take of the machine: its own keys, and those of `deploy.resources`, which win.

use super::{Usual, of};
use crate::base::Result;
use crate::compose::node::{Node, Value};
use crate::compose::read::{at, integer, number, placed, text};
use crate::spec::resources::{self, Resources};
use crate::spec::ulimit::Ulimit;

/// The limits of a service.
pub fn resources(service: &Node, usual: &Usual) -> Result<Resources> {
    if service.is_true("oom_kill_disable") {
        return of(service, "oom_kill_disable", Err(resources::no_oom_kill_disable()));
    }
    for key in ["cpu_rt_period", "cpu_rt_runtime"] {
        if number(service, key).is_some() {
            return of(service, key, Err(resources::no_realtime(key)));
        }
    }
    if let Some(swappiness) = number(service, "mem_swappiness") {
        of(service, "mem_swappiness", resources::swappiness(&swappiness))?;
    }
    let given = |key: &str, read: &dyn Fn(&str, &str) -> Result<Option<u64>>| -> Result<Option<u64>> {
        number(service, key).map_or(Ok(None), |value| of(service, key, read(key, &value)))
    };
    let count = |key: &str, value: &str| resources::number::<u64>(key, value);
    let list =
        |key: &str| text(service, key).map_or(Ok(None), |value| of(service, key, resources::cpu_list(key, &value)));
    let mut limits = Resources {
        nano_cpus: given("cpus", &|_, value| resources::cpus(value))?,
        cpu_shares: given("cpu_shares", &count)?,
        cpu_period: given("cpu_period", &count)?,
        cpu_quota: number(service, "cpu_quota")
            .map_or(Ok(None), |value| of(service, "cpu_quota", resources::number::<i64>("cpu_quota", &value)))?,
        cpuset_cpus: list("cpuset")?,
        memory: given("mem_limit", &|key, value| resources::bytes(key, value))?,
        memory_swap: number(service, "memswap_limit")
            .map_or(Ok(None), |value| of(service, "memswap_limit", resources::memory_swap(&value)))?,
        memory_reservation: given("mem_reservation", &|key, value| resources::bytes(key, value))?,
        pids: number(service, "pids_limit")
            .map_or(Ok(None), |value| of(service, "pids_limit", resources::pids(&value)))?,
        oom_score_adj: integer(service, "oom_score_adj")
            .filter(|score| *score != 0)
            .and_then(|score| score.try_into().ok()),
        ulimits: ulimits(service)?,
        ..Resources::default()
    };
    block_io(service, &mut limits)?;
    deploy(service, &mut limits)?;
    limits.check().map_err(|error| placed(service, "limits", &error))?;
    if limits.is_default() {
        return Ok(Resources { usual_pids: usual.usual_pids, ..limits });
    }
    let usual_pids = usual.usual_pids && limits.pids.is_none();
    Ok(Resources { enforcement: usual.enforcement, usual_pids, ..limits })
}

fn deploy(service: &Node, limits: &mut Resources) -> Result<()> {
    if let Some(given) = at(service, &["deploy", "resources", "limits"]) {
        let wrong = |key: &'static str| move |error| placed(given, key, &error);
        if let Some(cpus) = number(given, "cpus") {
            limits.nano_cpus = resources::cpus(&cpus).map_err(wrong("deploy.resources.limits.cpus"))?;
        }
        if let Some(memory) = number(given, "memory") {
            limits.memory = resources::bytes("memory", &memory).map_err(wrong("deploy.resources.limits.memory"))?;
        }
        if let Some(pids) = number(given, "pids") {
            limits.pids = resources::pids(&pids).map_err(wrong("deploy.resources.limits.pids"))?;
        }
    }
    if let Some(given) = at(service, &["deploy", "resources", "reservations"])
        && let Some(memory) = number(given, "memory")
    {
        let read = resources::bytes("memory", &memory);
        limits.memory_reservation =
            read.map_err(|error| placed(given, "deploy.resources.reservations.memory", &error))?;
    }
    Ok(())
}

fn ulimits(service: &Node) -> Result<Vec<Ulimit>> {
    let one = |(name, limit): (&String, &Node)| {
        let numbers = match &limit.value {
            Value::Map(_) => {
                format!("{}:{}", integer(limit, "soft").unwrap_or_default(), integer(limit, "hard").unwrap_or_default())
            }
            _ => limit.scalar().unwrap_or_default(),
        };
        Ulimit::parse(&format!("{name}={numbers}")).map_err(|error| placed(limit, "ulimits", &error))
    };
    service.entries("ulimits").map(one).collect()
}

fn block_io(service: &Node, limits: &mut Resources) -> Result<()> {
    let Some(config) = service.get("blkio_config") else { return Ok(()) };
    let wrong = |error| placed(config, "blkio_config", &error);
    let list = |key: &str, value: &str| -> Vec<String> {
        let items = config.get(key).map(Node::items).unwrap_or_default().iter();
        let one = |item: &Node| Some(format!("{}:{}", item.text_of("path")?, item.get(value)?.scalar()?));
        items.filter_map(one).collect()
    };
    if let Some(weight) = number(config, "weight") {
        limits.io_weight = resources::number("blkio_config.weight", &weight).map_err(wrong)?;
    }
    limits.io_weights = resources::device_weights(&list("weight_device", "weight")).map_err(wrong)?;
    limits.read_bps = resources::device_bps(&list("device_read_bps", "rate")).map_err(wrong)?;
    limits.write_bps = resources::device_bps(&list("device_write_bps", "rate")).map_err(wrong)?;
    limits.read_iops = resources::device_iops(&list("device_read_iops", "rate")).map_err(wrong)?;
    limits.write_iops = resources::device_iops(&list("device_write_iops", "rate")).map_err(wrong)?;
    Ok(())
}
