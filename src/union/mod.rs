//! Union mounts: image layers below, one writable directory on top. Both drivers use the on-disk format of overlayfs with
//! `user.overlay.*` attributes, so a container can change driver.

pub mod fuse;
pub mod mountpoints;
pub mod overlay;

use std::path::PathBuf;

/// What either driver mounts: layers, and the directory that takes the changes.
#[derive(Debug, Clone)]
pub struct Union {
    /// Layer trees, base first.
    pub layers: Vec<PathBuf>,
    /// The container's directory with `upper` and `work`. The overlay driver also mounts here, for a moment and in the
    /// mount namespace of this process alone.
    pub container: PathBuf,
    /// The upper need not survive a power cut: no sync at unmount or copy-up. overlayfs refuses to mount such an upper
    /// again before its mark is removed from the work directory.
    pub volatile: bool,
}
