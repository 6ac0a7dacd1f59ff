//! `registry serve`: the user's images for others, or a cache of a remote registry.
//!
//! # Theory of operation
//!
//! The caller binds the socket, so that it can say where the registry is before anybody is served. A worker then serves in
//! the user's namespace, where the layers can be read, until its caller ends. What there is to serve is [`own`] (the store
//! and what was pushed) or [`proxy`]; the protocol and its bounds are `registry::server`.
//!
//! # Who may do what
//!
//! | the socket | without `--auth` | with `--auth` |
//! |---|---|---|
//! | loopback | the user's own programs, and root's: pull and push | whoever has the password: pull and push |
//! | others | everybody: pull | whoever has the password: pull and push |
//!
//! Loopback is open to all users of a machine, so that it takes more than an address to be trusted: the kernel tells whose
//! program a connection belongs to. With named images, and from a cache, nothing can be pushed.
//!
//! What is pushed becomes an image `localhost/NAME`, whatever its name: a client never replaces an image that came from
//! another registry.

mod names;
mod own;
mod proxy;
mod receive;
mod view;

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::{Deserialize, Serialize};

use super::depot::Depot;
use super::progress::Silent;
use super::worker::{self, Given, Job, Place};
use super::{Engine, image_name};
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt, text};
use crate::oci::{Digest, Reference};
pub use crate::registry::server::Identity;
use crate::registry::server::{Certificate, Content, Limits, Listening, Login, PeerTables, Rules, serve};
use crate::sys::socket;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct ServeRequest {
    /// Only these images, by name.
    pub images: Vec<String>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The user that is let in, with a password.
    pub login: Option<(String, String)>,
    /// HTTPS.
    pub tls: Tls,
    /// Most bytes of uploads that no manifest refers to yet.
    pub upload_limit: u64,
    /// The registry to cache, and most bytes of its blobs.
    pub proxy: Option<(String, u64)>,
}

/// Whether the registry speaks HTTPS.
#[derive(Debug, Clone)]
pub enum Tls {
    /// It does not.
    None,
    /// With a certificate that is made here.
    Made,
    /// With the user's.
    Given(Identity),
}

/// A registry that is about to serve.
#[derive(Debug)]
pub struct Opened {
    job: ServeJob,
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its name for clients: host and port.
    pub place: String,
    /// Names for clients, with their tags, the named or newest images first.
    pub names: Vec<String>,
    /// Whether clients can push.
    pub writable: bool,
    /// Whether only programs of this user are served.
    pub own_programs_only: bool,
    /// The file with the certificate that was made, and its fingerprint.
    pub certificate: Option<(PathBuf, Digest)>,
}

/// Binds the socket and prepares everything.
pub fn open(engine: &Engine, request: &ServeRequest) -> Result<Opened> {
    let store = engine.store()?;
    let mut only = Vec::new();
    for image in &request.images {
        let (_, name) = image_name::find(engine, &store, image)?.ok_or_else(|| {
            Error::not_found(format!("no such image: `{}`", text::clean(image)))
                .hint("`coracle images` lists the images there are")
        })?;
        let name = name.filter(|name| name.digest().is_none() && names::shown(name).is_some()).ok_or_else(|| {
            Error::usage(format!("`{}` is no name with a tag", text::clean(image)))
                .hint("`coracle tag` gives the image one")
        })?;
        only.push(name);
    }
    let listener = TcpListener::bind(request.listen).map_err(|error| {
        let taken = error.kind() == std::io::ErrorKind::AddrInUse;
        let error = Error::system(format!("cannot listen on `{}`", request.listen)).caused_by(error);
        if taken { error.hint("another program does: choose another port with --listen") } else { error }
    })?;
    let address = listener.local_addr().context(|| "cannot set up the listening socket")?;
    let hosts = hosts(address.ip());
    let host = hosts.first().cloned().unwrap_or_default();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let is_local = address.ip().is_loopback();
    let writable = request.proxy.is_none() && only.is_empty() && (is_local || request.login.is_some());
    let (identity, certificate) = match &request.tls {
        Tls::None => (None, None),
        Tls::Given(identity) => (Some(identity.clone()), None),
        Tls::Made => {
            let (identity, path) = certificate(engine, &hosts)?;
            let fingerprint = identity.fingerprint()?;
            (Some(identity), Some((path, fingerprint)))
        }
    };
    if let Some(identity) = &identity {
        identity.check()?;
    }
    let names = match &request.proxy {
        Some(_) => Vec::new(),
        None => offered(engine, &only)?,
    };
    let own_programs_only = is_local && request.login.is_none();
    let job = ServeJob {
        only: Some(only).filter(|only| !only.is_empty()),
        login: request.login.as_ref().map(|(user, password)| Login::new(user, password)),
        identity,
        writable,
        own_programs_only,
        user: rustix::process::geteuid().as_raw(),
        upload_limit: request.upload_limit,
        proxy: request.proxy.clone(),
    };
    let place = format!("{host}:{}", address.port());
    Ok(Opened { job, listener, address, place, names, writable, own_programs_only, certificate })
}

impl Opened {
    /// Serves until this process ends.
    pub fn serve(self, engine: &Engine) -> Result<()> {
        let [v4, v6] = PeerTables::open()?;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .context(|| "cannot make a socket pair")?;
        let all = [self.listener.as_fd(), v4.as_fd(), v6.as_fd()];
        socket::send(ours.as_fd(), b"serve", b"", &all).context(|| "cannot pass on the listening socket")?;
        worker::call_with(engine, self.job, Given { progress: &Silent, descriptor: Some(theirs) })
    }
}

/// The images that can be pulled, by their names in the registry.
fn offered(engine: &Engine, only: &[Reference]) -> Result<Vec<String>> {
    let mut all: Vec<Reference> = only.to_vec();
    if all.is_empty() {
        // The newest first, and the user's own before others.
        let images = engine.store()?.list()?;
        all.extend(images.into_iter().flat_map(|image| image.references));
        all.sort_by_key(|name| name.registry() != "localhost");
    }
    let shown = |name: &Reference| {
        let tag = name.tag().unwrap_or(crate::oci::reference::DEFAULT_TAG);
        Some(format!("{}:{tag}", names::shown(name)?))
    };
    Ok(all.iter().filter_map(shown).collect())
}

/// Addresses and names by which clients reach what listens on `address`, the best first.
fn hosts(address: IpAddr) -> Vec<String> {
    let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    match address {
        address if address.is_loopback() => {
            let mut hosts = vec![address.to_string()];
            hosts.extend(local.into_iter().filter(|host| *host != address.to_string()));
            hosts
        }
        address if !address.is_unspecified() => vec![address.to_string()],
        address => {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let is_name = |name: &String| format!("{name}:1/x").parse::<Reference>().is_ok();
            towards_others(address)
                .map(|own| own.to_string())
                .into_iter()
                .chain(Some(name).filter(is_name))
                .chain(local)
                .collect()
        }
    }
}

/// The address of this machine on the way to others; nothing is sent for it. (The addresses are RFC 5737's and 3849's.)
fn towards_others(any: IpAddr) -> Option<IpAddr> {
    let ask = |from: &str, to: &str| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    };
    let v4 = || ask("0.0.0.0:0", "192.0.2.1:9");
    match any {
        IpAddr::V4(_) => v4(),
        IpAddr::V6(_) => v4().or_else(|| ask("[::]:0", "[2001:db8::1]:9")),
    }
}

/// The certificate for these hosts: that of last time if it will do. And the file for colleagues.
fn certificate(engine: &Engine, hosts: &[String]) -> Result<(Identity, PathBuf)> {
    engine.paths.ensure()?;
    let directory = Depot::of(&engine.paths);
    let directory = directory.open()?;
    let (record, file) = (directory.join("certificate.json"), directory.join("certificate.crt"));
    let now = Timestamp::now();
    let known = publish::read_json::<Certificate>(&record).unwrap_or_default();
    let certificate = match known.filter(|known| known.serves(hosts, now)) {
        Some(known) => known,
        None => {
            let made = Certificate::make(hosts, now)?;
            publish::json(&record, &made, Durability::Durable)?;
            made
        }
    };
    publish::file(&file, certificate.identity.certificates.as_bytes(), Durability::Durable)?;
    Ok((certificate.identity, file))
}

/// What the worker does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ServeJob {
    only: Option<Vec<Reference>>,
    login: Option<Login>,
    identity: Option<Identity>,
    writable: bool,
    own_programs_only: bool,
    /// The user in the namespace of whoever opened the tables of sockets.
    user: u32,
    upload_limit: u64,
    proxy: Option<(String, u64)>,
}

impl Job for ServeJob {
    const NAME: &'static str = "registry-serve";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<()> {
        let (listener, tables) = descriptors(given.descriptor)?;
        let content: Arc<dyn Content> = match &self.proxy {
            Some((registry, limit)) => Arc::new(proxy::Proxy::new(engine, registry, *limit)?),
            None => Arc::new(own::Own::new(engine, self.only)?),
        };
        let spool = Depot::of(&engine.paths).open()?.to_owned();
        let rules = Rules {
            login: self.login,
            writable: self.writable,
            own_programs_only: self.own_programs_only,
            spool,
            limits: Limits { uploads: self.upload_limit, ..Limits::default() },
        };
        let peers = Some(PeerTables::new(tables, self.user));
        serve(Listening { listener, identity: self.identity, peers }, content, rules)
    }
}

/// The listening socket and the tables that [`Opened::serve`] has sent.
fn descriptors(given: Option<OwnedFd>) -> Result<(TcpListener, [OwnedFd; 2])> {
    let missing = || Error::system("no socket was passed on");
    let socket = given.ok_or_else(missing)?;
    let mut buffer = [0; 16];
    let (_, fds) = socket::receive(socket.as_fd(), &mut buffer).context(|| "cannot take over the listening socket")?;
    let [listener, v4, v6]: [OwnedFd; 3] = fds.try_into().map_err(|_| missing())?;
    Ok((TcpListener::from(listener), [v4, v6]))
}
