//! A real registry: Debian's `docker-registry` on a loopback port, with its storage in a temporary directory.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

use super::images;

/// The user and password of a registry that asks for them.
pub const CREDENTIALS: (&str, &str) = ("tester", "secret");

/// bcrypt of that password, cost 4.
const HTPASSWD: &str = "tester:$2b$04$UsrqFZLa/P3m2R3AGNbqI..CklACExA1UOfAqYSonEaBx3c350bBu\n";

/// A running registry. Dropping it stops it and deletes its storage.
#[derive(Debug)]
pub struct Registry {
    directory: PathBuf,
    address: String,
    process: Child,
    auth: bool,
}

impl Registry {
    /// The registry of this test run, with `image` pushed into it. Tests read from it; what they push goes to their own.
    pub fn shared(image: &str) -> &'static Self {
        static SHARED: OnceLock<Registry> = OnceLock::new();
        static PUSHED: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let registry = SHARED.get_or_init(|| {
            // The registry ends with the thread that starts it (PR_SET_PDEATHSIG): one that lives as long as we do.
            let (sender, receiver) = mpsc::channel();
            std::thread::spawn(move || {
                sender.send(Self::start()).expect("somebody waits");
                loop {
                    std::thread::park();
                }
            });
            receiver.recv().expect("a registry")
        });
        let mut pushed = PUSHED.lock().unwrap_or_else(PoisonError::into_inner);
        if !pushed.iter().any(|name| name == image) {
            registry.push_layout(&images::layout(image), image, &[]);
            pushed.push(image.to_owned());
        }
        registry
    }

    /// Starts an empty registry.
    pub fn start() -> Self {
        Self::launch(false, None)
    }

    /// Starts one that wants [`CREDENTIALS`] by basic authentication.
    pub fn start_with_password() -> Self {
        Self::launch(true, None)
    }

    /// Starts one that speaks HTTPS with this certificate and key.
    pub fn start_tls(certificate: &Path, key: &Path) -> Self {
        Self::launch(false, Some((certificate, key)))
    }

    fn launch(auth: bool, tls: Option<(&Path, &Path)>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let base = std::env::var("CORACLE_TEST_DIR").unwrap_or_else(|_| "/var/tmp".into());
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = Path::new(&base).join(format!("r{}-{serial}", std::process::id()));
        fs::create_dir_all(directory.join("storage")).expect("a fresh directory");
        fs::write(directory.join("htpasswd"), HTPASSWD).expect("our directory");
        let tls = tls.map_or(String::new(), |(certificate, key)| {
            format!(", tls: {{certificate: {}, key: {}}}", certificate.display(), key.display())
        });
        let mut config = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {0}/storage}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '127.0.0.1:0', secret: secret{tls}}}\n",
            directory.display()
        );
        if auth {
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}/htpasswd}}}}\n", directory.display());
        }
        fs::write(directory.join("config.yml"), config).expect("our directory");
        let log = directory.join("log");
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "docker-registry", "serve"])
            .arg(directory.join("config.yml"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("our directory"))
            .spawn()
            .expect("setpriv(1) is in util-linux");
        // Port 0 lets the kernel choose a free one; the log says which.
        let mut address = None;
        super::eventually("docker-registry listens", || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            assert!(process.try_wait().expect("a child of ours").is_none(), "docker-registry ended:\n{text}");
            address = text.split("listening on ").nth(1).and_then(|rest| {
                let end =
                    rest.find(|character: char| character != '.' && character != ':' && !character.is_ascii_digit())?;
                Some(rest[..end].to_owned())
            });
            address.as_ref().is_some_and(|address| TcpStream::connect(address).is_ok())
        });
        Self { directory, address: address.expect("it listens"), process, auth }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The reference of a repository's `latest`.
    pub fn name(&self, repository: &str) -> String {
        format!("{}/{repository}:latest", self.address)
    }

    /// The registry's files: `…/docker/registry/v2/blobs/…`.
    pub fn storage(&self) -> PathBuf {
        self.directory.join("storage/docker/registry/v2")
    }

    /// Pushes `image` as `repository` (`name` or `name:tag`) and gives its reference.
    pub fn push(&self, image: &images::Image, repository: &str) -> String {
        let layout = self.scratch();
        image.write(&layout);
        self.push_layout(&layout, repository, &[])
    }

    /// Pushes an index of several platforms.
    pub fn push_index(&self, platforms: &[&images::Image], repository: &str) -> String {
        let layout = self.scratch();
        images::write_index(&layout, platforms);
        self.push_layout(&layout, repository, &["--all"])
    }

    /// Pushes the OCI layout's `latest` with skopeo, and gives its reference. Panics when skopeo fails.
    pub fn push_layout(&self, layout: &Path, repository: &str, options: &[&str]) -> String {
        let name =
            if repository.contains(':') { format!("{}/{repository}", self.address) } else { self.name(repository) };
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]).args(options);
        if self.auth {
            skopeo.args(["--dest-creds", &format!("{}:{}", CREDENTIALS.0, CREDENTIALS.1)]);
        }
        skopeo.arg(format!("oci:{}:latest", layout.display())).arg(format!("docker://{name}"));
        let output = skopeo.output().expect("skopeo");
        assert!(output.status.success(), "skopeo: {}", String::from_utf8_lossy(&output.stderr));
        name
    }

    fn scratch(&self) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        self.directory.join(format!("layout{}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Stops answering; its address refuses connections from now on.
    pub fn stop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        drop(fs::remove_dir_all(&self.directory));
    }
}
