//! Which certificates of registries are trusted: those that lead to one of our anchors, and those that are one.
//!
//! Anchors are the certificates of the system's store and the `*.crt` files of a host, containers-certs.d(5).
//!
//! # A certificate that is an anchor itself
//!
//! `openssl req -x509` makes a certificate that signs itself, says that it is an authority, and is used by the registry as it
//! is. RFC 5280 has no path for it: webpki refuses an authority as the server (`CaUsedAsEndEntity`) and looks for another
//! certificate above a plain one (`UnknownIssuer`, `BadSignature`). Go, and so docker and podman, and curl take a server's
//! certificate that stands in the store, bit for bit. So does [`Verifier`], after webpki has refused it for one of these
//! reasons.
//!
//! What still must be right: the dates, which webpki checks before any of them; the name; and the handshake, which proves
//! that the server has the key. For a plain certificate webpki has checked its usage as well. An authority's usage is not
//! looked at: whoever has its key could sign itself any certificate that we accept.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore,
    SignatureScheme,
};

use crate::base::{Error, Result, ResultExt};

/// Most certificate files of one host.
const FILES_MAX: usize = 64;
/// Largest certificate file, in bytes.
const FILE_MAX: u64 = 8 << 20;

/// The certificates of one host's directory.
#[derive(Debug, Default)]
pub struct OwnCertificates {
    /// From `*.crt`, with the file.
    authorities: Vec<(PathBuf, CertificateDer<'static>)>,
    /// What identifies us: `x.cert` and `x.key`, as PEM, and the first of them.
    identity: Option<(PathBuf, Vec<u8>)>,
}

impl OwnCertificates {
    /// Reads the directory, in order of the names.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut own = Self::default();
        let entries = std::fs::read_dir(directory).at(directory, "cannot list")?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        paths.sort();
        for path in paths.into_iter().take(FILES_MAX) {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => {
                    let pem = read(&path)?;
                    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect();
                    if found.is_empty() {
                        return Err(malformed(&path, "it holds no certificate"));
                    }
                    for certificate in found {
                        own.authorities.push((path.clone(), certificate.map_err(|error| malformed(&path, error))?));
                    }
                }
                Some("cert") => {
                    let mut pem = read(&path)?;
                    pem.push(b'\n');
                    pem.extend(read(&path.with_extension("key"))?);
                    own.identity = Some((path, pem));
                }
                _ => {}
            }
        }
        Ok(own)
    }

    /// What identifies us, for a client without verification.
    pub fn reqwest_identity(&self) -> Result<Option<reqwest::Identity>> {
        let Some((path, pem)) = &self.identity else { return Ok(None) };
        reqwest::Identity::from_pem(pem).map(Some).map_err(|error| malformed(path, error))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if std::fs::metadata(path).at(path, "cannot read")?.len() > FILE_MAX {
        return Err(Error::invalid(format!("`{}` is larger than 8 MiB", path.display())));
    }
    std::fs::read(path).at(path, "cannot read")
}

fn malformed(path: &Path, cause: impl std::fmt::Display) -> Error {
    let cause = crate::base::text::clean(&cause.to_string()).into_owned();
    Error::invalid(format!("`{}` is not a PEM certificate", path.display())).caused_by(Error::invalid(cause))
}

/// The TLS configuration of a client that trusts the system's anchors and these.
pub fn client_config(own: &OwnCertificates) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(rustls_native_certs::load_native_certs().certs, &own.authorities, provider.clone())?;
    let unusable = |error: TlsError| Error::system("cannot set up HTTPS").caused_by(Error::system(error.to_string()));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &own.identity {
        None => builder.with_no_client_auth(),
        Some((path, pem)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let chain = chain.map_err(|error| malformed(path, error))?;
            let key =
                PrivateKeyDer::from_pem_slice(pem).map_err(|error| malformed(&path.with_extension("key"), error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| malformed(path, error))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// webpki, and certificates that are anchors themselves.
#[derive(Debug)]
pub struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    anchors: HashSet<CertificateDer<'static>>,
}

impl Verifier {
    /// Trusts these anchors. Unusable ones of the system are passed over; the user's own are errors.
    fn new(
        system: Vec<CertificateDer<'static>>,
        own: &[(PathBuf, CertificateDer<'static>)],
        provider: Arc<CryptoProvider>,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for (path, certificate) in own {
            roots.add(certificate.clone()).map_err(|error| malformed(path, error))?;
        }
        roots.add_parsable_certificates(system.iter().cloned());
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|error| {
            Error::system("cannot set up HTTPS").caused_by(Error::system(error.to_string())).hint(
                "the system's certificate authorities are needed: install the package `ca-certificates`, or set SSL_CERT_FILE",
            )
        })?;
        let own = own.iter().map(|(_, certificate)| certificate.clone());
        Ok(Self { webpki, anchors: system.into_iter().chain(own).collect() })
    }
}

/// Whether webpki has refused a certificate only because of who is above it.
fn is_about_the_issuer(error: &TlsError) -> bool {
    match error {
        // The second: an anchor of the issuer's name has another key.
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => true,
        TlsError::InvalidCertificate(CertificateError::Other(OtherError(error))) => {
            error.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
        }
        _ => false,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        let refused = match self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(verified) => return Ok(verified),
            Err(refused) => refused,
        };
        if !is_about_the_issuer(&refused) {
            return Err(refused);
        }
        if !self.anchors.contains(end_entity) {
            // One reason for all, which says what to do: nobody whom we trust stands behind it.
            return Err(TlsError::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.webpki.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.webpki.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use std::process::Command;
    use std::time::Duration;

    /// A certificate made by openssl as guides say, valid for a day from now. `None` without openssl.
    fn made(arguments: &[&str]) -> Option<CertificateDer<'static>> {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let (key, certificate) = (scratch.path().join("x.key"), scratch.path().join("x.crt"));
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
            .args(["-subj", "/CN=registry.example", "-keyout"])
            .args([key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
            .args(arguments)
            .output()
            .ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(CertificateDer::from_pem_file(certificate).unwrap())
    }

    /// What a verifier with these anchors says to this certificate, `days` from now.
    fn verdict(anchors: &[&CertificateDer<'static>], shown: &CertificateDer<'static>, name: &str, days: i64) -> String {
        let anchors: Vec<_> = anchors.iter().map(|anchor| (PathBuf::new(), (*anchor).clone())).collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new(Vec::new(), &anchors, provider).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::now().as_secs().checked_add_signed(days * 86_400).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        match verifier.verify_server_cert(shown, &[], &name, &[], now) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_certificate_that_is_an_anchor_is_accepted_within_its_limits() {
        let names = ["-addext", "subjectAltName=DNS:registry.example,IP:192.0.2.1"];
        let Some(authority) = made(&names) else { return };
        let plain = made(&[&names[..], &["-addext", "basicConstraints=critical,CA:FALSE"]].concat()).unwrap();
        let other = made(&names).unwrap();
        for shown in [&authority, &plain] {
            for name in ["registry.example", "192.0.2.1"] {
                assert_eq!(verdict(&[shown], shown, name, 0), "accepted");
            }
            let refused = |anchors: &[&CertificateDer<'static>], name: &str, days: i64, word: &str| {
                let said = verdict(anchors, shown, name, days);
                assert!(said.contains(word), "{word}: {said}");
            };
            refused(&[shown], "other.example", 0, "not valid for name");
            refused(&[shown], "192.0.2.2", 0, "not valid for name");
            refused(&[shown], "registry.example", 3, "expired");
            refused(&[shown], "registry.example", -3, "not valid yet");
            assert_ne!(verdict(&[&other], shown, "registry.example", 0), "accepted", "of the same name, but another");
            assert_eq!(verdict(&[&other, shown], shown, "registry.example", 0), "accepted");
        }
        assert!(verdict(&[&other], &authority, "registry.example", 0).contains("UnknownIssuer"));
        let client = made(
            &[&names[..], &["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth"]]
                .concat(),
        );
        let client = client.unwrap();
        assert_ne!(verdict(&[&client], &client, "registry.example", 0), "accepted", "it is not for servers");
        // Without names only its subject could tell, which Go does not read either.
        let nameless = made(&[]).unwrap();
        assert_ne!(verdict(&[&nameless], &nameless, "registry.example", 0), "accepted");
    }

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("ca.crt");
        for text in ["", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, text).unwrap();
            let error = OwnCertificates::read(scratch.path()).and_then(|own| client_config(&own)).unwrap_err();
            assert!(error.message().contains("ca.crt"), "{text}: {}", error.chain());
        }
    }
}
