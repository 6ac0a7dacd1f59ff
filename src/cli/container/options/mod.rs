//! The options that `run` and `create` share: what the user may say about a new container. Each group of them has a file,
//! whose `group` gives the value of the same name in `spec`.

pub mod cgroups;
mod health;
mod identity;
mod image;
mod lifecycle;
mod logging;
pub mod namespaces;
pub mod networking;
mod pod;
mod process;
pub mod resources;
mod secrets;
pub mod security;
pub mod storage;

use std::path::{Path, PathBuf};

use super::variables;
use crate::base::Result;
use crate::cli::config::Config;
use crate::cli::context::Persona;
use crate::cli::environment::Environment;
use crate::engine::request::CreateRequest;
use crate::spec::storage::StorageDriver;
use crate::units::auto_update::UNIT;

/// The directory, the variables and the configuration that give options their meaning.
pub struct Around<'a> {
    /// The working directory, absolute.
    pub cwd: &'a Path,
    /// The variables.
    pub environment: &'a Environment,
    /// `--storage-driver`.
    pub driver: StorageDriver,
    /// Whose command line is played.
    pub persona: Persona,
    /// docker's client configuration directory.
    pub docker: PathBuf,
    /// `--cgroup-manager`, as typed.
    pub cgroup_manager: Option<&'a str>,
}

/// Options of a new container.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CreateOptions {
    /// Write the container's ID to a file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<String>,
    /// Set a label on the container
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<String>,
    /// Give the container a name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Remove the container that has the name, if there is one
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub image: image::ImageOptions,
    #[command(flatten)]
    pub process: process::ProcessOptions,
    #[command(flatten)]
    pub identity: identity::IdentityOptions,
    #[command(flatten)]
    pub namespaces: namespaces::NamespaceOptions,
    #[command(flatten)]
    pub networking: networking::NetworkingOptions,
    #[command(flatten)]
    pub storage: storage::StorageOptions,
    #[command(flatten)]
    pub security: security::SecurityOptions,
    #[command(flatten)]
    pub lifecycle: lifecycle::LifecycleOptions,
    #[command(flatten)]
    pub health: health::HealthOptions,
    #[command(flatten)]
    pub resources: resources::ResourceOptions,
    #[command(flatten)]
    pub cgroups: cgroups::CgroupOptions,
    #[command(flatten)]
    pub logging: logging::LoggingOptions,
    #[command(flatten)]
    pub secrets: secrets::SecretOptions,
    #[command(flatten)]
    pub pod: pod::PodOptions,
}

/// Whether the values of these options can be understood. Files that they name are not read.
pub fn check(matches: &clap::ArgMatches) -> Result<()> {
    let options: CreateOptions = crate::cli::verb::typed(matches)?;
    let around = Around {
        cwd: Path::new("/"),
        environment: &Environment::default(),
        driver: StorageDriver::default(),
        persona: Persona::Coracle,
        docker: PathBuf::new(),
        cgroup_manager: Some("systemd"),
    };
    // Files that are read when the container is made.
    let options = CreateOptions {
        label_file: Vec::new(),
        process: process::ProcessOptions { env_file: Vec::new(), ..options.process },
        ..options
    };
    options.request(&around).map(|_| ())
}

impl CreateOptions {
    /// The request these options stand for.
    pub fn request(self, around: &Around<'_>) -> Result<CreateRequest> {
        let namespaces = self.namespaces.group(around)?;
        let configured = || Ok(Config::read(&around.environment.configuration()?)?.network);
        let mut labels = variables::labels(&self.label_file, &self.label, around.cwd)?;
        // As podman does it: `auto-update` starts this unit again.
        if let Some(unit) = around.environment.get(UNIT) {
            labels.insert(UNIT.to_owned(), unit.to_owned());
        }
        Ok(CreateRequest {
            name: self.name.as_deref().map(str::parse).transpose()?,
            labels,
            image: self.image.group(around)?,
            process: self.process.group(around)?,
            identity: self.identity.group(),
            networking: self.networking.group(namespaces.has_networks(), configured)?,
            namespaces,
            storage: self.storage.group(around)?,
            security: self.security.group(around)?,
            lifecycle: self.lifecycle.group(around, self.cidfile.as_deref())?,
            health: self.health.group(around.cwd)?,
            resources: self.resources.group(around)?,
            cgroups: self.cgroups.group(around)?,
            logging: self.logging.group(around)?,
            secrets: self.secrets.group()?,
            pod: self.pod.group(around)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;
    use crate::cli::argv;
    use crate::oci::Platform;
    use crate::oci::config::HealthCheck;
    use crate::spec::capabilities::CapSet;
    use crate::spec::cgroups::{Cgroups, Mode};
    use crate::spec::health::{HealthLog, HealthRequest, OnFailure, Startup};
    use crate::spec::identity::IdentityRequest;
    use crate::spec::ids::UserNamespaceRequest;
    use crate::spec::image::{ImageRequest, PullPolicy};
    use crate::spec::lifecycle::{Chosen, LifecycleRequest, PidFiles, SdNotify, StopSignal};
    use crate::spec::logging::{LogDriver, Logging};
    use crate::spec::namespaces::{NamespaceMode, NamespacesRequest, NetworkRequest};
    use crate::spec::networking::Networking;
    use crate::spec::pod_member::{PodRequest, PodRole};
    use crate::spec::process::{Personality, ProcessRequest};
    use crate::spec::resources::{DeviceValue, Enforcement, Resources};
    use crate::spec::restart::RestartPolicy;
    use crate::spec::secret::{Exposure, SecretRequest, Source};
    use crate::spec::security::{Seccomp, Security};
    use crate::spec::storage::StorageRequest;
    use crate::spec::systemd::Systemd;
    use crate::spec::ulimit::Ulimit;

    fn options(line: &[&str]) -> Result<CreateRequest> {
        let command = CreateOptions::augment_args(Command::new("run").disable_help_flag(true));
        let line: Vec<String> = line.iter().map(|word| (*word).into()).collect();
        let line = argv::read(&command, true, &line)?;
        let matches = command.try_get_matches_from(line.for_clap()).unwrap();
        let environment = Environment::of(&[("LANG", "C"), ("HOME", "/nowhere")]);
        let around = Around {
            cwd: Path::new("/work"),
            environment: &environment,
            driver: Default::default(),
            persona: Persona::Coracle,
            docker: PathBuf::new(),
            cgroup_manager: None,
        };
        CreateOptions::from_arg_matches(&matches).unwrap().request(&around)
    }

    #[test]
    fn a_command_line_becomes_a_request() {
        let got = options(&[
            "-ith",
            "box",
            "--rm",
            "--name=web",
            "-e",
            "A=1",
            "-eLANG",
            "-w",
            "/x",
            "-u",
            "1:2",
            "--entrypoint=",
            "--init",
            "--net",
            "host",
            "-P",
            "--expose=99",
            "--read-only",
            "-l",
            "a=b",
            "--stop-signal",
            "INT",
            "--stop-timeout=3",
            "--cap-add",
            "ALL",
            "--cap-drop=net_raw",
            "--shm-size",
            "1m",
            "--pull",
            "always",
            "--platform",
            "linux/arm64",
            "--privileged",
            "--userns=nomap",
            "--storage-opt",
            "size=10G",
            "-q",
            "--health-cmd=test -e /x",
            "--health-interval=1s",
            "--health-timeout=2s",
            "--health-start-period=3s",
            "--health-start-interval=4ms",
            "--health-retries=5",
            "--health-on-failure=kill",
            "--health-startup-cmd=up",
            "--health-startup-retries=3",
            "--health-max-log-count=7",
            "--security-opt",
            "no-new-privileges",
            "--security-opt=seccomp=unconfined",
            "--cpus=0.5",
            "-m",
            "64m",
            "--memory-swap",
            "-1",
            "--pids-limit=-1",
            "-c",
            "512",
            "--ulimit=nofile=5:6",
            "--oom-score-adj",
            "-5",
            "--device-read-bps=/dev/sda:1m",
            "--limits=best-effort",
            "--cgroups=split",
            "--cgroup-parent=x.slice",
            "--cgroupns=host",
            "--pid=container:web",
            "--pod=new:shop",
            "--ipc",
            "shareable",
            "--uts=ns:/x",
            "--cgroup-conf",
            "memory.high=1M",
            "--timeout=9",
            "--sdnotify=conmon",
            "--pidfile=pid",
            "--log-driver=k8s-file",
            "--log-opt",
            "max-size=1k",
            "--group-add=audio",
            "--personality=LINUX32",
            "--tz=local",
            "--umask=027",
            "--init-path=tini",
            "--systemd=false",
            "--device=vendor.com/net=eth0",
            "--gpus=2",
            "--device-cgroup-rule",
            "c 189:* rmw",
            "--sysctl=net/core/somaxconn=7",
            "--secret=key,type=env,target=KEY",
            "busybox",
            "sh",
            "-c",
            "-it",
            "--rm=x",
        ])
        .unwrap();
        let expected = CreateRequest {
            name: Some("web".parse().unwrap()),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            image: ImageRequest {
                name: "busybox".into(),
                pull: PullPolicy::Always,
                platform: Some(Platform::new("linux", "arm64", None)),
            },
            process: ProcessRequest {
                command: ["sh", "-c", "-it", "--rm=x"].map(String::from).to_vec(),
                entrypoint: Some(Vec::new()),
                env: vec!["A=1".into(), "LANG=C".into()],
                cwd: Some("/x".into()),
                tty: true,
                stdin: true,
                umask: Some(0o27),
                personality: Some(Personality::Linux32),
                timezone: Some("local".into()),
                ..ProcessRequest::default()
            },
            identity: IdentityRequest {
                hostname: Some("box".into()),
                user: Some("1:2".into()),
                groups: vec!["audio".into()],
            },
            namespaces: NamespacesRequest {
                networks: vec![NetworkRequest::Host],
                wish: Default::default(),
                user: UserNamespaceRequest::NoMap,
                pid: NamespaceMode::Container("web".into()),
                ipc: NamespaceMode::Shareable,
                uts: NamespaceMode::Path("/x".into()),
                cgroup: NamespaceMode::Host,
            },
            networking: Networking { publish_all: true, exposed: vec!["99/tcp".into()], ..Networking::default() },
            storage: StorageRequest {
                driver: Default::default(),
                size: Some(10 << 30),
                read_only: true,
                shm_size: 1 << 20,
                mounts: Vec::new(),
            },
            security: Security {
                capabilities: CapSet::ALL,
                cap_add: vec!["ALL".into()],
                cap_drop: vec!["net_raw".into()],
                privileged: true,
                no_new_privileges: true,
                seccomp: Seccomp::Unconfined,
                cdi: ["vendor.com/net=eth0", "gpu=0", "gpu=1"].map(String::from).to_vec(),
                device_rules: vec!["c 189:* rmw".into()],
                sysctls: [("net.core.somaxconn".to_owned(), "7".to_owned())].into(),
                ..Security::default()
            },
            lifecycle: LifecycleRequest {
                remove: true,
                init: true,
                init_path: Some("/work/tini".into()),
                systemd: Systemd::False,
                stop_signal: Some(StopSignal(libc::SIGINT)),
                stop_timeout: 3,
                chosen: Chosen { stop_signal: false, stop_timeout: true },
                restart: RestartPolicy::No,
                timeout: 9,
                sdnotify: SdNotify::Conmon,
                files: PidFiles { cid: None, pid: Some("/work/pid".into()), supervisor: None },
            },
            health: HealthRequest {
                check: Some(HealthCheck {
                    test: vec!["CMD-SHELL".into(), "test -e /x".into()],
                    interval: 1_000_000_000,
                    timeout: 2_000_000_000,
                    start_period: 3_000_000_000,
                    start_interval: 4_000_000,
                    retries: 5,
                }),
                on_failure: OnFailure::Kill,
                startup: Some(Startup {
                    test: vec!["CMD-SHELL".into(), "up".into()],
                    retries: 3,
                    ..Startup::default()
                }),
                log: HealthLog { count: Some(7), ..HealthLog::default() },
            },
            resources: Resources {
                nano_cpus: Some(500_000_000),
                memory: Some(64 << 20),
                memory_swap: Some(-1),
                pids: Some(-1),
                cpu_shares: Some(512),
                ulimits: vec![Ulimit { name: "nofile".into(), soft: 5, hard: 6 }],
                oom_score_adj: Some(-5),
                read_bps: vec![DeviceValue { path: "/dev/sda".into(), value: 1 << 20 }],
                enforcement: Enforcement::BestEffort,
                ..Resources::default()
            },
            cgroups: Cgroups {
                manager: None,
                mode: Mode::Split,
                parent: Some("x.slice".into()),
                conf: vec![("memory.high".into(), "1M".into())],
            },
            logging: Logging {
                driver: LogDriver::K8sFile,
                options: [("max-size".to_owned(), "1k".to_owned())].into(),
                max_size: Some(1000),
                ..Logging::default()
            },
            secrets: vec![SecretRequest {
                source: Source::Stored("key".into()),
                exposure: Exposure::Env { variable: "KEY".into() },
            }],
            pod: Some(PodRequest { name: "shop".into(), new: true, role: PodRole::Member }),
        };
        assert_eq!(got, expected);
        let plain = options(&["busybox"]).unwrap();
        let image = ImageRequest { name: "busybox".into(), ..ImageRequest::default() };
        let resources = Resources { usual_pids: true, ..Resources::default() };
        let lifecycle = LifecycleRequest { systemd: Systemd::True, ..LifecycleRequest::default() };
        assert_eq!(plain, CreateRequest { image, resources, lifecycle, ..CreateRequest::default() });
    }

    #[test]
    fn restart_policies_are_read() {
        let policy = |line: &[&str]| options(line).unwrap().lifecycle.restart;
        assert_eq!(policy(&["--restart", "on-failure:4", "x"]), RestartPolicy::OnFailure(4));
        assert_eq!(policy(&["--restart=no", "--rm", "x"]), RestartPolicy::No);
        assert_eq!(options(&["--no-healthcheck", "x"]).unwrap().health, HealthRequest::disabled());
    }

    #[test]
    fn wrong_options_say_why() {
        for (line, reason) in [
            (&["--network", "pasta", "x"][..], "network `pasta` is not needed here"),
            (&["-p", "x", "x"], "invalid port `x`"),
            (&["--pull", "sometimes", "x"], "invalid pull option"),
            (&["--shm-size=4zz", "x"], "invalid argument `4zz` for `--shm-size`"),
            (&["--shm-size=0", "x"], "greater than 0"),
            (&["--stop-timeout=-1", "x"], "invalid argument `-1`"),
            (&["-w", "rel", "x"], "absolute path"),
            (&["--name", "a/b", "x"], "invalid name"),
            (&["--platform", "a/b/c/d", "x"], "a/b/c/d"),
            (&["--security-opt", "systempaths=strict", "x"], "is not supported"),
            (&["--sysctl", "vm.swappiness=1", "x"], "sysctl 'vm.swappiness' is not allowed"),
            (&["--umask", "8", "x"], "invalid umask `8`"),
            (&["--tz", "../x", "x"], "invalid time zone `../x`"),
            (&["--personality", "BSD", "x"], "invalid argument `BSD` for `--personality`"),
            (&["--systemd=maybe", "x"], "invalid argument `maybe` for `--systemd`"),
            (&["--runtime=crun", "x"], "`--runtime crun` cannot be used"),
            (&["--gpus=0", "x"], "invalid argument `0` for `--gpus`"),
            (&["--device-cgroup-rule=x", "x"], "invalid device cgroup format 'x'"),
            (&["--device=fuse", "x"], "the device `fuse` is not an absolute path"),
            (&["--security-opt", "frob", "x"], "invalid security option: `frob`"),
            (&["--security-opt", "seccomp=absent.json", "x"], "cannot read the seccomp profile `/work/absent.json`"),
            (&["-v", "/a", "-v", "/b:/a", "x"], "duplicate mount point"),
            (&["--userns", "frob", "x"], "invalid user namespace mode `frob`"),
            (&["--pid", "shareable", "x"], "invalid argument `shareable` for `--pid`"),
            (&["--init-ctr=once", "x"], "must specify pod value with init-ctr"),
            (&["--pod=new:", "x"], "new pod name must be at least one character"),
            (&["--storage-opt", "dm.size=1", "x"], "unknown storage option"),
            (&["--restart=sometimes", "x"], "invalid restart policy `sometimes`"),
            (&["--restart=always", "--rm", "x"], "cannot specify both --restart and --rm"),
            (&["--no-healthcheck", "--health-retries=1", "x"], "--no-healthcheck conflicts"),
            (&["--health-retries=-1", "x"], "--health-retries cannot be negative"),
            (&["--health-interval=30", "x"], "invalid argument `30` for `--health-interval`"),
            (&["--health-on-failure=panic", "x"], "invalid argument `panic`"),
            (&["--health-startup-retries=2", "x"], "--health-startup-cmd"),
            (&["--health-log-destination=/nowhere", "x"], "no such directory"),
            (&["-m", "1m", "x"], "Minimum memory limit allowed is 6MB"),
            (&["--memory=x", "x"], "invalid argument `x` for `--memory`"),
            (&["--cpus=9999", "x"], "range of CPUs is from 0.01"),
            (&["--cpu-rt-runtime=1000", "x"], "`--cpu-rt-runtime` cannot be used"),
            (&["--memory-swappiness=7", "x"], "`--memory-swappiness` cannot be used"),
            (&["--oom-kill-disable", "x"], "`--oom-kill-disable` cannot be used"),
            (&["--oom-score-adj=1001", "x"], "range for oom score adj"),
            (&["--ulimit=frob=1", "x"], "invalid ulimit type"),
            (&["--pids-limit=many", "x"], "invalid argument `many` for `--pids-limit`"),
            (&["--cgroups=maybe", "x"], "invalid argument `maybe` for `--cgroups`"),
            (&["--cgroup-conf=cgroup.procs=1", "x"], "is no setting of a control group"),
            (&["--log-driver=gelf", "x"], "no log driver named 'gelf'"),
            (&["--log-opt=frob=1", "x"], "unknown log opt 'frob'"),
            (&["--secret=key,mode=x", "x"], "invalid argument `key,mode=x` for `--secret`"),
            (&["--limits=loose", "x"], "invalid argument `loose` for `--limits`"),
        ] {
            let chain = options(line).unwrap_err().chain();
            assert!(chain.contains(reason), "{line:?}: {chain}");
        }
    }
}
