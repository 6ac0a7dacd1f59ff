//! Where a test plays: a user's directories, an engine in them, a registry with a small image, and threads.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use coracle::engine::Engine;
use coracle::engine::progress::Silent;
use coracle::engine::pull::{self, PullRequest};
use coracle::testing::base::Paths;
use coracle::testing::oci::Platform;
use coracle::testing::registry::Settings;
use coracle::testing::spec::PullPolicy;
use coracle::testing::spec::StorageDriver;
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::runtime::Runtime;

use crate::bad_registry::{BadRegistry, Content, Fault};

/// The program of the image: Debian's package busybox-static.
const BUSYBOX: &str = "/bin/busybox";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What this machine lacks.
pub fn ready() -> Result<(), String> {
    match Path::new(BUSYBOX).exists() {
        true => Ok(()),
        false => Err(format!("`{BUSYBOX}` is not installed")),
    }
}

/// A pull of `app` from a registry.
pub fn pull_request(host: &str, tag: &str) -> PullRequest {
    PullRequest { image: format!("{host}/app:{tag}"), platform: None, policy: PullPolicy::Always }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// True while a process exists and is not a zombie.
pub fn is_alive(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| !status.lines().any(|line| line.starts_with("State:") && line.contains('Z')))
}

/// The part of a process that was started to be killed: pulls an image into the directories of another one's stage.
pub fn pull_there(root: &Path, image: &str) {
    let engine = engine_in(root);
    let request = PullRequest { image: image.to_owned(), platform: None, policy: PullPolicy::Always };
    let _ = pull::pull(&engine, &request, &Silent);
}

fn engine_in(root: &Path) -> Engine {
    let paths =
        Paths { data: root.join("data"), runtime: root.join("run"), config: root.join("config"), home: root.into() };
    let registry = Settings { registries: Default::default(), certificate_dirs: Vec::new(), ..Settings::of(&paths) };
    Engine { paths, registry }
}

/// What users of the engine share.
#[derive(Debug, Clone)]
pub struct Scene {
    pub engine: Engine,
    pub driver: StorageDriver,
}

/// See the module. Dropping it checks that no process is left, not even a dead one that nobody waited for.
pub struct Stage {
    scene: Scene,
    runtime: Runtime,
    root: PathBuf,
}

impl Deref for Stage {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Stage {
    pub fn new() -> Self {
        let base = std::env::var("CORACLE_TEST_DIR").unwrap_or_else(|_| "/var/tmp".into());
        let root = PathBuf::from(base).join(format!("w{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        let driver = std::env::var("CORACLE_TEST_DRIVER").unwrap_or_else(|_| "overlay".into());
        // One thread for the loop; verbs block, so that they run on threads of their own.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let scene = Scene { engine: engine_in(&root), driver: driver.parse().unwrap() };
        Self { scene, runtime, root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A registry with the image `one`; `fault` is what happens to its layers.
    pub fn registry(&self, fault: Fault) -> BadRegistry {
        let mut content = Content::default();
        content.image("one", &Platform::host().architecture, "{}", &[layer()]);
        BadRegistry::start(move |request| {
            let reply = content.serve(request);
            match reply.body.len() > 100_000 {
                true => reply.fault(fault),
                false => reply,
            }
        })
    }

    /// From now on this process has several threads: the runtime keeps those that have worked for a while.
    pub fn threads(&self) {
        self.both(|_, _| ());
        assert!(fs::read_dir("/proc/self/task").unwrap().count() >= 3);
    }

    /// Does the same for two users of the engine at once, on the threads that a server has for what blocks.
    pub fn both(&self, work: impl Fn(&Scene, usize) + Send + Sync + 'static) {
        let work = Arc::new(work);
        self.runtime.block_on(async {
            let users = [0, 1].map(|user| {
                let (scene, work) = (self.scene.clone(), work.clone());
                tokio::task::spawn_blocking(move || work(&scene, user))
            });
            for user in users {
                user.await.unwrap();
            }
        });
    }

    /// The worker that pulls here, once it waits for the layer of the image: the `nth` since the registry began.
    pub fn puller(&self, registry: &BadRegistry, nth: usize) -> Pid {
        // The first blob is the configuration.
        eventually("the layer is asked for", || registry.count("/blobs/") == 2 * nth);
        let command: [&[u8]; 4] =
            [b"coracle-worker", b"pull", self.engine.paths.data.as_os_str().as_encoded_bytes(), b""];
        let command = command.join(&0);
        let is_it = |pid: &Pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == command);
        processes().find(|pid| is_it(pid) && is_alive(*pid)).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let root = self.root.as_os_str().as_encoded_bytes();
        let ours = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(b"coracle-") && line.windows(root.len()).any(|part| part == root)
        };
        eventually("no process is left", || processes().map(Pid::as_raw).all(|pid| !ours(&pid)));
        let dead = waitpid(None, Some(WaitPidFlag::WNOHANG));
        assert_eq!(dead, Err(Errno::ECHILD), "a child that nobody waited for");
        fs::remove_dir_all(&self.root).unwrap();
    }
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).map(Pid::from_raw)
}

/// A layer with busybox.
fn layer() -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        layer.append_data(&mut header, path, content).unwrap();
    };
    add("bin/", tar::EntryType::Directory, b"");
    add("bin/busybox", tar::EntryType::Regular, &fs::read(BUSYBOX).unwrap());
    add("etc/", tar::EntryType::Directory, b"");
    add("etc/passwd", tar::EntryType::Regular, b"captain:x:0:0::/:/bin/sh\n");
    layer.into_inner().unwrap()
}
