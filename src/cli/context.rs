//! What every command gets: where to print, what the environment says, and the engine.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::container::options::Around;
use super::elsewhere::refuse_other_engines;
use super::environment::{Chosen, Environment};
use super::ui::{Level, Ui};
use crate::base::{Error, Kind, Result, ResultExt, failpoint, text, trace};
use crate::engine::Engine;
use crate::engine::access::Access;
use crate::spec::cgroups::Manager;
use crate::spec::storage::StorageDriver;

/// The program whose command line is played, by the name it was called with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Persona {
    /// Itself.
    #[default]
    Coracle,
    /// docker's command line.
    Docker,
    /// podman's command line.
    Podman,
}

/// The version of docker whose command line this is: what it says of itself when it is called as `docker`.
const DOCKER_VERSION: &str = "28.5.1";

/// The same for podman.
const PODMAN_VERSION: &str = "5.8.0";

impl Persona {
    /// By the first argument of the process.
    pub fn called(argument: &str) -> Self {
        match argument.rsplit('/').next() {
            Some("docker" | "docker-compose") => Persona::Docker,
            Some("podman") => Persona::Podman,
            _ => Persona::Coracle,
        }
    }

    /// How it calls itself.
    pub fn program(self) -> &'static str {
        match self {
            Persona::Coracle => "coracle",
            Persona::Docker => "docker",
            Persona::Podman => "podman",
        }
    }

    /// The exit code of a command that failed: podman has 125 for whatever is not the container's own (podman(1), "Exit
    /// Codes"), docker for wrong command lines alone.
    pub fn failure(self) -> u8 {
        match self {
            Persona::Podman => 125,
            Persona::Coracle | Persona::Docker => 1,
        }
    }

    /// The exit code of a command that did not remove what it should: podman's tells what was not there and what is in use
    /// (podman-rm(1), podman-rmi(1) and podman-network-rm(1), "Exit Codes").
    pub fn not_removed(self, error: &Error) -> u8 {
        match (self, error.kind()) {
            (Persona::Podman, Kind::NotFound) => 1,
            (Persona::Podman, Kind::Conflict) => 2,
            _ => self.failure(),
        }
    }

    /// The version it claims: programs that call docker or podman compare it.
    pub fn version(self) -> &'static str {
        match self {
            Persona::Coracle => env!("CARGO_PKG_VERSION"),
            Persona::Docker => DOCKER_VERSION,
            Persona::Podman => PODMAN_VERSION,
        }
    }

    /// The line of `--version`.
    pub fn version_line(self) -> String {
        match self {
            Persona::Docker => {
                format!("Docker version {DOCKER_VERSION}, build coracle-{}", env!("CARGO_PKG_VERSION"))
            }
            _ => format!("{} version {}", self.program(), self.version()),
        }
    }
}

/// Options that stand before the command.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Globals {
    /// How new containers get control groups: systemd (the user's manager), cgroupfs (coracle itself) or disabled
    #[arg(long, value_name = "MANAGER")]
    pub cgroup_manager: Option<String>,
    /// Directory of docker's client configuration, for the credentials in its config.json
    #[arg(long, value_name = "DIR")]
    pub config: Option<String>,
    /// Say what is decided: the same as --log-level debug
    #[arg(short = 'D', long)]
    pub debug: bool,
    /// Refused: coracle has no daemon to connect to
    #[arg(short = 'H', long, value_name = "SOCKET", hide = true)]
    pub host: Vec<String>,
    /// Refused: coracle has no daemon to connect to
    #[arg(short = 'c', long, alias = "connection", value_name = "CONTEXT", hide = true)]
    pub context: Option<String>,
    /// Refused: coracle has no daemon to connect to
    #[arg(long, value_name = "URL", hide = true)]
    pub url: Option<String>,
    /// Which messages to print: debug, info, warn, error or fatal
    #[arg(short = 'l', long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
    /// Keep images and containers in this directory
    #[arg(long, value_name = "DIR")]
    pub root: Option<String>,
    /// Keep sockets and other short-lived files in this directory
    #[arg(long, value_name = "DIR")]
    pub runroot: Option<String>,
    /// The storage driver of new containers, which unites their layers: overlay (the kernel) or fuse (coracle itself)
    #[arg(long, value_name = "DRIVER", default_value = "overlay")]
    pub storage_driver: String,
    /// Print version information and quit
    #[arg(short, long)]
    pub version: bool,
}

impl Globals {
    /// None given.
    pub fn none() -> Self {
        Self { log_level: "info".into(), storage_driver: "overlay".into(), ..Self::default() }
    }

    /// Which messages are wanted. Refuses what cannot work here.
    pub fn level(&self) -> Result<Level> {
        let remote = self.host.iter().map(String::as_str).find(|host| !host.is_empty());
        let context = self.context.as_deref().filter(|context| *context != "default");
        if let Some(name) = remote.or(context).or(self.url.as_deref()) {
            return Err(Error::unsupported(format!(
                "cannot connect to `{}`: coracle has no daemon",
                text::clean(name)
            ))
            .hint("it works on this machine, as this user; leave out `--host` and `--context`"));
        }
        self.storage_driver.parse::<StorageDriver>()?;
        self.cgroup_manager.as_deref().map(Manager::parse).transpose()?;
        match self.log_level.as_str() {
            _ if self.debug => Ok(Level::Debug),
            "trace" | "debug" => Ok(Level::Debug),
            "info" | "warn" | "warning" => Ok(Level::Warn),
            "error" | "fatal" | "panic" => Ok(Level::Error),
            other => Err(Error::usage(format!("unable to parse logging level: {}", text::clean(other)))
                .hint("these are: debug, info, warn, error, fatal")),
        }
    }
}

/// What every command gets.
pub struct Context {
    /// Where to print.
    pub ui: Ui,
    /// What the environment says.
    pub environment: Environment,
    /// The program whose command line is played.
    pub persona: Persona,
    /// The words between a noun and its command.
    pub before: Vec<String>,
    globals: Globals,
    cwd: PathBuf,
}

impl Context {
    /// For one command.
    pub fn new(persona: Persona, environment: Environment, globals: Globals, level: Level) -> Self {
        // Without a working directory (it was removed), relative paths are looked up from the root.
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        Self { ui: Ui::new(persona.program(), level), environment, persona, before: Vec::new(), globals, cwd }
    }

    /// What options are read against.
    pub fn around(&self) -> Around<'_> {
        Around {
            cwd: &self.cwd,
            environment: &self.environment,
            driver: self.driver(),
            persona: self.persona,
            docker: self.docker_directory(),
            cgroup_manager: self.globals.cgroup_manager.as_deref(),
        }
    }

    /// The working directory.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// A path as typed.
    pub fn path(&self, typed: &str) -> PathBuf {
        self.cwd.join(typed)
    }

    /// The file of `REGISTRY_AUTH_FILE`, which docker does not know. It is not there before the first login.
    fn authfile(&self) -> Option<PathBuf> {
        let file = self.environment.path("REGISTRY_AUTH_FILE").filter(|file| file.exists());
        file.filter(|_| self.persona != Persona::Docker)
    }

    /// docker's client configuration directory.
    pub fn docker_directory(&self) -> PathBuf {
        let usual = || self.environment.path("HOME").unwrap_or_default().join(".docker");
        self.docker_directory_given().unwrap_or_else(usual)
    }

    fn docker_directory_given(&self) -> Option<PathBuf> {
        let given = self.globals.config.as_ref().map(|path| self.cwd.join(path));
        given.or_else(|| self.environment.path("DOCKER_CONFIG"))
    }

    /// The storage driver of new containers. [`Globals::level`] has refused a wrong name.
    pub fn driver(&self) -> StorageDriver {
        self.globals.storage_driver.parse().unwrap_or_default()
    }

    /// Asks; anything but `y` is no.
    pub fn confirmed(&self, warning: &str) -> Result<bool> {
        self.ui.text(&format!("{warning}\nAre you sure you want to continue? [y/N] "))?;
        self.ui.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).context(|| "cannot read the answer")?;
        Ok(answer.trim().eq_ignore_ascii_case("y"))
    }

    /// Tells of a command that is refused before anything was asked of the engine. The exit code is the persona's plain one,
    /// where that of the command's work says more.
    pub fn refuse(&self, error: &Error) -> u8 {
        self.ui.error(error);
        self.persona.failure()
    }

    /// The zone in which times are shown.
    pub fn zone(&self) -> TimeZone {
        TimeZone::system()
    }

    /// The engine, for a command that does not ask registries.
    pub fn engine(&self) -> Result<Engine> {
        self.engine_for_registries(None, None)
    }

    /// The engine. `tls_verify` and `authfile` are the options of that name.
    pub fn engine_for_registries(&self, tls_verify: Option<bool>, authfile: Option<&str>) -> Result<Engine> {
        let directory = |given: &Option<String>| given.as_ref().map(|path| self.cwd.join(path));
        refuse_other_engines(self.persona, &self.environment, &self.docker_directory())?;
        let chosen = Chosen { data: directory(&self.globals.root), runtime: directory(&self.globals.runroot) };
        let paths = self.environment.paths(&chosen)?;
        failpoint::watch(&paths.runtime);
        trace::step(|| format!("data is in {}, sockets are in {}", paths.data.display(), paths.runtime.display()));
        let authfile = authfile.map(|file| self.cwd.join(file)).or_else(|| self.authfile());
        let mut engine =
            Engine::new(paths, Access { tls_verify, auth_file: authfile, docker: self.docker_directory_given() })?;
        if self.persona == Persona::Docker {
            engine.docker_first();
        }
        let files = &mut engine.registry.registries;
        files.docker_hub_only = self.persona == Persona::Docker;
        engine.registry.demand_signatures = self.demands_signatures();
        if self.persona == Persona::Docker && !engine.registry.demand_signatures {
            // docker knows no policy.
            engine.registry.policies.clear();
        }
        let files = &mut engine.registry.registries;
        let named = ["CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH"];
        files.named = named.into_iter().find_map(|variable| self.environment.path(variable));
        if let Some(cache) = self.environment.path("XDG_CACHE_HOME") {
            files.aliases = Some(cache.join("containers/short-name-aliases.conf"));
        }
        Ok(engine)
    }

    /// Whether images must be signed: `DOCKER_CONTENT_TRUST=1`.
    pub fn demands_signatures(&self) -> bool {
        let variable = self.environment.get("DOCKER_CONTENT_TRUST");
        variable.is_some_and(|value| !matches!(value, "" | "0" | "f" | "F" | "false" | "False" | "FALSE"))
    }

    /// Says, the first time, what a user without subordinate ids has to do without.
    pub fn tell_of_single_id(&self, engine: &Engine) -> Result<()> {
        if engine.single_id_is_news()? {
            self.ui.warning(
                "you have no subordinate ids: all files of containers belong to you, and programs in them can be no other user than root; `coracle doctor` tells how to get some",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personas_are_told_by_the_name() {
        for (argument, program) in
            [("/usr/bin/docker", "docker"), ("podman", "podman"), ("./coracle", "coracle"), ("", "coracle")]
        {
            assert_eq!(Persona::called(argument).program(), program);
        }
        assert!(Persona::Docker.version_line().starts_with("Docker version 28."));
        assert_eq!(Persona::Coracle.version_line(), format!("coracle version {}", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn a_daemon_is_refused_and_levels_are_known() {
        let globals = |host: &str, context: Option<&str>, level: &str| Globals {
            host: vec![host.into()],
            context: context.map(String::from),
            log_level: level.into(),
            storage_driver: "overlay".into(),
            ..Globals::default()
        };
        assert_eq!(globals("", Some("default"), "info").level().unwrap(), Level::Warn);
        assert_eq!(globals("", None, "fatal").level().unwrap(), Level::Error);
        assert!(globals("tcp://x", None, "info").level().is_err());
        assert!(globals("", Some("remote"), "info").level().is_err());
        assert!(globals("", None, "loud").level().is_err());
    }
}
