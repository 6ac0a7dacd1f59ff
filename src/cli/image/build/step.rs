//! Flags of `build` about its steps, which are containers: they mean what they mean to `run`.

use clap::Args;

use crate::base::{Error, Result, text};
use crate::cli::config::Config;
use crate::cli::container::options::Around;
use crate::cli::container::options::cgroups::CgroupOptions;
use crate::cli::container::options::namespaces::NamespaceOptions;
use crate::cli::container::options::networking::NetworkingOptions;
use crate::cli::container::options::resources::{LimitOptions, ResourceOptions};
use crate::cli::container::options::security::SecurityOptions;
use crate::cli::container::options::storage::StorageOptions;
use crate::engine::request::CreateRequest;
use crate::spec::namespaces::NetworkRequest;
use crate::spec::network::Wish;
use crate::spec::security::{Device, Security};

/// Flags about steps.
#[derive(Debug, Clone, Default, Args)]
pub struct StepArguments {
    /// Add a name to /etc/hosts of the steps: NAME:ADDRESS
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub add_host: Vec<String>,
    /// Give the steps a Linux capability
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Take a Linux capability from the steps
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// The control group above those of the steps: a slice of systemd, or a path
    #[arg(long, value_name = "GROUP")]
    pub cgroup_parent: Option<String>,
    /// Whose control groups the steps see: private or host
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
    /// The period of --cpu-quota in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<String>,
    /// Processor time of a step in each period, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_quota: Option<String>,
    /// A step's share of processor time; 1024 is usual
    #[arg(short = 'c', long, value_name = "SHARES")]
    pub cpu_shares: Option<String>,
    /// The processors that steps may run on: 0-2,4
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// The memory nodes that steps may use: 0,1
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Give the steps a device of the host
    #[arg(long, value_name = "HOST-DEVICE[:CONTAINER-DEVICE]")]
    pub device: Vec<Device>,
    /// A DNS server for the steps
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// An option of the steps' resolv.conf
    #[arg(long, value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Complete names with this domain in the steps
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Give the steps this machine's proxy variables (default true)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub http_proxy: Option<bool>,
    /// How steps are confined: default or oci, which is as containers are
    #[arg(long, value_name = "TYPE")]
    pub isolation: Option<String>,
    /// How much memory a step may use
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<String>,
    /// Memory and swap of a step together; -1 for no limit of swap
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// The network of the steps: default, none, host or the name of a network
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Leave /etc/hosts of the steps as the image has it
    #[arg(long)]
    pub no_hosts: bool,
    /// Security options of the steps: no-new-privileges, seccomp=FILE|unconfined, mask=PATH, unmask=PATH|ALL, label=…, apparmor=unconfined
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Size of /dev/shm of the steps
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,
    /// A resource limit of each process of the steps: NAME=SOFT[:HARD]
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// Whose ids the steps have: host, keep-id, nomap or auto
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Mount a directory of this machine in each step: SOURCE:TARGET[:OPTIONS]
    #[arg(short, long, value_name = "SOURCE:TARGET[:OPTIONS]")]
    pub volume: Vec<String>,
}

impl StepArguments {
    /// What the container of each step is made from.
    pub fn request(self, around: &Around<'_>) -> Result<CreateRequest> {
        if let Some(other) = self.isolation.as_deref().filter(|given| !["", "default", "oci"].contains(given)) {
            return Err(Error::unsupported(format!("--isolation={} is not supported", text::clean(other)))
                .hint("steps are confined as containers are: `--isolation=oci`"));
        }
        let namespaces =
            NamespaceOptions { userns: self.userns, cgroupns: self.cgroupns, ..NamespaceOptions::default() };
        let mut namespaces = namespaces.group(around)?;
        namespaces.networks = networks(self.network.as_deref());
        let networking = NetworkingOptions {
            add_host: self.add_host,
            dns: self.dns,
            dns_option: self.dns_option,
            dns_search: self.dns_search,
            no_hosts: self.no_hosts,
            ..NetworkingOptions::default()
        };
        let configured = || Ok(Config::read(&around.environment.configuration()?)?.network);
        let limits = LimitOptions {
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpu_shares: self.cpu_shares,
            cpuset_cpus: self.cpuset_cpus,
            cpuset_mems: self.cpuset_mems,
            memory: self.memory,
            memory_swap: self.memory_swap,
            ..LimitOptions::default()
        };
        let security = SecurityOptions {
            cap_add: self.cap_add,
            cap_drop: self.cap_drop,
            security_opt: self.security_opt,
            ..SecurityOptions::default()
        };
        let security = Security { devices: self.device, ..security.group(around)? };
        let cgroups = CgroupOptions { cgroup_parent: self.cgroup_parent, ..CgroupOptions::default() };
        if let Some(anonymous) = self.volume.iter().find(|volume| !volume.contains(':')) {
            return Err(Error::usage(format!("invalid argument `{}` for `--volume`", text::clean(anonymous)))
                .hint("it is SOURCE:TARGET[:OPTIONS]"));
        }
        let storage = StorageOptions { shm_size: self.shm_size, volume: self.volume, ..StorageOptions::default() };
        Ok(CreateRequest {
            networking: networking.group(namespaces.has_networks(), configured)?,
            namespaces,
            security,
            storage: storage.group(around)?,
            resources: ResourceOptions { limits, ulimit: self.ulimit, ..ResourceOptions::default() }.group(around)?,
            cgroups: cgroups.group(around)?,
            ..CreateRequest::default()
        })
    }
}

fn networks(given: Option<&str>) -> Vec<NetworkRequest> {
    match given {
        None | Some("default" | "") => Vec::new(),
        Some("none") => vec![NetworkRequest::None],
        Some("host") => vec![NetworkRequest::Host],
        Some(name) => vec![NetworkRequest::Named(name.to_owned(), Wish::default())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        assert_eq!(networks(Some("none")), [NetworkRequest::None]);
        assert!(networks(Some("default")).is_empty() && networks(None).is_empty());
        assert!(matches!(&networks(Some("web"))[..], [NetworkRequest::Named(name, _)] if name == "web"));
    }
}
