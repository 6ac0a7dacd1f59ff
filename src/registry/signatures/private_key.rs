//! Private keys of signers, as `cosign generate-key-pair` and `skopeo generate-sigstore-key` write them: PKCS #8 (RFC 5958) of
//! a key on P-256, sealed by a passphrase with scrypt (RFC 7914) and NaCl's secretbox.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde::{Deserialize, Serialize};

use super::key::blocks;
use crate::base::{Error, Kind, Result, ResultExt};

/// The kinds of PEM blocks that hold such a key.
const KINDS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
/// Most memory for scrypt, in bytes. cosign's parameters take 64 MiB.
const MEMORY_MAX: u64 = 1 << 30;

/// A key that signs. Not shown by `{:?}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateKey {
    /// PKCS #8.
    der: Vec<u8>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// What is in the PEM block (go-securesystemslib, `encrypted`).
#[derive(Deserialize)]
struct Sealed {
    kdf: Derivation,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Derivation {
    name: String,
    params: Parameters,
    salt: String,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl PrivateKey {
    /// Opens the key in a PEM text.
    pub fn open(pem: &[u8], passphrase: &[u8]) -> Result<Self> {
        let block = KINDS.iter().find_map(|kind| blocks(pem, kind).into_iter().next());
        let block = block.ok_or_else(|| {
            Error::invalid("it is not a private key for signatures")
                .hint("`cosign generate-key-pair` and `skopeo generate-sigstore-key` make one")
        })?;
        let sealed: Sealed = serde_json::from_slice(&block).context(|| "the private key is damaged")?;
        if sealed.kdf.name != "scrypt" || sealed.cipher.name != "nacl/secretbox" {
            return Err(Error::unsupported("the private key is sealed in a way that is not known"));
        }
        let key = sealed.kdf.derive(passphrase)?;
        let nonce = decoded(&sealed.cipher.nonce)?;
        let cipher = XSalsa20Poly1305::new_from_slice(&key).map_err(|_| damaged())?;
        if nonce.len() != 24 {
            return Err(damaged());
        }
        let der = cipher
            .decrypt(Nonce::from_slice(&nonce), decoded(&sealed.ciphertext)?.as_ref())
            .map_err(|_| Error::new(Kind::Denied, "the passphrase does not open the private key"))?;
        let key = Self { der };
        key.pair().map(|_| key)
    }

    fn pair(&self) -> Result<EcdsaKeyPair> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.der, &SystemRandom::new())
            .map_err(|_| Error::unsupported("the private key is not one on the curve P-256"))
    }

    /// Signs a message with SHA-256.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self.pair()?.sign(&SystemRandom::new(), message);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| Error::system("cannot sign"))
    }
}

impl Derivation {
    fn derive(&self, passphrase: &[u8]) -> Result<[u8; 32]> {
        let Parameters { n, r, p } = self.params;
        let fits = n.is_power_of_two() && n > 1 && n.saturating_mul(u64::from(r)).saturating_mul(128) <= MEMORY_MAX;
        if !fits || r == 0 || p == 0 || p > 16 {
            return Err(damaged());
        }
        let parameters = scrypt::Params::new(n.trailing_zeros() as u8, r, p, 32).map_err(|_| damaged())?;
        let mut key = [0; 32];
        scrypt::scrypt(passphrase, &decoded(&self.salt)?, &parameters, &mut key).map_err(|_| damaged())?;
        Ok(key)
    }
}

fn decoded(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| damaged())
}

fn damaged() -> Error {
    Error::invalid("the private key is damaged")
}
