//! Certificates: what a server shows, given by the user or made here (RFC 5280, with a key on P-256).

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

use crate::base::id::random_bytes;
use crate::base::{Error, Result};
use crate::oci::Digest;

/// How long a certificate that is made here is valid: what all clients accept of a server (CA/Browser Forum, 398 days).
const VALID: SignedDuration = SignedDuration::from_hours(24 * 397);
/// Clocks of other machines may be behind by this much.
const SKEW: SignedDuration = SignedDuration::from_hours(24);
/// A certificate that ends this soon is made anew.
const RENEW: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What a server shows and proves itself with, as PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The certificate, and those above it.
    pub certificates: String,
    /// Its key.
    pub key: String,
}

impl Identity {
    /// Checks that certificate and key belong together.
    pub fn check(&self) -> Result<()> {
        self.acceptor().map(drop)
    }

    pub(super) fn acceptor(&self) -> Result<TlsAcceptor> {
        let wrong = |what: &str, cause: String| {
            Error::invalid(format!("the {what} cannot be used")).caused_by(Error::invalid(cause))
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.certificates.as_bytes()).collect();
        let chain = chain.map_err(|error| wrong("certificate", error.to_string()))?;
        if chain.is_empty() {
            return Err(wrong("certificate", "it is not PEM".into()));
        }
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes());
        let key = key.map_err(|error| wrong("key of the certificate", error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("certificate", error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| wrong("certificate", error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// The SHA-256 fingerprint of the first certificate.
    pub fn fingerprint(&self) -> Result<Digest> {
        let first = CertificateDer::from_pem_slice(self.certificates.as_bytes());
        let first = first.map_err(|error| Error::invalid(error.to_string()))?;
        Ok(Digest::sha256(&first))
    }
}

/// A certificate that was made here, with what it is for: it is shown again as long as that is the same, because others
/// have taken it for right.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Certificate {
    version: u32,
    /// Names and addresses.
    hosts: Vec<String>,
    ends: Timestamp,
    /// The certificate with its key.
    pub identity: Identity,
}

impl Certificate {
    /// Makes one for the names and addresses `hosts`. It signs itself.
    pub fn make(hosts: &[String], now: Timestamp) -> Result<Self> {
        let random = SystemRandom::new();
        let failed = || "cannot make a certificate";
        let broken = |_| Error::system(failed());
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(broken)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random)
            .map_err(|error| Error::system(failed()).caused_by(Error::system(error.to_string())))?;
        let late = |error: jiff::Error| Error::system(failed()).caused_by(error);
        let begins = now.checked_sub(SKEW).map_err(late)?;
        let ends = now.checked_add(VALID).map_err(late)?;
        let mut serial = [0; 16];
        random_bytes(&mut serial)?;
        // A positive number without leading zeros.
        serial[0] = serial[0] & 0x3f | 0x40;
        let body = to_be_signed(hosts, &serial, (begins, ends), pair.public_key().as_ref());
        let signature = pair.sign(&random, &body).map_err(broken)?;
        let certificate = sequence(&[&body, &ecdsa_with_sha256(), &bits(0, signature.as_ref())]);
        let identity =
            Identity { certificates: pem("CERTIFICATE", &certificate), key: pem("PRIVATE KEY", key.as_ref()) };
        Ok(Self { version: 1, hosts: hosts.to_vec(), ends, identity })
    }

    /// Whether it does for these hosts, and for a while.
    pub fn serves(&self, hosts: &[String], now: Timestamp) -> bool {
        self.version == 1
            && hosts.iter().all(|host| self.hosts.contains(host))
            && now.checked_add(RENEW).is_ok_and(|then| then < self.ends)
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

// Object identifiers, encoded.
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

/// A value of DER (X.690): tag, length, contents.
fn value(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length: usize = contents.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let used = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
            out.push(0x80 | used.len() as u8);
            out.extend_from_slice(used);
        }
    }
    contents.iter().for_each(|part| out.extend_from_slice(part));
    out
}

fn sequence(contents: &[&[u8]]) -> Vec<u8> {
    value(0x30, contents)
}

fn object(identifier: &[u8]) -> Vec<u8> {
    value(0x06, &[identifier])
}

fn octets(contents: &[u8]) -> Vec<u8> {
    value(0x04, &[contents])
}

/// A string of bits, of whose last byte `unused` count for nothing.
fn bits(unused: u8, contents: &[u8]) -> Vec<u8> {
    value(0x03, &[&[unused], contents])
}

fn ecdsa_with_sha256() -> Vec<u8> {
    sequence(&[&object(ECDSA_WITH_SHA256)])
}

fn name() -> Vec<u8> {
    let common = sequence(&[&object(COMMON_NAME), &value(0x0c, &[b"coracle registry serve"])]);
    sequence(&[&value(0x31, &[&common])])
}

fn time(at: Timestamp) -> Vec<u8> {
    value(0x17, &[at.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()])
}

fn extension(identifier: &[u8], critical: bool, contents: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&object(identifier), critical, &octets(contents)])
}

fn to_be_signed(hosts: &[String], serial: &[u8], (begins, ends): (Timestamp, Timestamp), point: &[u8]) -> Vec<u8> {
    let key = sequence(&[&sequence(&[&object(EC_PUBLIC_KEY), &object(P256)]), &bits(0, point)]);
    let names: Vec<Vec<u8>> = hosts
        .iter()
        .map(|host| match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => value(0x87, &[&address.octets()]),
            Ok(IpAddr::V6(address)) => value(0x87, &[&address.octets()]),
            Err(_) => value(0x82, &[host.as_bytes()]),
        })
        .collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let extensions = sequence(&[
        &extension(BASIC_CONSTRAINTS, true, &sequence(&[])),
        &extension(KEY_USAGE, true, &bits(7, &[0x80])),
        &extension(EXTENDED_KEY_USAGE, false, &sequence(&[&object(SERVER_AUTHENTICATION)])),
        &extension(ALTERNATIVE_NAMES, false, &sequence(&names)),
    ]);
    sequence(&[
        &value(0xa0, &[&[0x02, 0x01, 0x02]]),
        &value(0x02, &[serial]),
        &ecdsa_with_sha256(),
        &name(),
        &sequence(&[&time(begins), &time(ends)]),
        &name(),
        &key,
        &value(0xa3, &[&extensions]),
    ])
}

#[cfg(test)]
mod tests {
    use rustls::client::verify_server_name;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::server::ParsedCertificate;

    use super::*;

    #[test]
    fn a_certificate_is_right_for_its_hosts_and_no_others() {
        let now = Timestamp::now();
        let hosts = ["192.0.2.7".to_owned(), "::1".to_owned(), "laptop.example".to_owned()];
        let made = Certificate::make(&hosts, now).unwrap();
        made.identity.check().unwrap();
        let der = CertificateDer::from_pem_slice(made.identity.certificates.as_bytes()).unwrap();
        let parsed = ParsedCertificate::try_from(&der).unwrap();
        for (host, right) in
            [("192.0.2.7", true), ("::1", true), ("laptop.example", true), ("192.0.2.8", false), ("example", false)]
        {
            let name = ServerName::try_from(host).unwrap();
            assert_eq!(verify_server_name(&parsed, &name).is_ok(), right, "{host}");
        }
        // Its own signature, its dates and its usage, as a client that trusts it checks them.
        let anchor = webpki::anchor_from_trusted_cert(&der).unwrap().to_owned();
        let end = webpki::EndEntityCert::try_from(&der).unwrap();
        let verified = |at: Timestamp| {
            let seconds = std::time::Duration::from_secs(u64::try_from(at.as_second()).unwrap());
            end.verify_for_usage(
                rustls::crypto::ring::default_provider().signature_verification_algorithms.all,
                std::slice::from_ref(&anchor),
                &[],
                UnixTime::since_unix_epoch(seconds),
                webpki::KeyUsage::server_auth(),
                None,
                None,
            )
            .err()
        };
        assert_eq!(format!("{:?}", verified(now)), "None");
        assert!(format!("{:?}", verified(made.ends.checked_add(RENEW).unwrap())).contains("Expired"));
        assert!(made.serves(&hosts[..1], now) && !made.serves(&["other".into()], now));
        assert!(!made.serves(&hosts, made.ends));
        let other = Certificate::make(&hosts, now).unwrap();
        assert_ne!(other.identity.fingerprint().unwrap(), made.identity.fingerprint().unwrap());
        let mixed = Identity { key: other.identity.key, ..made.identity };
        assert!(mixed.check().is_err(), "another key");
    }
}
