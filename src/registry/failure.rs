//! What went wrong, said for people: transport failures and HTTP statuses become errors with a cause and a next step.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::{Response, StatusCode};

use super::resolver::Unresolved;
use super::settings::Patience;
use super::transport::{authority, retry_after};
use crate::base::{Error, Kind, text, time};
use crate::oci::document;

/// Most bytes of an error's body that are read.
const BODY_MAX: usize = 64 << 10;
/// How long an error's body may take; then what has come must do.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Most characters of a registry's message that are shown.
const MESSAGE_MAX: usize = 400;

/// A failed attempt.
#[derive(Debug)]
pub struct Failure {
    /// For the user, should there be no further attempt.
    pub error: Error,
    /// Whether the server was asked in TLS and answered in something else.
    pub not_tls: bool,
    again: Again,
}

/// Whether another attempt makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    No,
    /// With our own pause.
    Later,
    /// Not before this time.
    After(Duration),
}

impl Failure {
    /// Another attempt would fail in the same way.
    pub fn lasting(error: Error) -> Self {
        Self { error, not_tls: false, again: Again::No }
    }

    /// Another attempt may succeed.
    pub fn passing(error: Error) -> Self {
        Self { error, not_tls: false, again: Again::Later }
    }

    /// The same outlook with another error.
    pub fn map(self, change: impl FnOnce(Error) -> Error) -> Self {
        Self { error: change(self.error), ..self }
    }

    /// How long to wait before the attempt after number `attempt`; `None`: give up.
    pub fn pause(&self, attempt: u32, patience: &Patience) -> Option<Duration> {
        let own = patience.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(6));
        match self.again {
            _ if attempt >= patience.attempts => None,
            Again::No => None,
            Again::Later => Some(own),
            Again::After(wait) if wait <= patience.longest_wait => Some(wait.max(own)),
            Again::After(_) => None,
        }
    }
}

/// A server that holds us up although the connection stands.
pub fn too_slow(host: &str, what: &str, limit: Duration) -> Failure {
    let (host, seconds) = (text::clean(host), limit.as_secs_f64());
    let error = Error::new(Kind::Network, format!("the registry `{host}` {what} within {seconds} s"));
    Failure::passing(error.hint("check the network connection and any proxy, then try again; what is complete is kept"))
}

/// A request that got no answer, or lost it half-way.
pub fn of_transport(error: &reqwest::Error, host: &str) -> Failure {
    let host = text::clean(host);
    let cause = innermost(error);
    if let Some(tls) = find::<rustls::Error>(error) {
        return of_tls(tls, &host);
    }
    let reset = find::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::ConnectionReset);
    let tls = error.url().is_some_and(|url| url.scheme() == "https");
    if tls && error.is_connect() && (reset || mentions(error, "tls handshake eof")) {
        let error = Error::new(Kind::Network, format!("the registry `{host}` hangs up in the TLS handshake"));
        let error = error.caused_by(cause).hint(
            "it may speak plain HTTP (--tls-verify=false allows that), or something on the way to it blocks the connection",
        );
        return Failure { not_tls: true, ..Failure::passing(error) };
    }
    if let Some(unresolved) = find::<Unresolved>(error) {
        return of_name(unresolved, &host);
    }
    if find::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
        return Failure::lasting(
            Error::new(Kind::Network, format!("cannot reach the registry `{host}`: nothing listens there"))
                .caused_by(cause)
                .hint("is the registry running, and is the port right?"),
        );
    }
    let attempt = match (error.is_connect(), error.is_timeout()) {
        (true, true) => "no connection in time to",
        (true, false) => "cannot reach",
        (false, true) => "no answer in time from",
        (false, false) => "lost the connection to",
    };
    let error = Error::new(Kind::Network, format!("{attempt} the registry `{host}`")).caused_by(cause);
    Failure::passing(error.hint("check the network connection and any proxy, then try again; what is complete is kept"))
}

/// A name without addresses: the registry's, or that of a proxy on the way to it.
fn of_name(unresolved: &Unresolved, host: &str) -> Failure {
    let name = text::clean(&unresolved.name);
    let what = match host.split(':').next().unwrap_or_default().eq_ignore_ascii_case(name.trim_end_matches('.')) {
        true => format!("the registry `{host}`"),
        false => format!("the proxy `{name}` for the registry `{host}`"),
    };
    let failed = Error::new(Kind::Network, format!("cannot find {what}: its name does not resolve"));
    Failure::lasting(match &unresolved.cause {
        // That there is no such name adds nothing to this.
        None => failed.hint("check the spelling, the network connection and /etc/resolv.conf"),
        Some(cause) => failed
            .caused_by(Error::new(Kind::Network, text::clean(cause).into_owned()))
            .hint("check the network connection and /etc/resolv.conf; a name in /etc/hosts needs no name server"),
    })
}

fn of_tls(error: &rustls::Error, host: &str) -> Failure {
    use rustls::CertificateError as C;
    use rustls::Error as E;
    let hint = match error {
        E::InvalidMessage(_) => {
            "it seems to speak plain HTTP: --tls-verify=false allows that, if you trust the network".to_owned()
        }
        E::InvalidCertificate(C::UnknownIssuer) => format!(
            "if its certificate signs itself or comes from your own authority, put that as `ca.crt` into /etc/containers/certs.d/{host}/; --tls-verify=false accepts any certificate"
        ),
        E::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
        ) => "its certificate is not valid now: check this machine's clock, or tell who runs the registry".to_owned(),
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "its certificate is for another name: use that name, or make the certificate with this one in its `subjectAltName`".to_owned()
        }
        _ => "--tls-verify=false accepts any certificate, if you trust the network".to_owned(),
    };
    let cause = Error::invalid(text::clean(&error.to_string()).into_owned());
    let failed = Error::new(Kind::Network, format!("no trustworthy TLS connection to the registry `{host}`"));
    Failure { not_tls: matches!(error, E::InvalidMessage(_)), ..Failure::lasting(failed.caused_by(cause).hint(hint)) }
}

/// An answer that is not what was asked for. Reads the registry's own words.
pub async fn of_status(response: Response) -> Failure {
    let status = response.status();
    let host = authority(response.url());
    let wait = retry_after(response.headers(), time::now());
    let body = read_some(response).await;
    from_status(status, &host, wait, &body)
}

fn from_status(status: StatusCode, host: &str, wait: Option<Duration>, body: &[u8]) -> Failure {
    let said = message(body);
    let with_cause = |error: Error| match &said {
        Some(said) => error.caused_by(Error::new(Kind::Network, said.clone())),
        None => error,
    };
    match status.as_u16() {
        401 => Failure::lasting(with_cause(denied(host))),
        403 => Failure::lasting(with_cause(Error::new(Kind::Denied, format!("the registry `{host}` forbids this (403)")).hint(
            format!("these credentials may not do it, or the registry blocks this address; log in to `{host}` as somebody who may"),
        ))),
        404 => Failure::lasting(with_cause(Error::not_found(format!("the registry `{host}` does not have it (404)")))),
        429 => {
            let when = wait.map_or("later".to_owned(), |wait| format!("in {}", roughly(wait)));
            let error = Error::new(Kind::Denied, format!("the registry `{host}` refuses further requests for now (429)"));
            let error = with_cause(error.hint(format!(
                "its limit is reached: try again {when}, or log in to `{host}`, which often has a higher limit"
            )));
            Failure { again: wait.map_or(Again::Later, Again::After), ..Failure::passing(error) }
        }
        500..=599 => {
            let error = Error::new(Kind::Network, format!("the registry `{host}` failed ({status})"));
            let error = with_cause(error.hint("this is the registry's own failure: try again later, or look at its log"));
            Failure { again: wait.map_or(Again::Later, Again::After), ..Failure::passing(error) }
        }
        _ => Failure::lasting(with_cause(Error::new(
            Kind::Network,
            format!("the registry `{host}` answered with the unexpected status {status}"),
        ))),
    }
}

/// The 401 that is left after everything was tried. Registries answer so for what does not exist, too.
pub fn denied(host: &str) -> Error {
    Error::new(Kind::Denied, format!("the registry `{host}` refuses access (401)"))
        .hint(format!("it does not exist, or needs a login by somebody who may do this: `coracle login {host}`"))
}

/// `90 seconds`, `7 minutes`, `3 hours`.
fn roughly(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ 0..=120 => format!("{} seconds", seconds.max(1)),
        seconds @ 121..=7200 => format!("{} minutes", seconds.div_ceil(60)),
        seconds => format!("{} hours", seconds.div_ceil(3600)),
    }
}

/// The registry's words in the distribution specification's form, `{"errors":[{"code","message"}]}`, or the `details` and
/// `message` of some token servers. Made safe to show.
pub fn message(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Document {
        #[serde(default)]
        errors: Vec<Entry>,
        #[serde(default, alias = "details", alias = "error_description")]
        message: Option<String>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        message: Option<String>,
    }
    let document: Document = document::from_slice(body).ok()?;
    let entries = document.errors.into_iter().take(3).map(|entry| match (entry.code, entry.message) {
        (code, Some(message)) if !message.is_empty() => {
            code.filter(|code| !code.is_empty()).map_or(message.clone(), |code| format!("{message} ({code})"))
        }
        (code, _) => code.unwrap_or_default(),
    });
    let said = entries.chain(document.message).filter(|said| !said.is_empty()).collect::<Vec<_>>().join("; ");
    let said: String = said.chars().take(MESSAGE_MAX).collect();
    (!said.is_empty()).then(|| text::clean(&said).into_owned())
}

async fn read_some(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    let until = tokio::time::Instant::now() + BODY_TIME;
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(until, response.chunk()).await {
        let room = BODY_MAX.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() >= BODY_MAX {
            break;
        }
    }
    body
}

/// The deepest cause as an error of our own: the layers of HTTP libraries above it only repeat URLs.
pub fn innermost(error: &reqwest::Error) -> Error {
    if let Some(io) = find::<io::Error>(error)
        && let Some(errno) = io.raw_os_error()
    {
        return Error::new(Kind::Network, nix::errno::Errno::from_raw(errno).desc().to_lowercase());
    }
    let mut deepest: &dyn StdError = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    Error::new(Kind::Network, text::clean(&deepest.to_string()).into_owned())
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&cause| StdError::source(cause))
}

/// The causes, each without the `io::Error`s around it: their `source` skips what they wrap.
fn bare_causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    causes(error).map(|mut cause| {
        while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            cause = inner;
        }
        cause
    })
}

fn find<T: StdError + 'static>(error: &reqwest::Error) -> Option<&T> {
    bare_causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

fn mentions(error: &reqwest::Error, words: &str) -> bool {
    causes(error).any(|cause| cause.to_string().contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_kind_and_next_step() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no \u001b[31maccess","detail":{}},{"code":"X"}]}"#;
        for (status, kind, again, word) in [
            (401, Kind::Denied, Again::No, "login"),
            (403, Kind::Denied, Again::No, "log in"),
            (404, Kind::NotFound, Again::No, ""),
            (429, Kind::Denied, Again::After(Duration::from_secs(7)), "in 7 seconds"),
            (500, Kind::Network, Again::After(Duration::from_secs(7)), "later"),
            (503, Kind::Network, Again::After(Duration::from_secs(7)), "later"),
            (418, Kind::Network, Again::No, ""),
        ] {
            let failure =
                from_status(StatusCode::from_u16(status).unwrap(), "h:5000", Some(Duration::from_secs(7)), body);
            assert_eq!((failure.error.kind(), failure.again), (kind, again), "{status}");
            let chain = failure.error.chain();
            assert!(chain.contains("`h:5000`") && chain.ends_with(": no \\u{1b}[31maccess (DENIED); X"), "{chain}");
            assert!(failure.error.hints().join(" ").contains(word), "{status}");
        }
    }

    #[test]
    fn only_documents_of_the_protocol_are_quoted() {
        assert_eq!(
            message(br#"{"details":"incorrect username or password"}"#).unwrap(),
            "incorrect username or password"
        );
        assert_eq!(message(br#"{"errors":[]}"#), None);
        assert_eq!(message(b"<html>"), None);
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(10_000));
        assert_eq!(message(long.as_bytes()).unwrap().len(), MESSAGE_MAX);
    }

    #[test]
    fn pauses_grow_and_end() {
        let patience = Patience { attempts: 3, backoff: Duration::from_millis(100), ..Patience::default() };
        let after =
            |wait| Failure { again: Again::After(Duration::from_secs(wait)), ..Failure::passing(Error::system("x")) };
        let passing = Failure::passing(Error::system("x"));
        let pauses: Vec<_> = (1..5).map(|attempt| passing.pause(attempt, &patience).map(|d| d.as_millis())).collect();
        assert_eq!(pauses, [Some(100), Some(200), None, None]);
        assert_eq!(after(3).pause(1, &patience), Some(Duration::from_secs(3)));
        assert_eq!(after(3600).pause(1, &patience), None);
        assert_eq!(Failure::lasting(Error::system("x")).pause(1, &patience), None);
    }

    #[test]
    fn waits_are_told_in_a_fitting_unit() {
        for (seconds, text) in [(0, "1 seconds"), (90, "90 seconds"), (400, "7 minutes"), (10_000, "3 hours")] {
            assert_eq!(roughly(Duration::from_secs(seconds)), text);
        }
    }
}
