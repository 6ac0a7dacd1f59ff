//! Single files over HTTP(S), for builds: `ADD` of a URL, and contexts that are archives somewhere.
//!
//! URLs in a Dockerfile are a stranger's. With [`Download::outside`], nothing is fetched from this machine itself or from
//! addresses that only mean something on its link (cloud metadata): names are resolved here, and each address that a
//! connection may use is looked at, after each redirect too. A proxy of the environment resolves names itself.
//!
//! Sizes, redirects and times have bounds. Credentials go to the first origin only.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_DISPOSITION, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::{Client, Response, StatusCode, Url};

use super::anchors::{self, OwnCertificates};
use super::failure;
use super::resolver::Resolver;
use super::settings::Settings;
use super::transport::{authority, follow};
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::oci::{Digest, DigestHasher};

/// The largest file, in bytes: 64 GiB.
const SIZE_MAX: u64 = 64 << 30;

/// The longest time of one download.
const TIME_MAX: Duration = Duration::from_secs(4 * 3600);

/// Most redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// What to fetch.
#[derive(Debug, Clone, Default)]
pub struct Download {
    /// Where it is.
    pub url: String,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
    /// The content is known by its digest, so that it may come from anywhere.
    pub has_digest: bool,
    /// Nothing of this machine or its link: somebody else has written the URL.
    pub outside: bool,
    /// What an earlier answer said: when it still holds, nothing is sent.
    pub known: Option<Validators>,
}

/// What tells one version of a file from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
}

impl Validators {
    /// Whether a server can be asked with them.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.modified.is_none()
    }
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The name that the server or the URL gives it; no path.
    pub name: String,
    /// The digest of its content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed, in seconds since 1970.
    pub modified: Option<i64>,
    /// For the next time.
    pub validators: Validators,
}

/// Fetches a file into `into`. None when what was known still holds.
pub fn download(settings: &Settings, wanted: &Download, into: &mut File) -> Result<Option<Downloaded>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(|| "cannot start the network thread")?;
    let fetched = async {
        match tokio::time::timeout(TIME_MAX, fetch(settings, wanted, into)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(Error::new(Kind::Network, format!("`{}` took longer than four hours", shown(&wanted.url)))),
        }
    };
    let fetched = runtime.block_on(fetched);
    // A name may still be looked up in a thread of its own.
    runtime.shutdown_background();
    fetched
}

/// A URL for messages: without the password that may be in it.
pub fn shown(url: &str) -> String {
    let clean = match url.parse::<Url>() {
        Ok(mut parsed) if parsed.password().is_some() => {
            let _ = parsed.set_password(Some("xxxxx"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    };
    text::clean(&clean).into_owned()
}

/// Whether an address is of this machine, of its link, or of nobody in particular.
pub fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_unspecified() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_multicast(),
    }
}

/// The error for such an address.
fn near(host: &str) -> Error {
    Error::invalid(format!("`{}` is an address of this machine or its link", text::clean(host)))
        .hint("a Dockerfile may not reach it from outside of its steps; `--allow network.host` permits it")
}

/// Refuses a host whose addresses are all near; for programs that resolve it themselves. Returns the others.
pub fn outside_addresses(settings: &Settings, host: &str) -> Result<Vec<IpAddr>> {
    let bare = host.trim_matches(['[', ']']);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return if is_near(address) { Err(near(host)) } else { Ok(vec![address]) };
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(|| "cannot start the network thread")?;
    let found = runtime.block_on(Resolver::new(settings.names.clone()).addresses(bare));
    runtime.shutdown_background();
    let found = found.map_err(|unresolved| {
        let host = text::clean(host).into_owned();
        Error::new(Kind::Network, format!("cannot find `{host}`")).caused_by(unresolved)
    })?;
    let outside: Vec<IpAddr> = found.into_iter().filter(|address| !is_near(*address)).collect();
    if outside.is_empty() { Err(near(host)) } else { Ok(outside) }
}

/// Leaves out near addresses of one host.
struct Outside {
    resolver: Resolver,
    host: String,
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.resolver.clone();
        let guarded = name.as_str().eq_ignore_ascii_case(&self.host);
        Box::pin(async move {
            let found = resolver.addresses(name.as_str()).await?;
            let kept: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| !guarded || !is_near(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if kept.is_empty() {
                return Err(Box::new(near(name.as_str())) as Box<dyn std::error::Error + Send + Sync>);
            }
            let addresses: Addrs = Box::new(kept.into_iter());
            Ok(addresses)
        })
    }
}

fn client(settings: &Settings, url: &Url, outside: bool) -> Result<Client> {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    // An error means that there is one already, which serves as well.
    PROVIDER.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let host = url.host_str().unwrap_or_default();
    if outside && host.trim_matches(['[', ']']).parse().is_ok_and(is_near) {
        return Err(near(host));
    }
    let resolver = Resolver::new(settings.names.clone());
    let resolver: Arc<dyn Resolve> = match outside {
        true => Arc::new(Outside { resolver, host: host.to_owned() }),
        false => Arc::new(resolver),
    };
    let mut builder = Client::builder()
        .user_agent(&settings.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(resolver)
        .connect_timeout(settings.patience.connect)
        .read_timeout(settings.patience.stall)
        .http2_max_header_list_size(64 << 10);
    if super::is_loopback(&authority(url)) {
        builder = builder.no_proxy();
    }
    if url.scheme() == "https" {
        builder = match settings.tls_verify {
            Some(false) => builder.tls_danger_accept_invalid_certs(true),
            _ => {
                let host = authority(url);
                let own = settings.certificate_dirs.iter().map(|directory| directory.join(&host));
                let own = own.clone().find(|path| path.is_dir());
                let own = own.as_deref().map(OwnCertificates::read).transpose()?.unwrap_or_default();
                builder.tls_backend_preconfigured(anchors::client_config(&own)?)
            }
        };
    }
    builder.build().map_err(|error| Error::system("cannot set up HTTP").caused_by(failure::innermost(&error)))
}

async fn fetch(settings: &Settings, wanted: &Download, into: &mut File) -> Result<Option<Downloaded>> {
    let first: Url = wanted
        .url
        .parse()
        .ok()
        .filter(|url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host())
        .ok_or_else(|| Error::invalid(format!("`{}` is not a URL of a web server", shown(&wanted.url))))?;
    let mut url = first.clone();
    for _ in 0..=REDIRECTS_MAX {
        let request = client(settings, &url, wanted.outside)?.get(url.clone());
        let request = request.headers(headers(wanted, url.origin() == first.origin())?);
        let response = request.send().await.map_err(|error| failed(&error, &url))?;
        match (response.status(), response.headers().get(LOCATION)) {
            (StatusCode::NOT_MODIFIED, _) if wanted.known.is_some() => return Ok(None),
            (status, Some(location)) if status.is_redirection() => {
                let plain = first.scheme() == "http" || wanted.has_digest || settings.tls_verify == Some(false);
                url = follow(&url, location.as_bytes(), plain)?;
            }
            (status, _) if status.is_success() => return receive(response, &first, into).await.map(Some),
            (status, _) => {
                let kind = if status == StatusCode::NOT_FOUND { Kind::NotFound } else { Kind::Network };
                let what = format!("cannot fetch `{}`: the server answered {}", shown(&wanted.url), status);
                return Err(Error::new(kind, what));
            }
        }
    }
    Err(Error::invalid(format!("`{}` redirects in circles", shown(&wanted.url))))
}

fn failed(error: &reqwest::Error, url: &Url) -> Error {
    // A refused address is told as it is.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.downcast_ref::<Error>().is_some_and(|error| error.kind() == Kind::Invalid) {
            return near(url.host_str().unwrap_or_default());
        }
        cause = inner.source();
    }
    Error::new(Kind::Network, format!("cannot fetch `{}`", shown(url.as_str()))).caused_by(failure::innermost(error))
}

fn headers(wanted: &Download, same_origin: bool) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut add = |name: HeaderName, value: &str| match HeaderValue::from_str(value) {
        Ok(mut value) => {
            value.set_sensitive(name == AUTHORIZATION);
            headers.insert(name, value);
            Ok(())
        }
        Err(_) => Err(Error::invalid("a token has characters that HTTP cannot carry")),
    };
    if let (Some(authorization), true) = (&wanted.authorization, same_origin) {
        add(AUTHORIZATION, authorization)?;
    }
    if let Some(known) = &wanted.known {
        known.etag.as_deref().map_or(Ok(()), |etag| add(IF_NONE_MATCH, etag))?;
        known.modified.as_deref().map_or(Ok(()), |modified| add(IF_MODIFIED_SINCE, modified))?;
    }
    Ok(headers)
}

/// Passes the content on.
async fn receive(mut response: Response, first: &Url, into: &mut File) -> Result<Downloaded> {
    let header = |name: HeaderName| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    let validators = Validators { etag: header(ETAG), modified: header(LAST_MODIFIED) };
    let modified = validators.modified.as_deref().and_then(|date| {
        jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok().map(|time| time.as_second())
    });
    let name = header(CONTENT_DISPOSITION).as_deref().and_then(name_of_disposition).or_else(|| name_of_url(first));
    let name = name.unwrap_or_else(|| "download".to_owned());
    let (mut hasher, mut size) = (DigestHasher::new(), 0u64);
    let begun = Instant::now();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                size += chunk.len() as u64;
                if size > SIZE_MAX {
                    return Err(Error::invalid(format!("`{}` is larger than 64 GiB", shown(first.as_str()))));
                }
                // A server that sends a byte now and then would hold the build for hours.
                if begun.elapsed() > Duration::from_secs(60) && size / begun.elapsed().as_secs() < 100 {
                    let what = format!("`{}` is sent too slowly", shown(first.as_str()));
                    return Err(Error::new(Kind::Network, what));
                }
                hasher.update(&chunk);
                into.write_all(&chunk).context(|| "cannot keep a download")?;
            }
            Ok(None) => break,
            Err(error) => return Err(failed(&error, first)),
        }
    }
    Ok(Downloaded { name, digest: hasher.finish(), size, modified, validators })
}

/// The file name of `Content-Disposition`, without a path.
fn name_of_disposition(value: &str) -> Option<String> {
    let field = value.split(';').map(str::trim).find_map(|field| field.strip_prefix("filename="))?;
    plain_name(field.trim_matches('"'))
}

/// The last name of a URL's path.
fn name_of_url(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    plain_name(&percent_decoded(last))
}

fn plain_name(name: &str) -> Option<String> {
    let last = name.rsplit('/').next().unwrap_or_default();
    let usable = !last.is_empty() && last != "." && last != ".." && last.len() <= 255 && !last.contains('\0');
    usable.then(|| last.to_owned())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let decoded = match (first, tail) {
            (b'%', [high, low, ..]) => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_addresses_are_known_in_every_disguise() {
        for near in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "169.254.169.254",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for outside in ["10.0.0.1", "192.168.1.1", "93.184.216.34", "2001:db8::1", "fd00::1"] {
            assert!(!is_near(outside.parse().unwrap()), "{outside}");
        }
        let nowhere = std::path::PathBuf::from("/nowhere");
        let paths = crate::base::Paths {
            data: nowhere.clone(),
            runtime: nowhere.clone(),
            config: nowhere.clone(),
            home: nowhere,
        };
        let settings = Settings::of(&paths);
        assert!(outside_addresses(&settings, "[::1]").is_err() && outside_addresses(&settings, "10.0.0.1").is_ok());
    }

    #[test]
    fn names_are_names_and_no_paths() {
        for (value, expected) in [
            ("attachment; filename=\"a.tar\"", Some("a.tar")),
            ("attachment; filename=../../etc/passwd", Some("passwd")),
            ("attachment; filename=\"..\"", None),
            ("inline", None),
        ] {
            assert_eq!(name_of_disposition(value).as_deref(), expected, "{value}");
        }
        for (url, expected) in [
            ("https://h/a/b.txt?x=/y", Some("b.txt")),
            ("https://h/", None),
            ("https://h/a%20b", Some("a b")),
            ("https://h/..%2f..%2fpasswd", Some("passwd")),
        ] {
            assert_eq!(name_of_url(&url.parse().unwrap()).as_deref(), expected, "{url}");
        }
        assert_eq!(shown("https://u:secret@h/x"), "https://u:xxxxx@h/x");
    }
}
