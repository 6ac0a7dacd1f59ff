//! A service becomes the engine's request for a container. Pure: what has to be known of the machine and of other containers
//! is passed in.
//!
//! Every key of a service is either turned into a part of the request or refused by its name ([`refused`]); nothing is
//! dropped without a word. Values go through the grammars of the command line, so that a service and the options of `run`
//! mean the same.

mod files;
mod limits;
mod networking;
pub mod refused;
mod storage;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use files::{Content, Injected, digest, injected};

use super::node::Node;
use super::project::Project;
use super::read::{at, duration, pairs, placed, switch, text, texts};
use crate::base::id::Name;
use crate::base::{Error, Result, text as clean};
use crate::engine::request::CreateRequest;
use crate::oci::config::HealthCheck;
use crate::spec::cgroups::{self, Cgroups, Manager};
use crate::spec::container::Container;
use crate::spec::health::HealthRequest;
use crate::spec::identity::IdentityRequest;
use crate::spec::image::{ImageRequest, PullPolicy};
use crate::spec::lifecycle::{Chosen, LifecycleRequest, stop_signal};
use crate::spec::logging::Logging;
use crate::spec::namespaces::{NamespaceMode, NamespacesRequest};
use crate::spec::process::{ProcessRequest, workdir};
use crate::spec::resources::Enforcement;
use crate::spec::restart::RestartPolicy;
use crate::spec::security::{Device, Security, SecurityHost, device_rule};
use crate::spec::storage::{Mount, StorageDriver};
use crate::spec::{cdi, sysctl, userns, variables};

/// What is usual for containers of this user.
#[derive(Debug, Clone, Default)]
pub struct Usual {
    /// The storage driver.
    pub driver: StorageDriver,
    /// How containers get control groups.
    pub manager: Option<Manager>,
    /// What becomes of limits that cannot be set.
    pub enforcement: Enforcement,
    /// A container without a limit of processes gets the usual one.
    pub usual_pids: bool,
    /// Host ports below the unprivileged limit are moved up instead of refused.
    pub remap_low_ports: bool,
    /// Containers reach the host's loopback where nothing else is said.
    pub host_loopback: bool,
    /// Variables of proxies, and podman's mark: `NAME=value`.
    pub variables: Vec<String>,
    /// SELinux is there.
    pub has_selinux: bool,
    /// The machine confines programs with AppArmor.
    pub has_apparmor: bool,
}

/// One container of a service.
pub struct Instance<'a> {
    /// The name of the service.
    pub service: &'a str,
    /// The name of the container.
    pub name: Name,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// It is known by the service's name and aliases.
    pub has_aliases: bool,
    /// It goes with its end.
    pub remove: bool,
    /// The containers of services, in the order of their numbers; and any other container by its name or id.
    pub others: &'a dyn Fn(Other<'_>) -> Option<Container>,
    /// Anonymous volumes of the container whose place it takes.
    pub inherited: &'a [Mount],
    /// Makes up names of anonymous volumes.
    pub volume_names: &'a dyn Fn() -> Result<Name>,
    /// Reads a seccomp profile.
    pub profile: &'a dyn Fn(&str) -> Result<String>,
}

/// A container that a service refers to.
#[derive(Debug, Clone, Copy)]
pub enum Other<'a> {
    /// The first container of a service.
    Service(&'a str),
    /// A container by its name or id.
    Named(&'a str),
}

/// The request for a container of a service.
///
/// # Errors
///
/// With the place of what cannot be done.
pub fn request(project: &Project, service: &Node, instance: &Instance<'_>, usual: &Usual) -> Result<CreateRequest> {
    let (networks, wish) = networking::networks(project, service, instance)?;
    let user = text(service, "userns_mode");
    let user = of(service, "userns_mode", userns::parse(user.as_deref(), &[], &[]))?;
    let namespaces = NamespacesRequest {
        networks,
        wish,
        user,
        pid: namespace(service, "pid", instance)?,
        ipc: namespace(service, "ipc", instance)?,
        uts: namespace(service, "uts", instance)?,
        cgroup: match text(service, "cgroup").as_deref() {
            Some("host") => NamespaceMode::Host,
            _ => NamespaceMode::Private,
        },
    };
    Ok(CreateRequest {
        name: Some(instance.name.clone()),
        labels: instance.labels.clone(),
        image: ImageRequest {
            name: project.image(instance.service, service),
            pull: PullPolicy::Missing,
            platform: text(service, "platform").map(|name| of(service, "platform", name.parse())).transpose()?,
        },
        process: process(service, usual)?,
        identity: IdentityRequest {
            hostname: text(service, "hostname"),
            user: text(service, "user"),
            groups: texts(service, "group_add"),
        },
        networking: networking::networking(service, namespaces.has_networks(), usual)?,
        namespaces,
        storage: storage::storage(project, service, instance, usual)?,
        security: security(service, instance, usual)?,
        lifecycle: lifecycle(service, instance)?,
        health: health(service)?,
        resources: limits::resources(service, usual)?,
        logging: logging(project, service)?,
        secrets: files::kept(project, service)?,
        pod: None,
        cgroups: Cgroups {
            manager: usual.manager,
            parent: match text(service, "cgroup_parent") {
                Some(group) => of(service, "cgroup_parent", cgroups::parent(&group))?,
                None => None,
            },
            ..Cgroups::default()
        },
    })
}

/// Whose namespace of a kind the container is in. The kinds are named as the keys are.
fn namespace(service: &Node, key: &'static str, instance: &Instance<'_>) -> Result<NamespaceMode<String>> {
    let given = text(service, key).unwrap_or_default();
    let mode = match given.strip_prefix("service:") {
        None => NamespaceMode::parse(key, &given),
        Some(name) => (instance.others)(Other::Service(name))
            .ok_or_else(|| Error::not_found(format!("the service `{}` has no container", clean::clean(name))))
            .and_then(|other| NamespaceMode::parse(key, &format!("container:{}", other.config.id))),
    };
    of(service, key, mode)
}

/// The log driver with its options.
pub(super) fn logging(project: &Project, service: &Node) -> Result<Logging> {
    let Some(given) = service.get("logging") else { return Ok(Logging::default()) };
    let options: Vec<String> =
        pairs(given, "options").into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let driver = text(given, "driver").unwrap_or_default();
    of(service, "logging", Logging::parse(&driver, &options, &project.directory))
}

/// Names the key, and the place of its value, in an error of a grammar.
fn of<T>(service: &Node, key: &str, result: Result<T>) -> Result<T> {
    result.map_err(|error| match service.get(key) {
        Some(node) => placed(node, key, &error),
        None => error,
    })
}

/// Words of a command; `None` when the key is not there, or has no value.
pub(super) fn words(service: &Node, key: &str) -> Option<Vec<String>> {
    service.get(key).filter(|node| node.value != super::node::Value::Null).map(|_| texts(service, key))
}

fn process(service: &Node, usual: &Usual) -> Result<ProcessRequest> {
    let own: Vec<String> =
        pairs(service, "environment").into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(ProcessRequest {
        command: words(service, "command").unwrap_or_default(),
        entrypoint: words(service, "entrypoint"),
        env: variables::merged(usual.variables.iter().cloned(), &own),
        cwd: text(service, "working_dir").map(|path| of(service, "working_dir", workdir(&path))).transpose()?,
        tty: service.is_true("tty"),
        stdin: service.is_true("stdin_open"),
        attached: None,
        ..ProcessRequest::default()
    })
}

fn security(service: &Node, instance: &Instance<'_>, usual: &Usual) -> Result<Security> {
    let (add, drop) = (texts(service, "cap_add"), texts(service, "cap_drop"));
    let key = if add.is_empty() { "cap_drop" } else { "cap_add" };
    let mut security = of(service, key, Security::new(&add, &drop, service.is_true("privileged")))?;
    for device in service.get("devices").map(Node::items).unwrap_or_default() {
        let part = |key: &str| device.text_of(key).filter(|text| !text.is_empty()).map(|text| format!(":{text}"));
        let source = device.text_of("source").unwrap_or_default();
        let target = part("target").unwrap_or_else(|| format!(":{source}"));
        let given = format!("{source}{target}{}", part("permissions").unwrap_or_default());
        if cdi::is_name(source) {
            security.cdi.push(source.to_owned());
            continue;
        }
        let parsed: Result<Device> = given.parse();
        security.devices.push(parsed.map_err(|error| placed(device, "devices", &error))?);
    }
    let host =
        SecurityHost { profile: instance.profile, has_selinux: usual.has_selinux, has_apparmor: usual.has_apparmor };
    let rules = texts(service, "device_cgroup_rules");
    security.device_rules =
        of(service, "device_cgroup_rules", rules.iter().map(|rule| device_rule(rule)).collect::<Result<_>>())?;
    let sysctls: Vec<String> =
        pairs(service, "sysctls").into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    security.sysctls = of(service, "sysctls", sysctl::all(&sysctls))?;
    for option in texts(service, "security_opt") {
        of(service, "security_opt", security.set(&option, &host))?;
    }
    Ok(security)
}

fn lifecycle(service: &Node, instance: &Instance<'_>) -> Result<LifecycleRequest> {
    let usual = LifecycleRequest::default();
    let grace = duration(service, "stop_grace_period")?;
    let signal = text(service, "stop_signal");
    Ok(LifecycleRequest {
        remove: instance.remove,
        init: service.is_true("init"),
        stop_signal: match signal {
            Some(signal) => of(service, "stop_signal", stop_signal(&signal))?,
            None => None,
        },
        // Whole seconds; less than one is still time to end.
        stop_timeout: grace.map_or(usual.stop_timeout, |grace| {
            u32::try_from(grace.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
        }),
        chosen: Chosen { stop_signal: false, stop_timeout: grace.is_some() },
        restart: restart(service)?,
        ..usual
    })
}

/// `restart`, or `deploy.restart_policy`, which wins.
fn restart(service: &Node) -> Result<RestartPolicy> {
    let named = |condition: &str, attempts: Option<&str>| match (condition, attempts) {
        ("none" | "no", _) => "no".to_owned(),
        ("any" | "always", _) => "always".to_owned(),
        ("on-failure", Some(attempts)) => format!("on-failure:{attempts}"),
        (other, _) => other.to_owned(),
    };
    if let Some(policy) = at(service, &["deploy", "restart_policy"]) {
        let attempts = text(policy, "max_attempts");
        let given = named(&text(policy, "condition").unwrap_or_else(|| "any".into()), attempts.as_deref());
        return RestartPolicy::parse(&given).map_err(|error| placed(policy, "deploy.restart_policy", &error));
    }
    let given = text(service, "restart").unwrap_or_default();
    let (condition, attempts) = given.split_once(':').map_or((&*given, None), |(name, count)| (name, Some(count)));
    of(service, "restart", RestartPolicy::parse(&named(condition, attempts)))
}

fn health(service: &Node) -> Result<HealthRequest> {
    let Some(check) = service.get("healthcheck") else { return Ok(HealthRequest::default()) };
    let test = texts(check, "test");
    if check.is_true("disable") || test.first().is_some_and(|kind| kind == "NONE") {
        return Ok(HealthRequest::disabled());
    }
    if let Some(kind) = test.first().filter(|kind| !matches!(kind.as_str(), "CMD" | "CMD-SHELL")) {
        return Err(check.place.invalid(format!("healthcheck.test: `{kind}` is not CMD, CMD-SHELL or NONE")));
    }
    let time = |key: &str| -> Result<i64> {
        Ok(duration(check, key)?.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)))
    };
    let check = HealthCheck {
        interval: time("interval")?,
        timeout: time("timeout")?,
        start_period: time("start_period")?,
        start_interval: time("start_interval")?,
        retries: super::read::integer(check, "retries").unwrap_or(0),
        test,
    };
    let said = check != HealthCheck::default();
    Ok(HealthRequest { check: said.then_some(check), ..HealthRequest::default() })
}

/// How many containers a service has: `scale`, else `deploy.replicas`, else one.
pub fn scale(service: &Node) -> Result<u32> {
    let replicas = at(service, &["deploy"]).and_then(|deploy| super::read::integer(deploy, "replicas"));
    let asked = super::read::integer(service, "scale").or(replicas).unwrap_or(1);
    match u32::try_from(asked) {
        Ok(number) if number <= MAX_SCALE => Ok(number),
        _ => Err(service.place.invalid(format!("a service has between 0 and {MAX_SCALE} containers, not {asked}"))),
    }
}

/// More containers of one service than a machine can have.
const MAX_SCALE: u32 = 1000;

/// Whether the output of a service is shown by `up`.
pub fn attaches(service: &Node) -> bool {
    switch(service, "attach") != Some(false)
}

/// A path of a service as the user wrote it, from the project's directory.
pub(super) fn host_path(project: &Project, path: &str) -> PathBuf {
    project.directory.join(path)
}

/// An error about a service that has a name of its own for its container and is to have several.
pub fn fixed_name(service: &str, name: &str) -> Error {
    Error::usage(format!("the service `{service}` has the container name `{name}`, which only one container can have"))
        .hint("remove `container_name` to have several containers of the service")
}

#[cfg(test)]
mod tests;
