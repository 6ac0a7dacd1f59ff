//! Logins at registries that misbehave.

use super::*;

fn log_in(registry: &BadRegistry, user: &str, password: &str) -> Result<()> {
    let credentials = Some(Credentials::Password { user: user.into(), password: password.into() });
    Client::new(Settings { credentials, ..settings() })?.log_in(&reference(registry, "x"))
}

/// `u:right`
const RIGHT: &str = "Basic dTpyaWdodA==";

#[test]
fn basic_authentication_is_checked() {
    let registry = BadRegistry::start(|request| match request.header("authorization") {
        RIGHT => Reply::new(200, "{}"),
        _ => Reply::error(401, "UNAUTHORIZED", "who are you").header("www-authenticate", "Basic realm=\"x\""),
    });
    log_in(&registry, "u", "right").unwrap();
    let error = log_in(&registry, "u", "hunter2").unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    let said = format!("{} {:?}", error.chain(), error.hints());
    assert!(!said.contains("hunter2") && !said.contains("aHVudGVyMg"), "{said}");
}

#[test]
fn a_token_server_is_asked_for_nothing_in_particular() {
    let registry =
        BadRegistry::start(|request| match (request.path.starts_with("/token"), request.header("authorization")) {
            (true, RIGHT) => Reply::new(200, r#"{"access_token":"t"}"#),
            (true, _) => Reply::error(401, "UNAUTHORIZED", "wrong"),
            (false, "Bearer t") => Reply::new(200, "{}"),
            (false, _) => Reply::new(401, "")
                .header("www-authenticate", format!("Bearer realm=\"http://{}/token\",service=\"s\"", request.host)),
        });
    log_in(&registry, "u", "right").unwrap();
    let token = registry.requests().into_iter().find(|request| request.path.starts_with("/token")).unwrap();
    assert!(token.path.contains("account=u") && !token.path.contains("scope"), "{}", token.path);
    assert_eq!(log_in(&registry, "u", "wrong").unwrap_err().kind(), Kind::Denied);
}

#[test]
fn credentials_go_along_no_redirect() {
    let thief = BadRegistry::start(|_| Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""));
    let there = thief.host();
    let registry = BadRegistry::start(move |request| match request.header("authorization") {
        "" => Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""),
        _ => Reply::new(307, "").header("location", format!("http://{there}/v2/steal")),
    });
    assert!(log_in(&registry, "u", "right").is_err());
    assert!(!thief.requests().is_empty());
    assert!(thief.requests().iter().all(|request| request.header("authorization").is_empty()));
    // Nor to a token server in clear that is not this machine.
    let registry = BadRegistry::start(|_| {
        Reply::new(401, "").header("www-authenticate", "Bearer realm=\"http://192.0.2.1/token\",service=\"s\"")
    });
    assert_eq!(log_in(&registry, "u", "right").unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn what_is_no_registry_is_told() {
    let registry = BadRegistry::start(|_| Reply::new(404, "<html>"));
    let error = log_in(&registry, "u", "p").unwrap_err();
    assert!(error.message().contains("is not a registry"), "{}", error.chain());
    let registry = BadRegistry::start(|_| Reply::new(200, "{}"));
    log_in(&registry, "u", "p").unwrap();
}
