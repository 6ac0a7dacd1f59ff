//! What is shown to a registry so that it answers: the distribution token flow
//! (<https://distribution.github.io/distribution/spec/auth/token/>) and basic authentication.
//!
//! Nothing is shown unasked. A 401 names what is wanted; the answer is kept for the repository, shown with every further
//! request, and replaced when a later 401 says that it has expired.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use tokio::sync::Mutex;

use super::challenge::{self, Challenge};
use super::content::Content;
use super::credentials::{self, Credentials, Found};
use super::failure;
use super::registries::Endpoint;
use super::scopes::Scopes;
use super::settings::Settings;
use super::transport::{Ask, Transport, Trust, authority, follow};
use crate::base::{Error, Kind, Result, ResultExt};
use crate::oci::document;

/// Largest answer of a token server, in bytes.
const TOKEN_MAX: usize = 256 << 10;
/// How we name ourselves to token servers.
const CLIENT_ID: &str = "coracle";

/// Credentials and tokens of this command.
pub struct Authorizer {
    settings: Arc<Settings>,
    /// `credential-helpers` of registries.conf.
    helpers: Option<Vec<String>>,
    /// By endpoint; held while a token is fetched, so that blobs in parallel do not each fetch one.
    known: Mutex<HashMap<(String, String), String>>,
    /// By endpoint, because credentials may belong to a part of a registry.
    found: Mutex<HashMap<(String, String), Found>>,
    /// By endpoint: what tokens are asked for. It only grows, so that requests in parallel that need different things do
    /// not take each other's token away.
    scopes: Mutex<HashMap<(String, String), Scopes>>,
}

fn key(endpoint: &Endpoint) -> (String, String) {
    (endpoint.host.clone(), endpoint.repository.clone())
}

impl Authorizer {
    /// Knows nothing yet.
    pub fn new(settings: Arc<Settings>, helpers: Option<Vec<String>>) -> Self {
        Self { settings, helpers, known: Mutex::default(), found: Mutex::default(), scopes: Mutex::default() }
    }

    /// Says that tokens for an endpoint will have to allow this as well: `repository:library/x:pull,push`.
    pub async fn expect(&self, endpoint: &Endpoint, scope: &str) {
        self.scopes.lock().await.entry(key(endpoint)).or_default().add(scope);
    }

    /// What was accepted last, as the value of an `Authorization` header.
    pub async fn current(&self, endpoint: &Endpoint) -> Option<String> {
        self.known.lock().await.get(&key(endpoint)).cloned()
    }

    /// Answers the challenges of a 401 to a request at `url` that showed `shown`. Afterwards [`Authorizer::current`] has
    /// something new to show.
    pub async fn answer(
        &self,
        transport: &Transport,
        endpoint: &Endpoint,
        (url, trust): (&Url, Trust),
        headers: &HeaderMap,
        shown: Option<&str>,
    ) -> Result<()> {
        let mut known = self.known.lock().await;
        if known.get(&key(endpoint)).map(String::as_str) != shown {
            // Somebody else has just renewed it.
            return Ok(());
        }
        let found = self.credentials(endpoint).await?;
        let challenges: Vec<Challenge> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(challenge::parse)
            .collect();
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let authorization = match (of("bearer"), of("basic"), &found.credentials) {
            (Some(_), _, Some(Credentials::RegistryToken(token))) => Ok(format!("Bearer {token}")),
            (Some(bearer), _, credentials) => {
                self.token(transport, endpoint, (url, trust), bearer, credentials.as_ref()).await
            }
            (None, Some(_), Some(credentials)) => credentials.basic().ok_or_else(|| failure::denied(&endpoint.host)),
            _ => Err(failure::denied(&endpoint.host)),
        };
        let authorization = authorization.map_err(|error| explained(error, &found))?;
        if shown == Some(authorization.as_str()) {
            return Err(explained(refused(&endpoint.host), &found));
        }
        known.insert(key(endpoint), authorization);
        Ok(())
    }

    /// The refusal of a request that showed `shown`, which the registry has explained by `said`; with whatever went wrong
    /// when credentials were looked for.
    pub async fn refusal(&self, endpoint: &Endpoint, shown: Option<&str>, said: Error) -> Error {
        let error = match shown.is_some_and(|shown| shown.starts_with("Basic ")) {
            true => refused(&endpoint.host).caused_by(said),
            false => said,
        };
        match self.found.lock().await.get(&key(endpoint)) {
            Some(found) => explained(error, found),
            None => error,
        }
    }

    async fn credentials(&self, endpoint: &Endpoint) -> Result<Found> {
        if let Some(given) = &self.settings.credentials {
            return Ok(Found { credentials: Some(given.clone()), notes: Vec::new() });
        }
        let mut cache = self.found.lock().await;
        if let Some(found) = cache.get(&key(endpoint)) {
            return Ok(found.clone());
        }
        // In a thread: a helper may ask the user, and transfers should go on meanwhile.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (settings, Endpoint { host, repository, .. }) = (self.settings.clone(), endpoint.clone());
        let helpers = self.helpers.clone();
        std::thread::Builder::new()
            .name("credentials".into())
            .spawn(move || {
                let (files, patience) = (&settings.auth_files, settings.patience.helper);
                let found = match helpers {
                    Some(helpers) => credentials::find_by(&helpers, files, &host, &repository, patience),
                    None => credentials::find(files, &host, &repository, patience),
                };
                let _ = sender.send(found);
            })
            .context(|| "cannot start a thread")?;
        let found = receiver.await.map_err(|_| Error::system("the search for credentials ended early"))??;
        cache.insert(key(endpoint), found.clone());
        Ok(found)
    }

    async fn token(
        &self,
        transport: &Transport,
        endpoint: &Endpoint,
        (url, trust): (&Url, Trust),
        challenge: &Challenge,
        credentials: Option<&Credentials>,
    ) -> Result<String> {
        let realm = challenge.parameter("realm").ok_or_else(|| {
            Error::new(
                Kind::Network,
                format!("the registry `{}` asks for a token but does not say from where", endpoint.host),
            )
        })?;
        // The realm is held to the rules of redirects: it gets the credentials.
        let realm = follow(url, realm.as_bytes(), trust == Trust::Any)?;
        let realm_trust = match realm.host_str() == url.host_str() {
            true => trust,
            false => Trust::in_host(&authority(&realm), self.settings.tls_verify, endpoint.insecure),
        };
        let scopes = {
            let mut scopes = self.scopes.lock().await;
            let scopes = scopes.entry(key(endpoint)).or_default();
            match challenge.parameter("scope") {
                Some(scope) => scopes.add(scope),
                None if endpoint.repository.is_empty() => {}
                None => scopes.add(&format!("repository:{}:pull", endpoint.repository)),
            }
            scopes.list()
        };
        let ask = token_request(realm, realm_trust, challenge, &scopes, credentials);
        let response = transport.send(&ask).await.context(|| format!("cannot get a token for `{}`", endpoint.host))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if credentials.is_some() => {
                let said = failure::of_status(response).await.error;
                return Err(refused(&endpoint.host).caused_by(said));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(failure::denied(&endpoint.host)),
            _ => return Err(failure::of_status(response).await.error),
        }
        let body =
            super::client::read_bounded(response, TOKEN_MAX, self.settings.patience.document, "the token").await?;
        token_of(&body)
            .map(|token| format!("Bearer {token}"))
            .ok_or_else(|| Error::new(Kind::Network, format!("`{}` did not answer with a token", authority(&ask.url))))
    }
}

fn refused(host: &str) -> Error {
    Error::new(Kind::Denied, format!("the registry `{host}` refuses these credentials"))
        .hint(format!("log in to `{host}` again, or log out to be anonymous"))
}

fn explained(error: Error, found: &Found) -> Error {
    found.notes.iter().fold(error, |error, note| error.hint(note.clone()))
}

/// The question to a token server: GET with basic authentication, or a POST with the identity token (OAuth2).
fn token_request(
    mut realm: Url,
    trust: Trust,
    challenge: &Challenge,
    scopes: &[String],
    credentials: Option<&Credentials>,
) -> Ask {
    let service = challenge.parameter("service");
    if let Some(Credentials::IdentityToken(token)) = credentials {
        let mut form = realm.clone();
        form.set_query(None);
        form.query_pairs_mut()
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", service.unwrap_or_default())
            .append_pair("scope", &scopes.join(" "))
            .append_pair("client_id", CLIENT_ID)
            .append_pair("refresh_token", token);
        let content = Content::Form(form.query().unwrap_or_default().to_owned());
        return Ask { method: Method::POST, content, ..Ask::get(realm, trust) };
    }
    {
        let mut query = realm.query_pairs_mut();
        if let Some(service) = service {
            query.append_pair("service", service);
        }
        for scope in scopes {
            query.append_pair("scope", scope);
        }
        query.append_pair("client_id", CLIENT_ID);
        if let Some(Credentials::Password { user, .. }) = credentials {
            query.append_pair("account", user);
        }
    }
    Ask { authorization: credentials.and_then(Credentials::basic), ..Ask::get(realm, trust) }
}

/// `token`, or OAuth2's `access_token`; only what a header can carry.
fn token_of(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        #[serde(default)]
        token: Option<String>,
        #[serde(default)]
        access_token: Option<String>,
    }
    let answer: Answer = document::from_slice(body).ok()?;
    let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty())?;
    token.bytes().all(|b| b.is_ascii_graphic()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(header: &str, credentials: Option<Credentials>) -> Ask {
        let challenge = &challenge::parse(header)[0];
        let realm = challenge.parameter("realm").unwrap().parse().unwrap();
        let scope = challenge.parameter("scope").unwrap_or("repository:library/x:pull").to_owned();
        token_request(realm, Trust::Verified, challenge, &[scope], credentials.as_ref())
    }

    #[test]
    fn the_question_carries_scope_service_and_account() {
        let header = r#"Bearer realm="https://a.io/t?x=1",service="s v",scope="repository:y:pull""#;
        let anonymous = ask(header, None);
        assert_eq!(
            anonymous.url.as_str(),
            "https://a.io/t?x=1&service=s+v&scope=repository%3Ay%3Apull&client_id=coracle"
        );
        assert_eq!((anonymous.authorization, anonymous.method), (None, Method::GET));
        let password = Credentials::Password { user: "u&v".into(), password: "p".into() };
        let named = ask(r#"Bearer realm="https://a.io/t""#, Some(password.clone()));
        assert_eq!(named.url.query().unwrap(), "scope=repository%3Alibrary%2Fx%3Apull&client_id=coracle&account=u%26v");
        assert_eq!(named.authorization, password.basic());
        let token = ask(header, Some(Credentials::IdentityToken("t&u".into())));
        assert_eq!(token.url.as_str(), "https://a.io/t?x=1");
        let Content::Form(form) = token.content else { panic!("not a form") };
        assert_eq!(
            form,
            "grant_type=refresh_token&service=s+v&scope=repository%3Ay%3Apull&client_id=coracle&refresh_token=t%26u"
        );
    }

    #[test]
    fn tokens_are_what_a_header_can_carry() {
        assert_eq!(token_of(br#"{"token":"a.b-c","expires_in":300}"#).unwrap(), "a.b-c");
        assert_eq!(token_of(br#"{"token":"","access_token":"x"}"#).unwrap(), "x");
        assert_eq!(token_of(br#"{"Token":null,"Access_Token":"x","expires_in":"never"}"#).unwrap(), "x");
        for bad in [&br#"{"token":"a\nb"}"#[..], b"{}", b"x", br#"{"token":"a b"}"#] {
            assert_eq!(token_of(bad), None);
        }
    }

    proptest! {
        #[test]
        fn any_challenge_and_body_are_survived(header in "Bearer realm=\"https://a\\.io\",(scope|service)=\"\\PC{0,20}\"", body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = ask(&header, None);
            let _ = token_of(&body);
        }
    }
}
