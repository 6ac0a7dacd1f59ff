//! What verbs that take long tell while they work. One trait for all of them: a worker passes it on as it is
//! ([`super::worker`]), and a face shows what it likes.

use super::pull::PullReport;
use super::push::PushReport;
use crate::base::Result;
use crate::oci::{Digest, Reference};

/// The answer to [`Progress::choose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The one at this index.
    Of(usize),
    /// There is nobody to ask.
    Impossible,
}

/// Told what happens, from several threads. In a pull layers are named by the digest of their blob, in a push by their diff
/// id ([`Digest::short`] is what people see); sizes are bytes. Whoever does not care implements nothing.
pub trait Progress: Sync {
    /// A container needs an image that is not here: it will be pulled.
    fn absent(&self, _image: &str) {}
    /// A name has several meanings: which of them does the user want?
    fn choose(&self, _meanings: &[Reference]) -> Result<Choice> {
        Ok(Choice::Impossible)
    }
    /// How a short name was understood, in podman's words.
    fn understood(&self, _how: &str) {}
    /// The image that was absent is here.
    fn arrived(&self, _report: &PullReport) {}

    /// A registry has answered; `layers` are to come, lowest first, with their compressed sizes.
    fn resolved(&self, _reference: &Reference, _layers: &[(Digest, u64)]) {}
    /// The store has this layer, or the registry that is pushed to.
    fn layer_exists(&self, _layer: &Digest) {}
    /// Its transfer begins.
    fn layer_started(&self, _layer: &Digest, _total: u64) {}
    /// The number of its bytes that have been received or sent in all. Called often.
    fn layer_moved(&self, _layer: &Digest, _bytes: u64) {}
    /// All bytes are here; the rest is being unpacked.
    fn layer_extracting(&self, _layer: &Digest) {}
    /// It is unpacked and verified, or the registry has confirmed it.
    fn layer_done(&self, _layer: &Digest) {}
    /// Everything is unpacked and is being made durable.
    fn storing(&self) {}

    /// A push begins; `layers`, lowest first, with the sizes of their blobs.
    fn push_began(&self, _to: &Reference, _layers: &[(Digest, u64)]) {}
    /// The registry has taken the layer from another repository.
    fn layer_mounted(&self, _layer: &Digest, _from: &Reference) {}
    /// It is not meant to be distributed, and stays where it is.
    fn layer_skipped(&self, _layer: &Digest) {}
    /// Its blob is being made or fetched.
    fn layer_preparing(&self, _layer: &Digest) {}
    /// The image is in the registry.
    fn pushed(&self, _report: &PushReport) {}
}

/// No progress is shown.
pub struct Silent;

impl Progress for Silent {}
