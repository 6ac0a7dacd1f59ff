//! Public keys of signers, as PEM (RFC 7468, RFC 5280 "Subject Public Key Info"), and what they verify: what cosign and
//! podman sign with. Everything is signed with SHA-256.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

use crate::base::{Error, Result};

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    P256,
    P384,
    Ed25519,
    Rsa,
}

impl Algorithm {
    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::P384 => &signature::ECDSA_P384_SHA256_ASN1,
            Self::Ed25519 => &signature::ED25519,
            Self::Rsa => &signature::RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

// Object identifiers, encoded.
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

impl PublicKey {
    /// The keys of a PEM text.
    pub fn all_of_pem(text: &[u8]) -> Result<Vec<Self>> {
        let keys: Vec<Self> = blocks(text, "PUBLIC KEY").iter().map(|der| Self::of_der(der)).collect::<Result<_>>()?;
        match keys.is_empty() {
            true => Err(Error::invalid("it has no PUBLIC KEY in PEM")),
            false => Ok(keys),
        }
    }

    fn of_der(der: &[u8]) -> Result<Self> {
        let unknown = || {
            Error::unsupported("it is a key of a kind that cannot be verified")
                .hint("possible are ECDSA on P-256 and P-384, Ed25519 and RSA of at least 2048 bits")
        };
        let parsed = (|| {
            let mut rest = der;
            let mut whole = element(&mut rest, 0x30)?;
            let mut algorithm = element(&mut whole, 0x30)?;
            let bits = element(&mut whole, 0x03)?;
            let identifier = element(&mut algorithm, 0x06)?;
            let curve = element(&mut algorithm, 0x06);
            let (unused, bytes) = bits.split_first()?;
            (*unused == 0).then_some((identifier, curve, bytes))
        })();
        let (identifier, curve, bytes) = parsed.ok_or_else(|| Error::invalid("it is not a public key"))?;
        let algorithm = match (identifier, curve) {
            (EC_PUBLIC_KEY, Some(P256)) => Algorithm::P256,
            (EC_PUBLIC_KEY, Some(P384)) => Algorithm::P384,
            (ED25519, _) => Algorithm::Ed25519,
            (RSA, _) => Algorithm::Rsa,
            _ => return Err(unknown()),
        };
        Ok(Self { algorithm, bytes: bytes.to_vec() })
    }

    /// Whether the key has made this signature of `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm.verification(), &self.bytes).verify(message, signature).is_ok()
    }
}

/// The contents of the PEM blocks of a kind; what cannot be decoded is left out.
pub fn blocks(text: &[u8], kind: &str) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    let (begin, end) = (format!("-----BEGIN {kind}-----"), format!("-----END {kind}-----"));
    let bodies = text.split(begin.as_str()).skip(1).filter_map(|rest| rest.split_once(end.as_str()));
    bodies.filter_map(|(body, _)| STANDARD.decode(body.split_whitespace().collect::<String>()).ok()).collect()
}

/// Takes the next value of DER, which must have this tag.
fn element<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&found, after) = rest.split_first()?;
    let (&first, mut after) = after.split_first()?;
    let length = match first {
        short @ 0..=0x7f => usize::from(short),
        long @ 0x81..=0x84 => {
            let (digits, others) = after.split_at_checked(usize::from(long & 0x7f))?;
            after = others;
            digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit))
        }
        _ => return None,
    };
    let (value, after) = after.split_at_checked(length)?;
    (found == tag).then(|| {
        *rest = after;
        value
    })
}

#[cfg(test)]
pub(super) mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;

    /// A key of `openssl ecparam -name prime256v1`.
    pub const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8yh2yW+yKCU3Myhcep01IGKhWZik
qejs7XD1OQZ4GefLIMAK/CdOdelna2r5NispLEW98EfqXP53IUFypDqFMQ==
-----END PUBLIC KEY-----
";

    #[test]
    fn a_signature_is_that_of_its_key_and_message() {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &random).unwrap();
        // The head of every such key, and the point.
        let mut der = STANDARD.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE").unwrap();
        der.truncate(26);
        der.extend_from_slice(pair.public_key().as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
        let keys = PublicKey::all_of_pem(pem.as_bytes()).unwrap();
        let signature = pair.sign(&random, b"message").unwrap();
        assert!(keys[0].verifies(b"message", signature.as_ref()));
        assert!(!keys[0].verifies(b"another", signature.as_ref()) && !keys[0].verifies(b"message", b""));
        let other = PublicKey::all_of_pem(P256.as_bytes()).unwrap();
        assert!(!other[0].verifies(b"message", signature.as_ref()));
        let both = format!("{pem}{P256}");
        assert_eq!(PublicKey::all_of_pem(both.as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let pem = |body: &str| format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let der = STANDARD.decode(P256.lines().skip(1).take(2).collect::<String>()).unwrap();
        for length in 0..der.len() {
            let cut = PublicKey::all_of_pem(pem(&STANDARD.encode(&der[..length])).as_bytes());
            assert!(cut.is_err(), "{length}");
        }
        for bad in ["", "no key", &pem(""), &pem("MAA="), "-----BEGIN PUBLIC KEY-----"] {
            assert!(PublicKey::all_of_pem(bad.as_bytes()).is_err(), "{bad}");
        }
        // A curve that nobody signs images with.
        let mut other = der.clone();
        other[22] = 1;
        assert!(PublicKey::all_of_pem(pem(&STANDARD.encode(&other)).as_bytes()).is_err());
    }
}
