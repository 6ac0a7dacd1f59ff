//! What a client needs to know about this machine and this command: files, timeouts, and what the user allowed.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::credentials::Credentials;
pub use super::resolver::Places;
use crate::base::Paths;
use crate::base::paths::lossless_list;

/// Settings of a [`super::Client`]. Nothing here is read from the environment: the command line fills it in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// `--tls-verify`. Absent: certificates are verified, and plain HTTP is used for loopback hosts and those which
    /// `registries.conf` calls insecure. False: this command may use plain HTTP and any certificate. True: neither, not
    /// even for loopback.
    pub tls_verify: Option<bool>,
    /// `--creds`: used for every registry of this command, instead of the files.
    pub credentials: Option<Credentials>,
    /// Files with credentials, containers-auth.json(5) or docker's `config.json`; the first with an entry is used.
    #[serde(with = "lossless_list")]
    pub auth_files: Vec<PathBuf>,
    /// Places of containers-registries.conf(5).
    pub registries: RegistriesFiles,
    /// Places of containers-policy.json(5): the user's, then the system's. The first that exists is obeyed.
    #[serde(with = "lossless_list")]
    pub policies: Vec<PathBuf>,
    /// Refuse images by tag for which the policy demands no signature: `DOCKER_CONTENT_TRUST=1`.
    #[serde(default)]
    pub demand_signatures: bool,
    /// Directories with one directory per `host[:port]`, which holds `*.crt` (authorities) and pairs of `*.cert` and
    /// `*.key` (what we show), see containers-certs.d(5).
    #[serde(with = "lossless_list")]
    pub certificate_dirs: Vec<PathBuf>,
    /// `--cert-dir`: the directory with such files for the registry of this command, whatever its name.
    pub certificates: Option<PathBuf>,
    /// Where the machine says how it finds names.
    pub names: Places,
    /// How long to wait, and how often to try.
    pub patience: Patience,
    /// The `User-Agent` header.
    pub user_agent: String,
}

/// Places of containers-registries.conf(5) and what belongs to it. By default there are none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RegistriesFiles {
    /// `CONTAINERS_REGISTRIES_CONF`: the main file, which must exist then.
    pub named: Option<PathBuf>,
    /// The user's main file: with it the system's files and drop-ins are not read.
    #[serde(with = "lossless_list")]
    pub user: Vec<PathBuf>,
    /// The system's main file: the first that exists.
    #[serde(with = "lossless_list")]
    pub system: Vec<PathBuf>,
    /// Directories with drop-ins of the system; later ones override.
    #[serde(with = "lossless_list")]
    pub system_drop_ins: Vec<PathBuf>,
    /// Directories with drop-ins of the user.
    #[serde(with = "lossless_list")]
    pub user_drop_ins: Vec<PathBuf>,
    /// Where choices among several meanings of a short name are kept.
    pub aliases: Option<PathBuf>,
    /// docker's rule: a name without a registry means Docker Hub, whatever the files say.
    pub docker_hub_only: bool,
}

impl RegistriesFiles {
    /// The places of podman and its relatives.
    fn of(paths: &Paths) -> Self {
        let containers = paths.config.join("containers");
        let system = PathBuf::from("/etc/containers");
        Self {
            named: None,
            user: vec![containers.join("registries.conf")],
            system: vec![system.join("registries.conf"), "/usr/share/containers/registries.conf".into()],
            system_drop_ins: vec!["/usr/share/containers/registries.conf.d".into(), system.join("registries.conf.d")],
            user_drop_ins: vec![containers.join("registries.conf.d")],
            aliases: Some(paths.home.join(".cache/containers/short-name-aliases.conf")),
            docker_hub_only: false,
        }
    }
}

/// When to give up.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Patience {
    /// For a connection, including TLS.
    pub connect: Duration,
    /// Without a single byte, before the connection counts as broken.
    pub stall: Duration,
    /// For one attempt at a question: until the end of the answer's header, with all redirects.
    pub answer: Duration,
    /// For the body of a document: a manifest, a token, an image configuration.
    pub document: Duration,
    /// For a registry to take in what it was sent entirely: large blobs are copied once more there.
    pub settle: Duration,
    /// For all attempts at a question, the waits between them counted.
    pub exchange: Duration,
    /// A blob arrives too slowly when fewer than `least` bytes have come in so much time of waiting for the network. Like
    /// curl's `--speed-time` and `--speed-limit`; containerd's `image_pull_progress_timeout` is content with any byte.
    pub window: Duration,
    /// In bytes.
    pub least: u64,
    /// Attempts at one thing. A blob that made progress in between starts counting again.
    pub attempts: u32,
    /// Before the second attempt; doubled for each further one.
    pub backoff: Duration,
    /// Longest wait that a registry can impose with `Retry-After` before we rather tell the user.
    pub longest_wait: Duration,
    /// For a credential helper, which may ask the user to unlock a key ring.
    pub helper: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            answer: Duration::from_secs(45),
            document: Duration::from_secs(60),
            settle: Duration::from_secs(300),
            exchange: Duration::from_secs(120),
            window: Duration::from_secs(60),
            least: 64 << 10,
            attempts: 5,
            backoff: Duration::from_millis(250),
            longest_wait: Duration::from_secs(60),
            helper: Duration::from_secs(60),
        }
    }
}

/// `${XDG_RUNTIME_DIR}/containers/auth.json`, where podman keeps logins: gone with the session. Without such a directory
/// it is in ours: what is beside that (`/tmp`) is everybody's.
pub fn session_file(paths: &Paths) -> PathBuf {
    let session = match (paths.runtime.parent(), paths.runtime.file_name()) {
        (Some(session), Some(name)) if name == "coracle" => session,
        _ => &paths.runtime,
    };
    session.join("containers/auth.json")
}

impl Settings {
    /// The places where docker and podman keep these files.
    pub fn of(paths: &Paths) -> Self {
        let containers = paths.config.join("containers");
        let system = PathBuf::from("/etc/containers");
        Self {
            tls_verify: None,
            credentials: None,
            auth_files: vec![session_file(paths), containers.join("auth.json"), paths.home.join(".docker/config.json")],
            registries: RegistriesFiles::of(paths),
            policies: vec![containers.join("policy.json"), system.join("policy.json")],
            demand_signatures: false,
            certificate_dirs: vec![
                containers.join("certs.d"),
                paths.home.join(".config/docker/certs.d"),
                system.join("certs.d"),
                "/etc/docker/certs.d".into(),
            ],
            certificates: None,
            names: Places::default(),
            patience: Patience::default(),
            user_agent: concat!("coracle/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
