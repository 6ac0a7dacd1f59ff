//! Which certificates are trusted, shown on registries that speak TLS.

use super::*;

#[test]
fn tls_is_demanded_where_it_is_told() {
    let registry = BadRegistry::good(content(10));
    let client = Client::new(Settings { tls_verify: Some(true), ..settings() }).unwrap();
    let error = resolve(&client, &registry).unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert!(error.message().contains("TLS"), "{}", error.chain());
    assert!(error.hints().join(" ").contains("plain HTTP"), "{:?}", error.hints());
}

#[test]
fn a_certificate_is_trusted_when_its_authority_is() {
    let content = content(10);
    let registry = BadRegistry::start_tls(move |request| content.serve(request));
    for tls_verify in [None, Some(true)] {
        let client = Client::new(Settings { tls_verify, ..settings() }).unwrap();
        let error = resolve(&client, &registry).unwrap_err();
        assert!(error.message().contains("no trustworthy TLS"), "{}", error.chain());
        assert!(error.hints().join(" ").contains(&format!("certs.d/{}/", registry.host())), "{:?}", error.hints());
    }
    assert_eq!(registry.requests().len(), 0, "nothing was said to a server without trust");

    let client = Client::new(Settings { tls_verify: Some(false), ..settings() }).unwrap();
    assert!(resolve(&client, &registry).is_ok());

    let certificates = Staging::new(&std::env::temp_dir()).unwrap();
    let own = certificates.path().join(registry.host());
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("ca.crt"), bad_registry::TEST_AUTHORITY).unwrap();
    let directories = vec![certificates.path().to_owned()];
    for tls_verify in [None, Some(true)] {
        let settings = Settings { certificate_dirs: directories.clone(), tls_verify, ..settings() };
        assert!(resolve(&Client::new(settings).unwrap(), &registry).is_ok());
    }
}

/// The recipe of every guide: `openssl req -x509`, whose certificate is then trusted as it is.
#[test]
fn a_certificate_that_signs_itself_is_trusted_where_it_is_configured() {
    let scratch = Staging::new(&std::env::temp_dir()).unwrap();
    let (key, certificate) = (scratch.path().join("domain.key"), scratch.path().join("domain.crt"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-x509", "-days", "365", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .args([key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
        .output();
    let Ok(made) = made else { return };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let pem = std::fs::read(&certificate).unwrap();
    let content = content(10);
    let registry =
        BadRegistry::start_tls_with(&pem, &std::fs::read(&key).unwrap(), move |request| content.serve(request));
    let named: Reference = format!("localhost:{}/app", registry.port()).parse().unwrap();
    let directories = vec![scratch.path().join("certs.d")];
    let with = |directories: &[std::path::PathBuf]| {
        Client::new(Settings { tls_verify: Some(true), certificate_dirs: directories.to_vec(), ..settings() }).unwrap()
    };
    assert!(with(&[]).resolve(&named, &amd64()).is_err());
    for host in [format!("localhost:{}", registry.port()), registry.host()] {
        let own = directories[0].join(host);
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("ca.crt"), &pem).unwrap();
    }
    assert_eq!(registry.requests().len(), 0);
    with(&directories).resolve(&named, &amd64()).unwrap();
    // The certificate does not name the address.
    let error = resolve(&with(&directories), &registry).unwrap_err();
    assert!(error.hints().join(" ").contains("subjectAltName"), "{}: {:?}", error.chain(), error.hints());
}
