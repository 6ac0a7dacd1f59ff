//! The options that `run` and `create` share: what the user may say about a new container.

use std::fs;
use std::path::{Path, PathBuf};

use super::networks::NetworkOptions;
use super::{proxies, variables};
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::cli::config::Config;
use crate::cli::context::Persona;
use crate::cli::environment::Environment;
use crate::engine::request::CreateRequest;
use crate::spec::asked::PullPolicy;
use crate::spec::container::{Seccomp, StorageDriver};
use crate::spec::{mounts, ports, units, userns};

/// What options are read against: the directory and the variables of whoever typed them.
pub struct Around<'a> {
    /// The working directory, absolute.
    pub cwd: &'a Path,
    /// The variables.
    pub environment: &'a Environment,
    /// `--storage-driver`.
    pub driver: StorageDriver,
    /// Whom the program plays.
    pub persona: Persona,
    /// docker's client configuration directory.
    pub docker: PathBuf,
}

/// Options of a new container.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CreateOptions {
    /// Add a Linux capability
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop a Linux capability
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Write the container's ID to a file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<String>,
    /// Overwrite the image's default entrypoint
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Set an environment variable; a bare NAME is passed on
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<String>,
    /// Map group IDs, as --uidmap does user IDs
    #[arg(long, value_name = "MAP")]
    pub gidmap: Vec<String>,
    /// The container's host name
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Pass the proxy variables of this environment and of docker's configuration on
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    pub http_proxy: bool,
    /// Run an init as pid 1 that forwards signals and reaps processes
    #[arg(long)]
    pub init: bool,
    /// Keep standard input open even if not attached
    #[arg(short, long)]
    pub interactive: bool,
    /// Set a label on the container
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<String>,
    /// Attach a file system mount: type=bind|volume|tmpfs,source=…,target=…
    #[arg(long, value_name = "MOUNT")]
    pub mount: Vec<String>,
    /// Give the container a name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The platform of the image, if it has several: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Take off the limits on what the container may do within its user namespace
    #[arg(long)]
    pub privileged: bool,
    /// Pull the image before creating the container: always, missing or never
    #[arg(long, value_name = "POLICY", default_value = "missing")]
    pub pull: String,
    /// Suppress the progress of a pull
    #[arg(short, long)]
    pub quiet: bool,
    /// Mount the container's root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// Remove the container and its anonymous volumes when it exits
    #[arg(long)]
    pub rm: bool,
    /// Security options: no-new-privileges, seccomp=FILE|unconfined, label=…, apparmor=unconfined
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// The size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,
    /// The signal that stops the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds between that signal and SIGKILL
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<String>,
    /// Require HTTPS and verify certificates when pulling
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tls_verify: Option<bool>,
    /// Options of the storage driver: size=BYTES limits what the container's files may take (fuse)
    #[arg(long, value_name = "KEY=VALUE")]
    pub storage_opt: Vec<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    pub tmpfs: Vec<String>,
    /// Allocate a pseudo-terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Map user IDs: CONTAINER:FROM[:AMOUNT], FROM among the user's subordinate IDs, or of the host with @
    #[arg(long, value_name = "MAP")]
    pub uidmap: Vec<String>,
    /// User name or ID, and optionally group: user[:group]
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Whose IDs the container has: host, keep-id[:uid=UID,gid=GID], nomap or auto[:size=SIZE]
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Bind mount a path of this machine, or mount a volume
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    pub volume: Vec<String>,
    /// The working directory inside the container
    #[arg(short, long, value_name = "DIRECTORY")]
    pub workdir: Option<String>,
    /// Networks
    #[command(flatten)]
    pub network: NetworkOptions,
    /// The image to make the container from
    #[arg(value_name = "IMAGE", required = true)]
    pub image: String,
    /// The command to run, and its arguments
    #[arg(value_name = "COMMAND", num_args = 0..)]
    pub command: Vec<String>,
}

impl CreateOptions {
    /// The request these options stand for.
    pub fn request(&self, around: &Around<'_>) -> Result<CreateRequest> {
        let security = security(&self.security_opt, around.cwd)?;
        let platform = self.platform.as_deref().or_else(|| around.environment.get("DOCKER_DEFAULT_PLATFORM"));
        Ok(CreateRequest {
            image: self.image.clone(),
            command: self.command.clone(),
            name: self.name.as_deref().map(str::parse).transpose()?,
            entrypoint: self.entrypoint.clone(),
            env: self.variables(around)?,
            cwd: self.workdir.as_deref().map(workdir).transpose()?,
            user: self.user.clone(),
            tty: self.tty,
            stdin: self.interactive,
            hostname: self.hostname.clone(),
            networks: self.network.networks()?,
            wish: self.network.wish()?,
            networking: self.network.networking(|| Ok(Config::read(&around.environment.configuration()?)?.network))?,
            expose: ports::exposed(&self.network.expose)?,
            mounts: mounts::all(&self.volume, &self.mount, &self.tmpfs, around.cwd)?,
            driver: around.driver,
            user_namespace: userns::parse(
                self.userns.as_deref().or_else(|| {
                    let mapped = !self.uidmap.is_empty() || !self.gidmap.is_empty();
                    around.environment.get("PODMAN_USERNS").filter(|_| !mapped)
                }),
                &self.uidmap,
                &self.gidmap,
            )?,
            storage_size: storage_size(&self.storage_opt)?,
            read_only: self.read_only,
            init: self.init,
            labels: variables::labels(&self.label_file, &self.label, around.cwd)?,
            remove: self.rm,
            stop_signal: self.stop_signal.clone(),
            stop_timeout: self.stop_timeout.as_deref().map(stop_timeout).transpose()?,
            cap_add: self.cap_add.clone(),
            cap_drop: self.cap_drop.clone(),
            privileged: self.privileged,
            no_new_privileges: security.no_new_privileges,
            seccomp: security.seccomp,
            shm_size: self.shm_size.as_deref().map(shm_size).transpose()?,
            pull: pull_policy(&self.pull)?,
            platform: platform.filter(|text| !text.is_empty()).map(str::parse).transpose()?,
            quiet: self.quiet,
        })
    }
}

impl CreateOptions {
    /// The user's variables, and before them, so that they give way, those of proxies.
    fn variables(&self, around: &Around<'_>) -> Result<Vec<String>> {
        let own = variables::environment(&self.env_file, &self.env, around.cwd, around.environment)?;
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        let mut all = match self.http_proxy {
            true => proxies::variables(around.persona, around.environment, &around.docker),
            false => Vec::new(),
        };
        all.retain(|pair| !own.iter().any(|given| name(given) == name(pair)));
        all.extend(own);
        Ok(all)
    }
}

/// `--pull`.
pub fn pull_policy(word: &str) -> Result<PullPolicy> {
    match word {
        "always" => Ok(PullPolicy::Always),
        "missing" => Ok(PullPolicy::Missing),
        "never" => Ok(PullPolicy::Never),
        other => Err(Error::usage(format!(
            "invalid pull option: `{}`: must be one of `always`, `missing` or `never`",
            text::clean(other)
        ))),
    }
}

/// `--workdir`.
pub fn workdir(directory: &str) -> Result<String> {
    match directory.starts_with('/') {
        true => Ok(directory.to_owned()),
        false => Err(Error::usage(format!(
            "the working directory `{}` is invalid, it needs to be an absolute path",
            text::clean(directory)
        ))),
    }
}

fn shm_size(size: &str) -> Result<u64> {
    match units::parse_size(size).context(|| format!("invalid argument `{}` for `--shm-size`", text::clean(size)))? {
        0 => Err(Error::usage("`--shm-size` must be greater than 0")),
        bytes => Ok(bytes),
    }
}

/// `--storage-opt size=`, docker's only one that is not a driver's own.
fn storage_size(options: &[String]) -> Result<Option<u64>> {
    let mut size = None;
    for option in options {
        match option.split_once('=') {
            Some(("size", bytes)) => {
                let bytes = units::parse_size(bytes)
                    .context(|| format!("invalid argument `{}` for `--storage-opt`", text::clean(option)))?;
                size = Some(bytes).filter(|bytes| *bytes > 0);
            }
            _ => {
                return Err(
                    Error::usage(format!("unknown storage option `{}`", text::clean(option))).hint("`size=10G`")
                );
            }
        }
    }
    Ok(size)
}

fn stop_timeout(seconds: &str) -> Result<u32> {
    seconds.parse().map_err(|_| {
        Error::usage(format!(
            "invalid argument `{}` for `--stop-timeout`: not a number of seconds",
            text::clean(seconds)
        ))
    })
}

/// What `--security-opt` comes to.
#[derive(Debug, Default, PartialEq)]
struct SecurityOptions {
    no_new_privileges: bool,
    seccomp: Option<Seccomp>,
}

fn security(options: &[String], cwd: &Path) -> Result<SecurityOptions> {
    let mut security = SecurityOptions::default();
    for option in options {
        // `no-new-privileges:true` is docker's old spelling of `=`.
        let (key, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
            Some((key, value)) => (key, Some(value)),
            None => (option.as_str(), None),
        };
        match (key, value) {
            ("no-new-privileges", None | Some("true")) => security.no_new_privileges = true,
            ("no-new-privileges", Some("false")) => security.no_new_privileges = false,
            ("seccomp", Some("unconfined")) => security.seccomp = Some(Seccomp::Unconfined),
            ("seccomp", Some("builtin")) => security.seccomp = None,
            ("seccomp", Some(file)) if !file.is_empty() => {
                security.seccomp = Some(Seccomp::Profile(profile(file, cwd)?))
            }
            // Containers are never confined by label: asking for that changes nothing.
            ("label", Some("disable")) | ("apparmor", Some("unconfined")) => {}
            ("label", Some(_)) if !Path::new("/sys/fs/selinux/enforce").exists() => {}
            ("label" | "apparmor" | "systempaths" | "mask" | "unmask" | "proc-opts", Some(_)) => {
                return Err(Error::unsupported(format!("security option `{}` is not supported", text::clean(option)))
                    .hint("`no-new-privileges`, `seccomp=FILE`, `seccomp=unconfined`, `label=disable` and `apparmor=unconfined` are"));
            }
            _ => return Err(Error::usage(format!("invalid security option: `{}`", text::clean(option)))),
        }
    }
    Ok(security)
}

/// The text of a seccomp profile; the record of the container keeps it.
fn profile(file: &str, cwd: &Path) -> Result<String> {
    let path = cwd.join(file);
    fs::read_to_string(&path).at(&path, "cannot read the seccomp profile").map_err(|error| error.with_kind(Kind::Usage))
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;
    use crate::cli::argv;
    use crate::oci::Platform;
    use crate::spec::asked::{NetworkRequest, UserNamespaceRequest};
    use crate::spec::container::Networking;

    fn options(line: &[&str]) -> Result<CreateRequest> {
        let command = CreateOptions::augment_args(Command::new("run").disable_help_flag(true));
        let line: Vec<String> = line.iter().map(|word| (*word).into()).collect();
        let line = argv::read(&command, true, &line)?;
        let matches = command.try_get_matches_from(line.for_clap()).unwrap();
        let environment = Environment::of(&[("LANG", "C")]);
        let around = Around {
            cwd: Path::new("/work"),
            environment: &environment,
            driver: Default::default(),
            persona: Persona::Coracle,
            docker: PathBuf::new(),
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
            "--security-opt",
            "no-new-privileges",
            "--security-opt=seccomp=unconfined",
            "busybox",
            "sh",
            "-c",
            "-it",
            "--rm=x",
        ])
        .unwrap();
        let expected = CreateRequest {
            image: "busybox".into(),
            command: ["sh", "-c", "-it", "--rm=x"].map(String::from).to_vec(),
            name: Some("web".parse().unwrap()),
            entrypoint: Some(String::new()),
            env: vec!["A=1".into(), "LANG=C".into()],
            cwd: Some("/x".into()),
            user: Some("1:2".into()),
            tty: true,
            stdin: true,
            hostname: Some("box".into()),
            networks: vec![NetworkRequest::Host],
            wish: Default::default(),
            networking: Networking { publish_all: true, ..Networking::default() },
            expose: vec!["99/tcp".into()],
            mounts: Vec::new(),
            driver: Default::default(),
            user_namespace: UserNamespaceRequest::NoMap,
            storage_size: Some(10 << 30),
            read_only: true,
            init: true,
            labels: [("a".to_owned(), "b".to_owned())].into(),
            remove: true,
            stop_signal: Some("INT".into()),
            stop_timeout: Some(3),
            cap_add: vec!["ALL".into()],
            cap_drop: vec!["net_raw".into()],
            privileged: true,
            no_new_privileges: true,
            seccomp: Some(Seccomp::Unconfined),
            shm_size: Some(1 << 20),
            pull: PullPolicy::Always,
            platform: Some(Platform::new("linux", "arm64", None)),
            quiet: true,
        };
        assert_eq!(format!("{got:#?}"), format!("{expected:#?}"));
        let plain = options(&["busybox"]).unwrap();
        let expected = CreateRequest { image: "busybox".into(), ..CreateRequest::default() };
        assert_eq!(format!("{plain:#?}"), format!("{expected:#?}"));
    }

    #[test]
    fn wrong_options_say_why() {
        for (line, reason) in [
            (&["--network", "pasta", "x"][..], "network `pasta` is not needed here"),
            (&["-p", "x", "x"], "invalid port `x`"),
            (&["--pull", "sometimes", "x"], "invalid pull option"),
            (&["--pull", "newer", "x"], "invalid pull option"),
            (&["--shm-size=4zz", "x"], "invalid argument `4zz` for `--shm-size`"),
            (&["--shm-size=0", "x"], "greater than 0"),
            (&["--stop-timeout=-1", "x"], "invalid argument `-1`"),
            (&["-w", "rel", "x"], "absolute path"),
            (&["--name", "a/b", "x"], "invalid name"),
            (&["--platform", "a/b/c/d", "x"], "a/b/c/d"),
            (&["--security-opt", "apparmor=strict", "x"], "is not supported"),
            (&["--security-opt", "frob", "x"], "invalid security option: `frob`"),
            (&["--security-opt", "seccomp=absent.json", "x"], "cannot read the seccomp profile `/work/absent.json`"),
            (&["-v", "/a", "-v", "/b:/a", "x"], "duplicate mount point"),
            (&["--userns", "frob", "x"], "invalid user namespace mode `frob`"),
            (&["--storage-opt", "dm.size=1", "x"], "unknown storage option"),
        ] {
            let chain = options(line).unwrap_err().chain();
            assert!(chain.contains(reason), "{line:?}: {chain}");
        }
    }
}
