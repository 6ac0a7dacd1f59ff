//! The registry protocol (OCI distribution specification, "Pull") as blocking calls.
//!
//! The calls run on one background thread, the only place in the program with an async runtime. A blob is a
//! [`BlobReader`], to be read in any thread while others arrive.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use reqwest::{Response, StatusCode, Url};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::authorizer::Authorizer;
use super::blob::{self, BlobReader};
use super::failure::{self, Failure};
use super::registries::{Endpoint, Registries};
use super::settings::{Patience, Settings};
use super::transport::{Ask, Transport, Trust, is_loopback};
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::oci::config::CONFIG_MAX;
use crate::oci::manifest::{MANIFEST_MAX, no_variant};
use crate::oci::reference::DOCKER_HUB;
use crate::oci::{
    Descriptor, Digest, DigestHasher, ImageConfig, Manifest, Parsed, Platform, Reference, media, parse_manifest,
};

/// Docker Hub's registry is not on the host that its references name.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// How deep indexes may be nested, and how many documents they may lead to before one fits.
const INDEX_DEPTH: usize = 8;
const INDEX_DOCUMENTS: usize = 64;

/// How often whoever waits for the network thread looks around.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A client for all registries of one command.
pub struct Client {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
    /// Dropping it ends the thread.
    _alive: oneshot::Sender<()>,
}

/// An image that a registry has, and from where its blobs can be fetched.
#[derive(Debug, Clone)]
pub struct RemoteImage {
    /// What was asked for.
    pub reference: Reference,
    /// What the reference points at: the index if there is one, else the manifest. This is what docker calls the digest.
    pub digest: Digest,
    /// The manifest's bytes, as they came.
    pub manifest_bytes: Vec<u8>,
    /// The digest of these.
    pub manifest_digest: Digest,
    /// What they say.
    pub manifest: Manifest,
    /// Whether the platform was chosen from an index; otherwise the image has only one, which may be another.
    pub chosen: bool,
    /// In the order in which to try them.
    sources: Vec<Source>,
}

/// An endpoint that turned out to be usable.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub endpoint: Endpoint,
    /// `scheme://host[:port]/`
    pub base: Url,
    pub trust: Trust,
}

/// What the background thread works with.
pub(super) struct Shared {
    pub settings: Arc<Settings>,
    pub registries: Registries,
    pub authorizer: Authorizer,
    transport: Transport,
    /// By host and trust: the scheme that was found to work.
    schemes: Mutex<HashMap<(String, Trust), &'static str>>,
}

/// One step from an index to a manifest.
struct Step {
    to: Target,
    /// Whether an index has said that this is for the wanted platform.
    certain: bool,
    /// How many indexes lead here.
    depth: usize,
}

enum Target {
    Here(Document),
    There(Descriptor),
}

/// A manifest document as it came.
struct Document {
    bytes: Vec<u8>,
    digest: Digest,
    parsed: Parsed,
}

impl Client {
    /// Reads the configuration and starts the thread. Nothing is connected yet.
    pub fn new(settings: Settings) -> Result<Self> {
        let registries = Registries::load(&settings)?;
        let settings = Arc::new(settings);
        let authorizer = Authorizer::new(settings.clone(), registries.credential_helpers.clone());
        let shared = Arc::new(Shared {
            registries,
            transport: Transport::new(settings.clone()),
            authorizer,
            schemes: Mutex::default(),
            settings,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context(|| "cannot start the network thread")?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("registry".into())
            .spawn(move || drop(runtime.block_on(ended)))
            .context(|| "cannot start the network thread")?;
        Ok(Self { shared, runtime: handle, _alive: alive })
    }

    /// Finds the image that `reference` means for `platform`.
    pub fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<RemoteImage> {
        let (shared, wanted, platform) = (self.shared.clone(), reference.clone(), platform.clone());
        self.run(async move { shared.resolve(&wanted, &platform).await })?
    }

    /// Starts to fetch a blob of `image`. Errors come from the reader.
    pub fn blob(&self, image: &RemoteImage, descriptor: &Descriptor) -> BlobReader {
        self.rest_of_blob(image, descriptor, 0, DigestHasher::like(&descriptor.digest))
    }

    /// Like [`Client::blob`], but the reader begins at byte `offset`; `before` has seen the bytes up to there, so that the
    /// whole can be verified.
    pub fn rest_of_blob(
        &self,
        image: &RemoteImage,
        descriptor: &Descriptor,
        offset: u64,
        before: DigestHasher,
    ) -> BlobReader {
        self.start(image, descriptor, blob::Progress { offset, hasher: before }, None)
    }

    fn start(
        &self,
        image: &RemoteImage,
        descriptor: &Descriptor,
        progress: blob::Progress,
        limit: Option<Duration>,
    ) -> BlobReader {
        self.start_from(image.sources.clone(), descriptor, progress, limit)
    }

    fn start_from(
        &self,
        sources: Vec<Source>,
        descriptor: &Descriptor,
        progress: blob::Progress,
        limit: Option<Duration>,
    ) -> BlobReader {
        let (sender, reader) = blob::channel(descriptor);
        let transfer = blob::Transfer { shared: self.shared.clone(), sources, limit };
        self.runtime.spawn(transfer.run(descriptor.clone(), progress, sender));
        reader
    }

    /// A whole small blob, of at most `limit` bytes, in the time that a document may take.
    pub fn small_blob(&self, image: &RemoteImage, descriptor: &Descriptor, limit: usize) -> Result<Vec<u8>> {
        if descriptor.size > limit as u64 {
            return Err(Error::invalid(format!(
                "`{}` has {} bytes; at most {limit} are expected",
                descriptor.digest, descriptor.size
            )));
        }
        let progress = blob::Progress { offset: 0, hasher: DigestHasher::like(&descriptor.digest) };
        let Patience { document, exchange, .. } = self.shared.settings.patience;
        self.start(image, descriptor, progress, Some(document + exchange)).into_bytes()
    }

    /// Does something on the network thread and waits for it.
    pub(super) fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        self.run_watched(work, || true)
    }

    /// Like [`Client::run`], but calls `look` now and then; the work ends when that says no.
    pub(super) fn run_watched<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        mut look: impl FnMut() -> bool,
    ) -> Result<T> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let task = self.runtime.spawn(async move {
            let _ = sender.send(work.await);
        });
        loop {
            match receiver.recv_timeout(LOOK_EVERY) {
                Ok(done) => return Ok(done),
                Err(RecvTimeoutError::Disconnected) => return Err(Error::system("the network thread has ended")),
                Err(RecvTimeoutError::Timeout) if look() => {}
                Err(RecvTimeoutError::Timeout) => {
                    task.abort();
                    return Err(Error::new(Kind::Network, "the transfer was given up"));
                }
            }
        }
    }

    /// Starts to fetch a blob that is known to be in the repository of `reference`, wherever a pull would look for it. For
    /// an image whose manifest is known already.
    pub fn blob_in(&self, reference: &Reference, descriptor: &Descriptor) -> Result<BlobReader> {
        let (shared, wanted) = (self.shared.clone(), reference.clone());
        let sources = self.run(async move {
            let mut sources = Vec::new();
            let mut failed = Vec::new();
            for endpoint in shared.registries.endpoints(&wanted)? {
                match shared.source(endpoint).await {
                    Ok(source) => sources.push(source),
                    Err(error) => failed.push(error),
                }
            }
            if sources.is_empty() { Err(last_of(failed)) } else { Ok(sources) }
        })??;
        let progress = blob::Progress { offset: 0, hasher: DigestHasher::like(&descriptor.digest) };
        Ok(self.start_from(sources, descriptor, progress, None))
    }

    /// What the network thread works with.
    pub(super) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }
}

impl Shared {
    async fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<RemoteImage> {
        let endpoints = self.registries.endpoints(reference)?;
        let mut sources = Vec::new();
        let mut failed = Vec::new();
        let mut top = None;
        for endpoint in endpoints {
            let found = match self.source(endpoint).await {
                Ok(source) if top.is_some() => Ok((source, None)),
                Ok(source) => self.manifest(&source, reference).await.map(|document| (source, Some(document))),
                Err(error) => Err(error),
            };
            match found {
                Ok((source, document)) => {
                    sources.push(source);
                    top = top.or(document);
                }
                Err(error) => failed.push(error),
            }
            // The rest is looked at only if needed: probing an unreachable mirror costs seconds.
            if top.is_some() {
                break;
            }
        }
        let Some(top) = top else { return Err(last_of(failed)) };
        let digest = top.digest.clone();
        let chosen = matches!(top.parsed, Parsed::Index(_));
        let (document, manifest) = self.descend(&sources, top, platform).await?;
        Ok(RemoteImage {
            reference: reference.clone(),
            digest,
            manifest_bytes: document.bytes,
            manifest_digest: document.digest,
            manifest,
            chosen,
            sources,
        })
    }

    /// From an index to the manifest for `platform`: depth first, through the entries that may lead to one, in order of
    /// preference. An entry with a platform is believed; where there is none, the image's configuration decides.
    async fn descend(&self, sources: &[Source], top: Document, platform: &Platform) -> Result<(Document, Manifest)> {
        let mut offered: Vec<Platform> = Vec::new();
        let mut unusable = None;
        let mut fetched = 0;
        let mut pending = vec![Step { to: Target::Here(top), certain: true, depth: 0 }];
        while let Some(Step { to, certain, depth }) = pending.pop() {
            let document = match to {
                Target::Here(document) => document,
                Target::There(_) if fetched == INDEX_DOCUMENTS => {
                    return Err(Error::invalid(format!(
                        "the image's indexes lead to more than {INDEX_DOCUMENTS} documents without a platform"
                    )));
                }
                Target::There(descriptor) => {
                    fetched += 1;
                    match self.manifest_by_digest(sources, &descriptor).await {
                        // Something else that was put into the index without saying what it is.
                        Err(error) if !certain && matches!(error.kind(), Kind::Invalid | Kind::Unsupported) => {
                            unusable.get_or_insert(error);
                            continue;
                        }
                        document => document?,
                    }
                }
            };
            match &document.parsed {
                Parsed::Manifest(manifest) => {
                    let fits = match certain {
                        true => true,
                        false => {
                            let found = self.platform_of(sources, manifest).await?;
                            offered.extend(found.clone());
                            found.is_some_and(|found| platform.matches(&found))
                        }
                    };
                    if fits {
                        let manifest = manifest.clone();
                        return Ok((document, manifest));
                    }
                }
                Parsed::Index(_) if depth == INDEX_DEPTH => {
                    return Err(Error::invalid(format!("the image's indexes are nested more than {INDEX_DEPTH} deep")));
                }
                Parsed::Index(index) => {
                    offered.extend(index.platforms().into_iter().cloned());
                    pending.extend(index.candidates(platform).into_iter().rev().map(|descriptor| Step {
                        certain: descriptor.platform.is_some(),
                        to: Target::There(descriptor.clone()),
                        depth: depth + 1,
                    }));
                }
            }
        }
        let error = no_variant(platform, &offered);
        Err(match unusable {
            Some(unusable) => error.caused_by(unusable),
            None => error,
        })
    }

    /// What the image of a manifest was built for; `None` for an artifact that is no image.
    async fn platform_of(&self, sources: &[Source], manifest: &Manifest) -> Result<Option<Platform>> {
        let config = &manifest.config;
        if !media::is_image_config(&config.media_type) || config.size > CONFIG_MAX as u64 {
            return Ok(None);
        }
        let mut failed = Vec::new();
        for source in sources {
            let bytes = match self.get(source, &format!("blobs/{}", config.digest), None, 0).await {
                Ok(response) => {
                    let time = self.settings.patience.document;
                    read_bounded(response, CONFIG_MAX, time, "the image configuration").await
                }
                Err(failure) => Err(failure.error),
            };
            match bytes {
                Ok(bytes) if config.digest.is_of(&bytes) => {
                    return Ok(ImageConfig::parse(&bytes).ok().map(|config| config.platform()));
                }
                Ok(_) => failed.push(Error::invalid(format!("the image configuration `{}` is damaged", config.digest))),
                Err(error) => failed.push(error),
            }
        }
        Err(last_of(failed))
    }

    async fn manifest_by_digest(&self, sources: &[Source], descriptor: &Descriptor) -> Result<Document> {
        let mut failed = Vec::new();
        for source in sources {
            match self.document(source, descriptor.digest.as_str(), Some(&descriptor.digest)).await {
                Ok(document) if document.bytes.len() as u64 == descriptor.size => return Ok(document),
                Ok(document) => failed.push(Error::invalid(format!(
                    "the manifest `{}` has {} bytes, but its index says {}",
                    descriptor.digest,
                    document.bytes.len(),
                    descriptor.size
                ))),
                Err(error) => failed.push(error),
            }
        }
        Err(last_of(failed))
    }

    async fn manifest(&self, source: &Source, reference: &Reference) -> Result<Document> {
        let tag = source.endpoint.tag.as_deref().or(reference.tag());
        let wanted = reference.digest().map(Digest::as_str).or(tag).unwrap_or_default();
        self.document(source, wanted, reference.digest()).await.map_err(|error| absent(error, reference, source))
    }

    async fn document(&self, source: &Source, wanted: &str, expected: Option<&Digest>) -> Result<Document> {
        let accept = media::MANIFESTS.join(", ");
        let response = self.get(source, &format!("manifests/{wanted}"), Some(accept), 0).await.map_err(|f| f.error)?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let content_type = header("content-type");
        let declared = header("docker-content-digest").and_then(|value| value.parse::<Digest>().ok());
        let bytes = read_bounded(response, MANIFEST_MAX, self.settings.patience.document, "the manifest").await?;
        let expected = expected.or(declared.as_ref());
        if let Some(expected) = expected
            && !expected.is_of(&bytes)
        {
            return Err(Error::invalid(format!(
                "the manifest `{wanted}` from `{}` is damaged: it is not what its digest says",
                source.endpoint.host
            ))
            .hint("the registry, or something on the way to it, changed it; nothing of it was kept"));
        }
        let parsed = parse_manifest(&bytes, content_type.as_deref())
            .context(|| format!("`{}` sent a manifest that cannot be used", source.endpoint.host))?;
        let digest = expected.cloned().unwrap_or_else(|| Digest::sha256(&bytes));
        Ok(Document { bytes, digest, parsed })
    }

    /// One GET below `/v2/<repository>/`, authorized as it demands. Successful answers only.
    pub(super) async fn get(
        &self,
        source: &Source,
        path: &str,
        accept: Option<String>,
        from: u64,
    ) -> Result<Response, Failure> {
        let url = source.url(path).map_err(Failure::lasting)?;
        let response = self.exchange(source, Ask { accept, from, ..Ask::get(url, source.trust) }).await?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(failure::of_status(response).await),
        }
    }

    /// One request to a registry, authorized as it demands; and its answer, which may be a failure. A URL of another origin
    /// is not shown who we are.
    pub(super) async fn exchange(&self, source: &Source, ask: Ask) -> Result<Response, Failure> {
        let url = ask.url.clone();
        let at_home = url.origin() == source.base.origin();
        let mut renewed = false;
        loop {
            let authorization = match at_home {
                true => self.authorizer.current(&source.endpoint).await,
                false => None,
            };
            let ask = Ask { authorization, ..ask.clone() };
            let response = self.transport.send_piece(&ask).await?;
            let own = at_home && response.url().origin() == url.origin();
            if response.status() != StatusCode::UNAUTHORIZED || !own {
                return Ok(response);
            }
            let shown = ask.authorization.as_deref();
            if renewed {
                let refused = failure::of_status(response).await.error;
                return Err(Failure::lasting(self.authorizer.refusal(&source.endpoint, shown, refused).await));
            }
            self.authorizer
                .answer(&self.transport, &source.endpoint, (&url, source.trust), response.headers(), shown)
                .await
                .map_err(Failure::lasting)?;
            renewed = true;
        }
    }

    /// Finds out how to speak to an endpoint.
    pub(super) async fn source(&self, endpoint: Endpoint) -> Result<Source> {
        let trust = Trust::in_host(&endpoint.host, self.settings.tls_verify, endpoint.insecure);
        let host = if endpoint.host == DOCKER_HUB { DOCKER_HUB_HOST } else { &endpoint.host };
        let scheme = match trust {
            Trust::Verified => "https",
            _ => self.scheme(host, trust).await?,
        };
        Ok(Source { base: base(scheme, host)?, endpoint, trust })
    }

    /// Where plain HTTP is allowed, only a try shows which scheme the registry serves. This machine is asked in plain HTTP first,
    /// other hosts in HTTPS.
    async fn scheme(&self, host: &str, trust: Trust) -> Result<&'static str> {
        let mut schemes = self.schemes.lock().await;
        let key = (host.to_owned(), trust);
        if let Some(scheme) = schemes.get(&key) {
            return Ok(scheme);
        }
        let order = if is_loopback(host) { ["http", "https"] } else { ["https", "http"] };
        let mut failed: Option<Failure> = None;
        for scheme in order {
            let url = base(scheme, &format!("{host}/v2"))?;
            match self.transport.probe(url, trust).await {
                // "Client sent an HTTP request to an HTTPS server."
                Ok(StatusCode::BAD_REQUEST) if scheme == "http" => {}
                Ok(_) => {
                    schemes.insert(key, scheme);
                    return Ok(scheme);
                }
                // The failure of HTTPS tells more, unless it only tells that the registry does not serve it.
                Err(failure) if scheme == "https" && !failure.not_tls => failed = Some(failure),
                Err(failure) => failed = Some(failed.filter(|failed| !failed.not_tls).unwrap_or(failure)),
            }
        }
        Err(failed
            .map_or_else(|| Error::new(Kind::Network, format!("`{host}` speaks neither HTTP nor HTTPS")), |f| f.error))
    }
}

impl Source {
    /// Something below `/v2/<repository>/`.
    pub(super) fn url(&self, path: &str) -> Result<Url> {
        let joined = self.base.join(&format!("v2/{}/{path}", self.endpoint.repository));
        joined.map_err(|_| Error::invalid(format!("`{}` is not a host", text::clean(&self.endpoint.host))))
    }
}

fn base(scheme: &str, host: &str) -> Result<Url> {
    format!("{scheme}://{host}/").parse().map_err(|_| Error::usage(format!("`{}` is not a host", text::clean(host))))
}

/// The last failure is that of the registry itself; those of mirrors become hints.
fn last_of(mut failed: Vec<Error>) -> Error {
    let last = failed.pop().unwrap_or_else(|| Error::system("no registry was asked"));
    failed.into_iter().fold(last, |last, mirror| last.hint(format!("a mirror failed before: {}", mirror.chain())))
}

/// "Not found" and "denied" for a manifest, in terms of what the user asked for.
fn absent(error: Error, reference: &Reference, source: &Source) -> Error {
    let (name, host) = (reference.familiar_repository(), &source.endpoint.host);
    match error.kind() {
        Kind::NotFound if error.chain().contains("NAME_UNKNOWN") => {
            Error::not_found(format!("no image `{name}` on `{host}`")).caused_by(error).hint("check its spelling")
        }
        Kind::NotFound => Error::not_found(format!("no image `{}` on `{host}`", reference.familiar()))
            .caused_by(error)
            .hint("the name, the tag or the digest does not exist there: check their spelling"),
        Kind::Denied => Error::new(Kind::Denied, format!("access to `{}` on `{host}` is denied", reference.familiar()))
            .caused_by(error),
        _ => error,
    }
}

/// The body, if it has at most `limit` bytes and is here in `time`. `what` names it in errors.
pub(super) async fn read_bounded(response: Response, limit: usize, time: Duration, what: &str) -> Result<Vec<u8>> {
    let host = super::transport::authority(response.url());
    match tokio::time::timeout(time, read_whole(response, limit, what)).await {
        Ok(body) => body,
        Err(_) => Err(failure::too_slow(&host, &format!("has not sent {what}"), time).error),
    }
}

async fn read_whole(mut response: Response, limit: usize, what: &str) -> Result<Vec<u8>> {
    let host = super::transport::authority(response.url());
    let too_large = || Error::invalid(format!("{what} from `{host}` is larger than {} KiB", limit >> 10));
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure::of_transport(&error, &host).error)? {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// For [`blob`]: the half through which pieces go.
pub(super) type PieceSender = mpsc::Sender<blob::Piece>;
