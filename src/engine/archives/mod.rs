//! Images as files: what `save` writes, and what `load` and `import` read.
//!
//! # The formats
//!
//! * *docker-archive*, a tar file. Since docker 25 it is an OCI layout as well: blobs under their digests, an `index.json`,
//!   and docker's `manifest.json`, which lists for each image its configuration, names and layers. Older ones, and those of
//!   other tools, have `manifest.json` alone, any names for files, and links between layers that occur twice.
//! * *oci-archive* and *oci-dir*: an OCI image layout (image specification, "Image Layout") in a tar file or a directory.
//! * *docker-dir*: a registry's manifest with its blobs beside it, as podman and skopeo call `dir:`.
//!
//! Layers come out of the store byte for byte, so that an image has the same id and the same diff ids wherever it is
//! loaded.
//!
//! # What is hostile
//!
//! All of an archive. It is never unpacked: [`source`] finds files by name, in a tar file through an index and in a
//! directory beneath its descriptor. [`found`] reads what the documents say, each bounded in size, and compares every blob
//! that has a digest with it. [`load`] unpacks layers as a pull does. Nothing can be seen of an archive until all of its
//! images are unpacked and verified: then layers, images and names appear under the store's lock, the names last.
//! [`foreign`] stores of other programs are read in the same way.

pub mod files;
pub mod foreign;
mod found;
pub mod import;
pub mod load;
pub mod new_image;
mod origin;
mod output;
pub mod save;
mod source;
mod split;
mod unpacked;
mod write;
