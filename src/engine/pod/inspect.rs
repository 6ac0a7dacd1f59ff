//! `pod inspect`: a pod with podman's keys (podman 5).

use std::collections::BTreeMap;

use serde::Serialize;

use super::PodNow;
use crate::base::time::rfc3339_nanos;
use crate::spec::container::ContainerConfig;
use crate::spec::namespaces::NetworkMode;
use crate::spec::network::Publish;

/// A pod as `podman pod inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PodReport {
    /// Its whole id.
    pub id: String,
    /// Its name.
    pub name: String,
    created: String,
    exit_policy: &'static str,
    state: &'static str,
    hostname: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    create_cgroup: bool,
    create_infra: bool,
    #[serde(rename = "InfraContainerID", skip_serializing_if = "String::is_empty")]
    infra_container_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    infra_config: Option<InfraConfig>,
    shared_namespaces: Option<Vec<&'static str>>,
    num_containers: usize,
    containers: Vec<Member>,
    restart_policy: &'static str,
    lock_number: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    id: String,
    name: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InfraConfig {
    port_bindings: BTreeMap<String, Vec<Binding>>,
    host_network: bool,
    #[serde(rename = "StaticIP")]
    static_ip: String,
    #[serde(rename = "StaticMAC")]
    static_mac: String,
    no_manage_resolv_conf: bool,
    #[serde(rename = "DNSServer")]
    dns_server: Option<Vec<String>>,
    #[serde(rename = "DNSSearch")]
    dns_search: Option<Vec<String>>,
    #[serde(rename = "DNSOption")]
    dns_option: Option<Vec<String>>,
    no_manage_hosts: bool,
    host_add: Option<Vec<String>>,
    hosts_file: &'static str,
    networks: Option<Vec<String>>,
    network_options: Option<()>,
    #[serde(rename = "pid_ns")]
    pid_ns: String,
    userns: String,
    #[serde(rename = "uts_ns")]
    uts_ns: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_ip: String,
    host_port: String,
}

/// What `inspect` shows of a pod.
pub fn report(now: &PodNow) -> PodReport {
    let pod = &now.pod;
    let infra = pod.infra.as_deref();
    let shared: Vec<&'static str> = pod.share.iter().map(|kind| kind.word()).collect();
    PodReport {
        id: pod.id.to_string(),
        name: pod.name.to_string(),
        created: rfc3339_nanos(pod.created),
        exit_policy: pod.exit_policy.word(),
        state: now.status().word(),
        hostname: infra.map(|config| config.identity.hostname.clone()).unwrap_or_default(),
        labels: pod.labels.clone(),
        create_cgroup: false,
        create_infra: infra.is_some(),
        infra_container_id: infra.map(|config| config.id.to_string()).unwrap_or_default(),
        infra_config: infra.map(infra_config),
        shared_namespaces: Some(shared).filter(|shared| infra.is_some() && !shared.is_empty()),
        num_containers: now.containers.len(),
        containers: now
            .containers
            .iter()
            .map(|container| Member {
                id: container.config.id.to_string(),
                name: container.name.to_string(),
                state: container.status.phase().word(),
            })
            .collect(),
        restart_policy: pod.restart.name(),
        lock_number: 0,
    }
}

fn infra_config(config: &ContainerConfig) -> InfraConfig {
    let (networking, namespaces) = (&config.networking, &config.namespaces);
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    let wish = namespaces.network.members().first().map(|member| &member.wish);
    let hosts = networking.add_hosts.iter().flat_map(|entry| {
        let address = entry.address.map_or_else(|| "host-gateway".to_owned(), |address| address.to_string());
        entry.names.iter().map(move |name| format!("{name}:{address}"))
    });
    InfraConfig {
        port_bindings: bindings(&networking.ports),
        host_network: namespaces.network == NetworkMode::Host,
        static_ip: wish.and_then(|wish| wish.ipv4).map(|ip| ip.to_string()).unwrap_or_default(),
        static_mac: wish.and_then(|wish| wish.mac).map(|mac| mac.to_string()).unwrap_or_default(),
        no_manage_resolv_conf: false,
        dns_server: some(networking.dns.iter().map(ToString::to_string).collect()),
        dns_search: some(networking.dns_search.clone()),
        dns_option: some(networking.dns_options.clone()),
        no_manage_hosts: networking.no_hosts,
        host_add: some(hosts.collect()),
        hosts_file: "",
        networks: some(namespaces.network.members().iter().map(|member| member.network.to_string()).collect()),
        network_options: None,
        pid_ns: namespaces.pid.word(),
        userns: match namespaces.user.word() {
            "" => "host".into(),
            word => word.into(),
        },
        uts_ns: namespaces.uts.word(),
    }
}

fn bindings(ports: &[Publish]) -> BTreeMap<String, Vec<Binding>> {
    let mut bindings: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
    for publish in ports {
        bindings.entry(publish.port.container()).or_default().push(Binding {
            host_ip: publish.port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            host_port: match publish.port.host_port {
                0 => String::new(),
                port => port.to_string(),
            },
        });
    }
    bindings
}
