//! `--userns=auto-own` (`userns = "auto-own"` in the configuration): the files in the user's directories stay the user's.
//!
//! By default root of a container is the user, and every other user of it has a subordinate id: an image with a user of its
//! own can neither write to a directory of the project nor make files there that the user can delete. With `auto-own` the
//! user that the container runs as is the user, as `--userns=keep-id:uid=…,gid=…` has it, whenever a directory below the
//! user's home is mounted. A container without such a mount, or one that runs as root, is started as usual.
//!
//! What a program makes after it has changed its user by itself belongs to a subordinate id all the same.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::request::CreateRequest;
use crate::base::Result;
use crate::oci::ImageConfig;
use crate::rootless::outer;
use crate::runtime::user::{self, MAX_FILE};
use crate::spec::ids::UserNamespaceRequest;
use crate::spec::storage::MountSource;
use crate::sys::beneath::BeneathDir;

/// The request with a decision in the place of `auto-own`; others stay as they are.
pub(super) fn decide(
    request: &CreateRequest,
    image: &ImageConfig,
    layers: &[PathBuf],
    home: &Path,
) -> Result<CreateRequest> {
    let mut request = request.clone();
    if request.namespaces.user != UserNamespaceRequest::AutoOwn {
        return Ok(request);
    }
    request.namespaces.user = UserNamespaceRequest::Host;
    if outer::is_real_root() || outer::has_single_id()? || !mounts_own_files(&request, home) {
        return Ok(request);
    }
    let user = request.identity.user.clone().unwrap_or_else(|| image.config.user.clone());
    let read = |path: &str| newest(layers, path).unwrap_or_default();
    // A user that the image does not have is told when the container starts.
    if let Ok(identity) = user::resolve(&user, &read("etc/passwd"), &read("etc/group"))
        && identity.uid != 0
    {
        request.namespaces.user = UserNamespaceRequest::KeepId { uid: Some(identity.uid), gid: Some(identity.gid) };
        // With its other groups.
        request.identity.user = Some(user);
    }
    Ok(request)
}

/// Whether a file or directory below the user's home is mounted.
fn mounts_own_files(request: &CreateRequest, home: &Path) -> bool {
    let Ok(home) = fs::canonicalize(home) else { return false };
    request.storage.mounts.iter().any(|asked| match &asked.mount.source {
        // One that is missing is made by `-v` later: what it is called counts.
        MountSource::Bind { path } => fs::canonicalize(path).unwrap_or_else(|_| path.clone()).starts_with(&home),
        _ => false,
    })
}

/// A small text file as the highest layer that has it has it.
fn newest(layers: &[PathBuf], path: &str) -> Option<String> {
    layers.iter().rev().find_map(|layer| {
        let mut bytes = Vec::new();
        let file = BeneathDir::open(layer).ok()?.open_file(path).ok()?;
        file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn the_highest_layer_says_who_a_user_is() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let layer = |name: &str, text: Option<&str>| {
            let path = scratch.path().join(name);
            fs::create_dir_all(path.join("etc")).unwrap();
            text.iter().for_each(|text| fs::write(path.join("etc/passwd"), text).unwrap());
            path
        };
        let layers = [layer("a", Some("one")), layer("b", Some("two")), layer("c", None)];
        assert_eq!(newest(&layers, "etc/passwd").as_deref(), Some("two"));
        // A link of the image leads nowhere.
        std::os::unix::fs::symlink("/etc/passwd", layers[2].join("etc/passwd")).unwrap();
        assert_ne!(newest(&layers, "etc/passwd"), fs::read_to_string("/etc/passwd").ok());
        assert_eq!(newest(&layers, "etc/group"), None);
    }
}
