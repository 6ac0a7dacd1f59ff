//! A registry that misbehaves on demand: an HTTP/1.1 server on a loopback port whose every answer a test decides, down to
//! where the connection breaks.
//!
//! [`Content`] is a well-behaved registry's content and gives the right [`Reply`] to each [`Request`]; a test's handler
//! passes most requests on to it and spoils the one it is about. One thread for each connection. Nothing here knows
//! coracle, so that unit tests and end-to-end tests can both include this file.
#![allow(dead_code, reason = "each test uses its part of it")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The authority that signs for [`BadRegistry::start_tls`], PEM.
pub const TEST_AUTHORITY: &[u8] = include_bytes!("tls/ca.crt");

/// A request, as far as handlers look at it.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// How many requests with this path came before.
    pub nth: usize,
    /// `127.0.0.1:PORT` of this server, for URLs in answers.
    pub host: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The first byte of a `Range` header.
    pub fn from(&self) -> Option<usize> {
        self.header("range").strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

/// An answer, and what goes wrong with it.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub fault: Fault,
    /// Send the body in chunks instead of announcing its length.
    pub chunked: bool,
}

/// Where it goes wrong. Numbers count bytes of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A TCP reset instead of an answer.
    ResetAtOnce,
    /// A TCP reset after so much of the body.
    ResetAfter(usize),
    /// The connection is closed after so much of the body.
    CloseAfter(usize),
    /// Silence after so much of the body, until the server stops.
    StallAfter(usize),
    /// After so much of the body a byte each 20 ms.
    DripAfter(usize),
    /// A byte of the header each 20 ms, and no end.
    DripHeader,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), fault: Fault::None, chunked: false }
    }

    /// An error in the words of the distribution specification.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#))
            .header("content-type", "application/json")
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn fault(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    pub fn chunked(self) -> Self {
        Self { chunked: true, ..self }
    }
}

/// The running server. Dropping it closes its port.
pub struct BadRegistry {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

impl BadRegistry {
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, handler)
    }

    /// Speaks HTTPS as 127.0.0.1 and localhost, with a certificate of [`TEST_AUTHORITY`].
    pub fn start_tls(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_tls_with(include_bytes!("tls/leaf.crt"), include_bytes!("tls/leaf.key"), handler)
    }

    /// Speaks HTTPS with this certificate and its key, PEM.
    pub fn start_tls_with(
        certificate: &[u8],
        key: &[u8],
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
        let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self::start_with(Some(Arc::new(config)), handler)
    }

    fn start_with(
        tls: Option<Arc<rustls::ServerConfig>>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let handler: Arc<Handler> = Arc::new(handler);
        let (for_log, for_stop) = (log.clone(), stop.clone());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if for_stop.load(Ordering::SeqCst) {
                    return;
                }
                let (handler, log, stop, tls) = (handler.clone(), for_log.clone(), for_stop.clone(), tls.clone());
                std::thread::spawn(move || -> std::io::Result<()> {
                    let tcp = connection?;
                    tcp.set_nodelay(true)?;
                    let plain = tcp.try_clone()?;
                    match tls {
                        None => serve(plain, tcp, &*handler, &log, &stop),
                        Some(config) => {
                            let session = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
                            serve(rustls::StreamOwned::new(session, plain), tcp, &*handler, &log, &stop)
                        }
                    }
                });
            }
        });
        Self { address, log, stop }
    }

    /// A registry that does everything right.
    pub fn good(content: Content) -> Self {
        Self::start(move |request| content.serve(request))
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far, but for the probe of `/v2/`.
    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().iter().filter(|request| request.path != "/v2/").cloned().collect()
    }

    /// How many requests had `part` in their path.
    pub fn count(&self, part: &str) -> usize {
        self.requests().iter().filter(|request| request.path.contains(part)).count()
    }
}

impl Drop for BadRegistry {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

/// `stream` carries the bytes; `tcp` is the same connection, to break it.
fn serve(
    mut stream: impl Read + Write,
    tcp: TcpStream,
    handler: &Handler,
    log: &Mutex<Vec<Request>>,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    while let Some(mut request) = read_request(&mut stream, tcp.local_addr()?)? {
        {
            let mut log = log.lock().unwrap();
            request.nth = log.iter().filter(|earlier| earlier.path == request.path).count();
            log.push(request.clone());
        }
        let reply = handler(&request);
        if !write_reply(&mut stream, &tcp, &reply, stop)? {
            break;
        }
    }
    Ok(())
}

/// Up to the end of a line, byte by byte: nothing after it may be taken. `None` at the end of the connection.
fn read_line(stream: &mut impl Read) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && line.len() < 16 << 10 {
        if byte[0] == b'\n' {
            return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
        }
        // The beginning of TLS, which has no lines: hang up.
        if line.is_empty() && byte[0] == 0x16 {
            return Ok(None);
        }
        line.push(byte[0]);
    }
    Ok(None)
}

fn read_request(stream: &mut impl Read, address: SocketAddr) -> std::io::Result<Option<Request>> {
    let Some(line) = read_line(stream)? else { return Ok(None) };
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = read_line(stream)?.unwrap_or_default().split_once(": ") {
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(Request { method, path, headers, body, nth: 0, host: address.to_string() }))
}

/// False when the connection is not usable any more.
fn write_reply(stream: &mut impl Write, tcp: &TcpStream, reply: &Reply, stop: &AtomicBool) -> std::io::Result<bool> {
    if reply.fault == Fault::ResetAtOnce {
        reset(tcp)?;
        return Ok(false);
    }
    let mut head = format!("HTTP/1.1 {} Status\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if reply.chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    } else if !reply.headers.iter().any(|(name, _)| name == "content-length") {
        head.push_str(&format!("content-length: {}\r\n", reply.body.len()));
    }
    if reply.fault == Fault::DripHeader {
        drip(stream, format!("{head}x-drip: ").bytes().chain(std::iter::repeat(b'x')), stop)?;
        return Ok(false);
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let sent = match reply.fault {
        Fault::None | Fault::ResetAtOnce | Fault::DripHeader => reply.body.len(),
        Fault::ResetAfter(n) | Fault::CloseAfter(n) | Fault::StallAfter(n) | Fault::DripAfter(n) => {
            n.min(reply.body.len())
        }
    };
    for piece in reply.body[..sent].chunks(64 << 10) {
        match reply.chunked {
            true => {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
                stream.write_all(piece)?;
                stream.write_all(b"\r\n")?;
            }
            false => stream.write_all(piece)?,
        }
    }
    match reply.fault {
        Fault::None | Fault::ResetAtOnce | Fault::DripHeader => {
            if reply.chunked {
                stream.write_all(b"0\r\n\r\n")?;
            }
            return Ok(true);
        }
        // Time for the bytes to be read: a reset throws away what the other end has not taken yet.
        Fault::ResetAfter(_) => {
            std::thread::sleep(Duration::from_millis(50));
            reset(tcp)?;
            return Ok(false);
        }
        Fault::CloseAfter(_) => {}
        Fault::DripAfter(_) => drip(stream, reply.body[sent..].iter().copied(), stop)?,
        Fault::StallAfter(_) => {
            while !stop.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
    tcp.shutdown(std::net::Shutdown::Both)?;
    Ok(false)
}

/// One byte at a time, until they are sent, the server stops or nobody listens.
fn drip(stream: &mut impl Write, bytes: impl Iterator<Item = u8>, stop: &AtomicBool) -> std::io::Result<()> {
    for byte in bytes {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        stream.write_all(&[byte])?;
        stream.flush()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// With SO_LINGER 0, the last close(2) of the socket sends a reset. It must not be shut down before, which sends a FIN.
fn reset(stream: &TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream.as_fd(), Some(Duration::ZERO))?;
    Ok(())
}

/// What a registry has.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// By tag and by digest: media type and bytes.
    pub manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// By digest.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

/// `sha256:…`
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(bytes);
    format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// A descriptor as JSON.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#, digest(bytes), bytes.len())
}

impl Content {
    /// Adds a blob and returns its digest.
    pub fn blob(&mut self, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let digest = digest(&bytes);
        self.blobs.insert(digest.clone(), bytes);
        digest
    }

    /// Adds a manifest under `tag` and its digest, which is returned.
    pub fn manifest(&mut self, tag: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> String {
        let entry = (media_type.to_owned(), bytes.into());
        let digest = digest(&entry.1);
        self.manifests.insert(tag.to_owned(), entry.clone());
        self.manifests.insert(digest.clone(), entry);
        digest
    }

    /// Adds an image of uncompressed layers and returns its manifest's digest. `config` is the inner JSON object.
    pub fn image(&mut self, tag: &str, architecture: &str, config: &str, layers: &[Vec<u8>]) -> String {
        let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", digest(layer))).collect();
        let config = format!(
            r#"{{"architecture":"{architecture}","os":"linux","config":{config},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            diff_ids.join(",")
        );
        let descriptors: Vec<String> = layers.iter().map(|layer| descriptor(OCI_LAYER, layer)).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
            descriptor(OCI_CONFIG, config.as_bytes()),
            descriptors.join(",")
        );
        self.blob(config);
        for layer in layers {
            self.blob(layer.clone());
        }
        self.manifest(tag, OCI_MANIFEST, manifest)
    }

    /// Adds an index of images that are there already, as (architecture, manifest digest).
    pub fn index(&mut self, tag: &str, images: &[(&str, &str)]) -> String {
        let entries: Vec<String> = images
            .iter()
            .map(|(architecture, digest)| {
                let mut entry = descriptor(OCI_MANIFEST, &self.manifests[*digest].1);
                entry.pop();
                format!(r#"{entry},"platform":{{"os":"linux","architecture":"{architecture}"}}}}"#)
            })
            .collect();
        let index = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, entries.join(","));
        self.manifest(tag, OCI_INDEX, index)
    }

    /// What a good registry answers.
    pub fn serve(&self, request: &Request) -> Reply {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        if request.path == "/v2/" {
            return Reply::new(200, "{}");
        }
        if request.path.contains("/manifests/") {
            return match self.manifests.get(last) {
                Some((media_type, bytes)) => Reply::new(200, bytes.clone())
                    .header("content-type", media_type)
                    .header("docker-content-digest", digest(bytes)),
                None => Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            };
        }
        match (self.blobs.get(last), request.from()) {
            (None, _) => Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
            (Some(bytes), None) => Reply::new(200, bytes.clone()),
            (Some(bytes), Some(from)) if from < bytes.len() => Reply::new(206, &bytes[from..])
                .header("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
            (Some(_), Some(_)) => Reply::new(416, ""),
        }
    }
}
