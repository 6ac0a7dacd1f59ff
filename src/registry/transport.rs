//! HTTP below the registry protocol: one request with its redirects, sent with the right trust, again when the network or
//! the server hiccups.
//!
//! Redirects are followed here and not in reqwest, because what is allowed changes with each hop: credentials go to the
//! first origin only, and nothing goes from HTTPS to plain HTTP. What carries content is redirected with the statuses that
//! keep method and content (307, 308) only, and a form never, because a secret is in it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::anchors::{self, OwnCertificates};
use super::content::{Content, Watch};
use super::failure::{self, Failure};
use super::resolver::Resolver;
use super::settings::{Patience, Settings};
use crate::base::{Error, Result, text};

/// Most redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// How far a server is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// HTTPS with a verified certificate.
    Verified,
    /// Plain HTTP, because the host is this machine; HTTPS, with a verified certificate, where it speaks that.
    Loopback,
    /// HTTPS with any certificate, else plain HTTP: the user said so.
    Any,
}

impl Trust {
    /// The trust in `host[:port]`: `told` is `--tls-verify`, `insecure` what the configuration says.
    pub fn in_host(host: &str, told: Option<bool>, insecure: bool) -> Self {
        match told {
            Some(true) => Self::Verified,
            Some(false) => Self::Any,
            None if insecure => Self::Any,
            None if is_loopback(host) => Self::Loopback,
            None => Self::Verified,
        }
    }
}

/// Whether `host[:port]` is this machine by its very name or address.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// One request and how to send it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What to do there.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Of this origin; others met by redirects are trusted as usual.
    pub trust: Trust,
    /// Value of `Accept`.
    pub accept: Option<String>,
    /// Ask for the content from this byte on.
    pub from: u64,
    /// Value of `Authorization`.
    pub authorization: Option<String>,
    /// What goes along.
    pub content: Content,
}

impl Ask {
    /// A plain GET.
    pub fn get(url: Url, trust: Trust) -> Self {
        Self { method: Method::GET, url, trust, accept: None, from: 0, authorization: None, content: Content::None }
    }

    /// Whether an answer with this status is followed.
    fn follows(&self, status: StatusCode) -> bool {
        match (&self.method, &self.content) {
            (_, Content::Form(_)) => false,
            (&Method::GET | &Method::HEAD, _) => is_redirect(status),
            _ => matches!(status.as_u16(), 307 | 308),
        }
    }
}

/// The HTTP clients, made when needed: loading the system's certificates takes some 20 ms, which a registry on this
/// machine need not wait for.
pub struct Transport {
    settings: Arc<Settings>,
    resolver: Resolver,
    clients: Mutex<HashMap<ClientKey, Client>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    verify: bool,
    /// Without the proxy of the environment.
    direct: bool,
    /// For what [`Watch`] watches over: silence while much is sent is no reason to hang up.
    uploads: bool,
    /// The directory with the host's own certificates.
    certificates: Option<PathBuf>,
}

impl Transport {
    /// Nothing is opened yet.
    pub fn new(settings: Arc<Settings>) -> Self {
        let resolver = Resolver::new(settings.names.clone());
        Self { settings, resolver, clients: Mutex::new(HashMap::new()) }
    }

    /// Sends until there is an answer that another attempt would not change: any status but 429 and 5xx. Retries and the
    /// time that they take together are bounded by [`Patience`].
    pub async fn send(&self, ask: &Ask) -> Result<Response> {
        let limit = self.settings.patience.exchange;
        match tokio::time::timeout(limit, self.send_patiently(ask)).await {
            Ok(answer) => answer,
            Err(_) => Err(failure::too_slow(&authority(&ask.url), "has not answered", limit).error),
        }
    }

    async fn send_patiently(&self, ask: &Ask) -> Result<Response> {
        let patience = &self.settings.patience;
        let begin = Instant::now();
        let mut attempt = 1;
        loop {
            let failure = match self.in_time(ask, self.send_once(ask)).await {
                Ok(response) if !is_passing(response.status()) => return Ok(response),
                Ok(response) => failure::of_status(response).await,
                Err(failure) => failure,
            };
            match failure.pause(attempt, patience) {
                // A wait that is longer than all attempts may take together would only hide the reason.
                Some(pause) if begin.elapsed() + pause < patience.exchange => tokio::time::sleep(pause).await,
                _ => return Err(failure.error),
            }
            attempt += 1;
        }
    }

    /// One attempt at an upload. It may take as long as it takes, but must go on: see [`Watch`].
    pub async fn send_piece(&self, ask: &Ask) -> Result<Response, Failure> {
        let Content::Piece(piece) = &ask.content else { return self.send(ask).await.map_err(Failure::lasting) };
        let watch = Watch::new(piece, &self.settings.patience, authority(&ask.url));
        watch.over(self.send_once(ask)).await
    }

    /// Bounds the time of one attempt: a server that sends a byte of its header now and then must not hold us.
    async fn in_time<T>(&self, ask: &Ask, attempt: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let limit = self.settings.patience.answer;
        match tokio::time::timeout(limit, attempt).await {
            Ok(answer) => answer,
            Err(_) => Err(failure::too_slow(&authority(&ask.url), "has not answered", limit)),
        }
    }

    /// One attempt, with its redirects.
    async fn send_once(&self, ask: &Ask) -> Result<Response, Failure> {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.hop(ask, &url).await?;
            let location = match (response.status(), response.headers().get(LOCATION)) {
                (status, Some(location)) if ask.follows(status) => location,
                _ => return Ok(response),
            };
            let plain = self.trust_at(&url, ask) == Trust::Any;
            url = follow(&url, location.as_bytes(), plain).map_err(Failure::lasting)?;
        }
        Err(Failure::lasting(Error::invalid(format!("`{}` redirects in circles", authority(&ask.url)))))
    }

    /// One request to find out which protocol a URL serves: no redirects, no second attempt.
    pub async fn probe(&self, url: Url, trust: Trust) -> Result<StatusCode, Failure> {
        let ask = Ask::get(url, trust);
        self.in_time(&ask, self.hop(&ask, &ask.url)).await.map(|response| response.status())
    }

    /// One request and the beginning of its answer.
    async fn hop(&self, ask: &Ask, url: &Url) -> Result<Response, Failure> {
        let client = self.client(url, ask).map_err(Failure::lasting)?;
        let same_origin = url.origin() == ask.url.origin();
        let request = client.request(ask.method.clone(), url.clone());
        let request = request.headers(headers(ask, same_origin).map_err(Failure::lasting)?);
        let request = ask.content.clone().put_into(request);
        request.send().await.map_err(|error| failure::of_transport(&error, &authority(url)))
    }

    /// What the origin of the question is trusted with; another origin only what the whole command allows.
    fn trust_at(&self, url: &Url, ask: &Ask) -> Trust {
        match url.host_str() == ask.url.host_str() {
            true => ask.trust,
            false => Trust::in_host(&authority(url), self.settings.tls_verify, false),
        }
    }

    /// The certificates of a host: of the registry that the command is about, those that the user named.
    fn certificates(&self, url: &Url, ask: &Ask) -> Option<PathBuf> {
        let named = self.settings.certificates.clone().filter(|_| url.host_str() == ask.url.host_str());
        let host = authority(url);
        let usual = || self.settings.certificate_dirs.iter().map(|directory| directory.join(&host));
        named.or_else(|| usual().find(|path| path.is_dir()))
    }

    fn client(&self, url: &Url, ask: &Ask) -> Result<Client> {
        let trust = self.trust_at(url, ask);
        let host = authority(url);
        let plain = url.scheme() == "http";
        let key = ClientKey {
            // Certificates do not matter to a client that only ever sees plain HTTP: do not load them for it.
            verify: trust != Trust::Any && !plain,
            direct: is_loopback(&host),
            uploads: matches!(ask.content, Content::Piece(_)),
            certificates: if plain { None } else { self.certificates(url, ask) },
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = build(&key, &self.settings, self.resolver.clone())?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

fn build(key: &ClientKey, settings: &Settings, resolver: Resolver) -> Result<Client> {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    // An error means that there is one already, which serves as well.
    PROVIDER.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let Patience { connect, stall, .. } = settings.patience;
    let mut builder = Client::builder()
        .user_agent(&settings.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(resolver))
        .connect_timeout(connect)
        .tcp_nodelay(true)
        // Bounds what is in flight per connection and per blob, and still fills a line of 1 Gbit/s and 50 ms.
        .http2_initial_stream_window_size(2 << 20)
        .http2_initial_connection_window_size(6 << 20)
        .http2_max_header_list_size(64 << 10);
    if key.direct {
        builder = builder.no_proxy();
    }
    if !key.uploads {
        builder = builder.read_timeout(stall);
    }
    let own = key.certificates.as_deref().map(OwnCertificates::read).transpose()?.unwrap_or_default();
    builder = match key.verify {
        true => builder.tls_backend_preconfigured(anchors::client_config(&own)?),
        false => {
            let builder = builder.tls_danger_accept_invalid_certs(true);
            match own.reqwest_identity()? {
                Some(identity) => builder.identity(identity),
                None => builder,
            }
        }
    };
    builder.build().map_err(|error| Error::system("cannot set up HTTPS").caused_by(failure::innermost(&error)))
}

fn headers(ask: &Ask, same_origin: bool) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let value = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| Error::invalid("a token or password has characters that HTTP cannot carry"))
    };
    if let Some(accept) = &ask.accept {
        headers.insert(ACCEPT, value(accept)?);
    }
    // A proxy that compresses on the way would change the bytes that are hashed.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if ask.from > 0 {
        headers.insert(RANGE, value(&format!("bytes={}-", ask.from))?);
    }
    if let (Some(authorization), true) = (&ask.authorization, same_origin) {
        let mut value = value(authorization)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// `host[:port]` of a URL.
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Whether a later attempt may be answered differently.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// Where a redirect leads. `plain` allows plain HTTP to any host; without it, only from plain HTTP to this machine or
/// within one host.
pub fn follow(from: &Url, location: &[u8], plain: bool) -> Result<Url> {
    let location = String::from_utf8_lossy(location);
    let shown = || text::clean(&location.chars().take(200).collect::<String>()).into_owned();
    let to = from
        .join(&location)
        .map_err(|_| Error::invalid(format!("`{}` redirects to `{}`, which is not a URL", authority(from), shown())))?;
    let allowed = match to.scheme() {
        "https" => to.has_host(),
        "http" => {
            let near = is_loopback(&authority(&to)) || to.host_str() == from.host_str();
            to.has_host() && (plain || from.scheme() == "http" && near)
        }
        _ => false,
    };
    match allowed {
        true => Ok(to),
        false => Err(Error::invalid(format!(
            "`{}` redirects to `{}`, which is not safe to follow",
            authority(from),
            shown()
        ))
        .hint("the content would come over a connection that anybody can change; --tls-verify=false allows it")),
    }
}

/// The `Retry-After` header: seconds, or a date.
pub fn retry_after(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(date.duration_since(now).try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_follows_the_user_then_the_configuration_then_the_host() {
        for (host, told, insecure, expected) in [
            ("quay.io", None, false, Trust::Verified),
            ("quay.io", None, true, Trust::Any),
            ("quay.io", Some(false), false, Trust::Any),
            ("localhost:5000", None, false, Trust::Loopback),
            ("127.0.0.1", None, false, Trust::Loopback),
            ("127.8.9.1:80", None, false, Trust::Loopback),
            ("[::1]:5000", None, false, Trust::Loopback),
            ("localhost:5000", Some(true), false, Trust::Verified),
            ("localhost:5000", Some(true), true, Trust::Verified),
            ("localhost.evil.example", None, false, Trust::Verified),
            ("127.0.0.1.evil.example", None, false, Trust::Verified),
            ("[2001:db8::1]", None, false, Trust::Verified),
            ("192.168.1.2:5000", None, false, Trust::Verified),
        ] {
            assert_eq!(Trust::in_host(host, told, insecure), expected, "{host}");
        }
    }

    #[test]
    fn redirects_never_lose_safety() {
        for (from, location, plain, expected) in [
            ("https://r.io/v2/x", "https://cdn.io/a?b=c", false, Some("https://cdn.io/a?b=c")),
            ("https://r.io/v2/x", "/other", false, Some("https://r.io/other")),
            ("https://r.io/v2/x", "//cdn.io/a", false, Some("https://cdn.io/a")),
            ("https://r.io/v2/x", "http://cdn.io/a", false, None),
            ("https://r.io/v2/x", "http://127.0.0.1/a", false, None),
            ("https://r.io/v2/x", "http://cdn.io/a", true, Some("http://cdn.io/a")),
            ("http://localhost:5000/v2/x", "http://127.0.0.1:9000/a", false, Some("http://127.0.0.1:9000/a")),
            ("http://localhost:5000/v2/x", "http://cdn.io/a", false, None),
            ("http://localhost:5000/v2/x", "https://cdn.io/a", false, Some("https://cdn.io/a")),
            ("http://10.0.0.1/v2/x", "http://10.0.0.1:81/a", false, Some("http://10.0.0.1:81/a")),
            ("http://localhost/v2/x", "file:///etc/passwd", true, None),
            ("http://localhost/v2/x", "ftp://localhost/", true, None),
            ("http://localhost/v2/x", "http://", true, None),
        ] {
            let target = follow(&from.parse().unwrap(), location.as_bytes(), plain);
            assert_eq!(target.ok().map(String::from).as_deref(), expected, "{from} {location}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: jiff::Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let wait = |value: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]), now)
                .map(|d| d.as_secs())
        };
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait("Sat, 21 Nov 2026 09:01:00 GMT"), Some(60));
        assert_eq!(wait("Sat, 21 Nov 2026 08:00:00 GMT"), Some(0));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("99999999999999"), None);
    }
}
