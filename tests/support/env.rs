//! One test's own user: home, data, configuration and runtime directories, a cleared environment, and `coracle` in it.
//!
//! Dropping an [`Env`] removes its containers, checks that no process of ours is left (nothing runs when nothing runs),
//! and deletes its files.
//!
//! `CORACLE_BIN` names another executable. With `CORACLE_TEST_PEER=podman` that is podman, to check a test's
//! expectations on the reference; tests of our own behaviour do not hold there.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::images;
use super::line::words;
use super::output::{Command, Output};
use super::registry::Registry;
use super::terminal::Terminal;

/// The search path of every command: the system's, and nothing of the developer's.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// A user of coracle that exists for one test.
#[derive(Debug)]
pub struct Env {
    root: PathBuf,
    program: PathBuf,
    driver: Option<String>,
    peer: bool,
}

impl Env {
    /// An environment in which `images` (`busybox`, `debian`, `services`) are pulled. The error is what this machine lacks.
    pub fn with(images: &[&str]) -> Result<Self, String> {
        user_namespaces()?;
        for image in images {
            images::can_make(image)?;
        }
        let env = Self::new();
        for image in images {
            env.argv(&["pull", "-q", "--tls-verify=false", &Registry::shared(image).name(image)]).succeeds();
        }
        Ok(env)
    }

    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let base = std::env::var("CORACLE_TEST_DIR").unwrap_or_else(|_| "/var/tmp".into());
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = Path::new(&base).join(format!("e{}-{serial}", std::process::id()));
        for name in ["", "home", "run", "data", "config", "bin", "files"] {
            fs::DirBuilder::new().mode(0o700).create(root.join(name)).expect("a fresh directory");
        }
        // The users of containers must reach the test's own files, and other ids of ours the executable.
        for open in ["", "files", "bin"] {
            fs::set_permissions(root.join(open), fs::Permissions::from_mode(0o755)).expect("ours");
        }
        let built = std::env::var_os("CORACLE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_coracle").into());
        let program = root.join("bin/coracle");
        let peer = std::env::var_os("CORACLE_TEST_PEER").is_some();
        // A name of its own tells this environment's processes from all others.
        if fs::hard_link(&built, &program).is_err() {
            let _ = fs::copy(&built, &program).expect("a readable executable");
        }
        let driver = std::env::var("CORACLE_TEST_DRIVER").ok().filter(|driver| driver != "overlay");
        let env = Self { root, program, driver, peer };
        if peer {
            env.configure_peer();
        }
        env
    }

    fn configure_peer(&self) {
        let directory = self.root.join("config/containers");
        fs::create_dir(&directory).expect("a fresh directory");
        for (file, text) in [
            ("storage.conf", "[storage]\ndriver = \"overlay\"\n"),
            (
                "containers.conf",
                "[containers]\nnetns = \"none\"\n[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n",
            ),
            ("policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n"),
        ] {
            fs::write(directory.join(file), text).expect("our directory");
        }
    }

    /// The same environment with a storage driver of the test's choice, whichever the run is for.
    pub fn with_driver(mut self, driver: &str) -> Self {
        self.driver = Some(driver.to_owned());
        self
    }

    /// The directory of this environment.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path among the test's own files (existing or not), outside everything that coracle owns.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join("files").join(name)
    }

    /// Writes one of the test's own files, readable by everybody.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, text).expect("our directory");
        path
    }

    /// Makes one of the test's own directories.
    pub fn mkdir(&self, name: &str) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(&path).expect("our directory");
        path
    }

    /// The executable of this environment.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where this environment's coracle keeps its data.
    pub fn data(&self) -> PathBuf {
        self.root.join("data/coracle")
    }

    /// Where it keeps what a reboot erases.
    pub fn runtime(&self) -> PathBuf {
        self.root.join("run/coracle")
    }

    /// The user's configuration directory.
    pub fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    /// The user's home directory.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Runs `coracle LINE` to its end. `IMAGE`, `DEBIAN` and `SERVICES` as words stand for the images of the shared registry.
    #[must_use = "assert on it: .succeeds(), .fails_with(125)"]
    #[track_caller]
    pub fn coracle(&self, line: &str) -> Output {
        self.command(line).run()
    }

    /// The same with exact arguments.
    #[must_use = "assert on it: .succeeds(), .fails_with(125)"]
    #[track_caller]
    pub fn argv(&self, arguments: &[&str]) -> Output {
        self.command_argv(arguments).run()
    }

    /// `coracle LINE`, not started yet.
    pub fn command(&self, line: &str) -> Command {
        let arguments: Vec<String> = words(line)
            .into_iter()
            .map(|word| match word.as_str() {
                "IMAGE" => self.image(),
                "DEBIAN" => self.debian(),
                "SERVICES" => self.services(),
                _ => word,
            })
            .collect();
        self.command_argv(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// `coracle LINE` under another name: `docker` or `podman`.
    pub fn persona(&self, name: &str, line: &str) -> Command {
        let link = self.root.join("bin").join(name);
        if !link.exists() {
            std::os::unix::fs::symlink("coracle", &link).expect("our directory");
        }
        let (_, ours) = self.command(line).into_parts();
        let arguments: Vec<String> = ours.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        self.tool(&link.to_string_lossy(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The same with exact arguments.
    pub fn command_argv(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(&self.program);
        if let Some(driver) = &self.driver {
            command.args(["--storage-driver", driver]);
        }
        command.args(arguments);
        Command::new(format!("coracle {}", arguments.join(" ")), command)
    }

    /// `coracle LINE` under another name, `docker` or `podman`.
    pub fn called(&self, name: &str, line: &str) -> Command {
        let link = self.root.join("bin").join(name);
        if !link.exists() {
            std::os::unix::fs::symlink("coracle", &link).expect("our directory");
        }
        let (_, ours) = self.command(line).into_parts();
        let arguments: Vec<String> = ours.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        self.tool(&link.to_string_lossy(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Another program in this environment.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.bare(Path::new(program));
        command.args(arguments);
        Command::new(format!("{program} {}", arguments.join(" ")), command)
    }

    fn bare(&self, program: &Path) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", self.home())
            .env("USER", std::env::var_os("USER").unwrap_or_else(|| "root".into()))
            .env("TZ", "UTC")
            .env("XDG_DATA_HOME", self.root.join("data"))
            .env("XDG_CONFIG_HOME", self.config())
            .env("XDG_RUNTIME_DIR", self.root.join("run"))
            .current_dir(&self.root);
        command
    }

    /// `coracle LINE` on a terminal of 80 columns and 24 rows.
    #[track_caller]
    pub fn terminal(&self, line: &str) -> Terminal {
        Terminal::start(self.command(line).var("TERM", "xterm"))
    }

    /// The busybox image's name.
    pub fn image(&self) -> String {
        Registry::shared("busybox").name("busybox")
    }

    /// The Debian image's name.
    pub fn debian(&self) -> String {
        Registry::shared("debian").name("debian")
    }

    /// The name of a third image: Debian with nginx, redis and python.
    pub fn services(&self) -> String {
        Registry::shared("services").name("services")
    }

    /// Starts a container in the background; the line is what follows `run -d`. Gives its id.
    #[track_caller]
    pub fn run_detached(&self, line: &str) -> String {
        let id = self.coracle(&format!("run -d {line}")).succeeds().line().to_owned();
        assert!(is_id(&id), "not a container id: {id:?}");
        id
    }

    /// One value of a container or image, by template.
    #[track_caller]
    pub fn inspect(&self, object: &str, template: &str) -> String {
        self.argv(&["inspect", "--format", template, object]).succeeds().line().to_owned()
    }

    /// The host's process id of a container's first process.
    #[track_caller]
    pub fn pid(&self, container: &str) -> Pid {
        let pid = Pid::from_raw(self.inspect(container, "{{.State.Pid}}").parse().expect("a process id"));
        assert!(pid.as_raw() > 0, "{container} has no process");
        pid
    }

    /// `running`, `exited`, … as `inspect` says.
    #[track_caller]
    pub fn status(&self, container: &str) -> String {
        self.inspect(container, "{{.State.Status}}")
    }

    /// Waits until the container has this status.
    #[track_caller]
    pub fn reaches(&self, container: &str, status: &str) {
        super::eventually(&format!("{container} is {status}"), || self.status(container) == status);
    }

    /// Waits until the container's log contains `text`.
    #[track_caller]
    pub fn logged(&self, container: &str, text: &str) {
        super::eventually(&format!("{container} logs {text:?}"), || {
            let output = self.argv(&["logs", container]).succeeds();
            output.stdout.contains(text) || output.stderr.contains(text)
        });
    }

    /// The processes of this environment's `coracle`, whatever their role: they have its executable or its directories
    /// among their arguments.
    pub fn processes(&self) -> Vec<Pid> {
        processes(|pid| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut arguments =
                arguments.split(|&byte| byte == 0).map(|argument| Path::new(OsStr::from_bytes(argument)));
            let name = arguments.next().unwrap_or(Path::new(""));
            let is_coracle = name.file_name().is_some_and(|name| name.as_bytes().starts_with(b"coracle"));
            // By whole names of directories: that of one environment is the beginning of another's.
            is_coracle && (name.starts_with(&self.root) || arguments.any(|argument| argument.starts_with(&self.root)))
        })
    }

    /// The supervisor of a running container: the parent of its first process.
    #[track_caller]
    pub fn supervisor(&self, container: &str) -> Pid {
        let parent = parent(self.pid(container)).expect("a running process has a parent");
        assert!(self.processes().contains(&parent), "the parent of {container} is not a process of ours");
        parent
    }

    /// The process that serves the files of a container which runs with the fuse driver.
    #[track_caller]
    pub fn file_server(&self, container: &str) -> Pid {
        let id = self.inspect(container, "{{.Id}}");
        let servers = processes(|pid| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let text = String::from_utf8_lossy(&arguments);
            text.starts_with("coracle-fused\0") && text.contains(&*self.root.to_string_lossy()) && text.contains(&id)
        });
        assert_eq!(servers.len(), 1, "one process serves the files of {container}");
        servers[0]
    }

    /// Removes all containers; true when no process of ours is left afterwards.
    fn tear_down(&self) -> bool {
        if self.data().join("pods").is_dir() {
            let _ = self.argv(&["pod", "rm", "-f", "-t", "0", "--all"]);
        }
        let list = self.argv(&["ps", "-aq", "--no-trunc"]);
        let containers = list.lines();
        if !containers.is_empty() {
            let mut arguments = vec!["rm", "-f"];
            arguments.extend(containers);
            let _ = self.argv(&arguments);
        }
        // netd waits a few seconds for the next container; that it ends by itself is a test of its own.
        for pid in self.processes() {
            if fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"coracle-netd")) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
        let clean = self.peer || super::holds_within(Duration::from_secs(10), || self.processes().is_empty());
        for pid in self.processes() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        clean
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed && std::env::var_os("CORACLE_TEST_KEEP").is_some() {
            eprintln!("kept: {}", self.root.display());
            return;
        }
        // A test that fails already must not abort the run by a second panic.
        let clean = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.tear_down())).unwrap_or(false);
        if fs::remove_dir_all(&self.root).is_err() {
            // Trees that belong to subordinate ids.
            let _ = std::process::Command::new("unshare")
                .args(["--map-auto", "--map-root-user", "rm", "-rf"])
                .arg(&self.root)
                .status();
        }
        assert!(failed || clean, "processes of ours outlived the last container");
    }
}

/// True for the 64 hexadecimal digits of a container or image id.
pub fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// All processes for which `condition` holds.
pub fn processes(condition: impl Fn(i32) -> bool) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("proc is mounted");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| condition(pid))
        .map(Pid::from_raw)
        .collect()
}

/// The parent of a process, when that process exists.
pub fn parent(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Some(Pid::from_raw(line.trim().parse().ok()?))
}

/// True while a process exists and is not a zombie.
pub fn alive(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| !status.lines().any(|line| line.starts_with("State:") && line.contains('Z')))
}

/// Whether this user can have a user namespace with subordinate ids here.
fn user_namespaces() -> Result<(), String> {
    if super::is_root() {
        return Ok(());
    }
    if let Some(missing) = super::missing_tool(&["newuidmap", "newgidmap", "unshare"]) {
        return Err(missing);
    }
    let works = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "true"])
        .stderr(std::process::Stdio::null())
        .status();
    if !works.is_ok_and(|status| status.success()) {
        return Err("the kernel refuses user namespaces to this user".into());
    }
    let user = std::env::var("USER").unwrap_or_default();
    let uid = nix::unistd::getuid().to_string();
    let listed = fs::read_to_string("/etc/subuid").unwrap_or_default();
    if !listed.lines().any(|line| line.split(':').next().is_some_and(|name| name == user || name == uid)) {
        return Err("this user has no range in /etc/subuid".into());
    }
    Ok(())
}

#[test]
fn processes_of_another_environment_are_not_ours() {
    let env = Env::new();
    let root = env.root.to_str().unwrap();
    for (data, expected) in [(format!("{root}/data"), true), (format!("{root}0/data"), false)] {
        let mut other = std::process::Command::new("sh")
            .arg0("coracle-netd")
            .args(["-c", "read line", &data])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(other.id()).unwrap());
        super::eventually("it has its name", || {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"coracle-netd\0"))
        });
        assert_eq!(env.processes().contains(&pid), expected, "{data}");
        drop(other.stdin.take());
        other.wait().unwrap();
    }
}
