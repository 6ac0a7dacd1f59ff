//! The layer below all layers: empty directories and files at the places where every container has mounts. Without it,
//! each container of an image that lacks them would make them in its upper: slower, and they would look like changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::base::publish::{Durability, Staging};
use crate::base::{Result, ResultExt};

/// Directories of the layer.
const DIRECTORIES: [&str; 4] = ["dev", "proc", "sys", "etc"];

/// Files of the layer. By `.dockerenv` programs tell that they are in a container.
const FILES: [&str; 4] = ["etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv"];

/// The layer's directory below `data`, made when it is absent. Images win: what they have at these places is seen
/// instead.
pub fn layer(data: &Path) -> Result<PathBuf> {
    let path = data.join("mountpoints");
    if !path.is_dir() {
        let staging = Staging::new(data)?;
        for directory in DIRECTORIES {
            make(&staging.path().join(directory), true)?;
        }
        for file in FILES {
            make(&staging.path().join(file), false)?;
        }
        let mtab = staging.path().join("etc/mtab");
        symlink("/proc/mounts", &mtab).at(&mtab, "cannot create")?;
        set_mode(staging.path(), 0o755)?;
        staging.publish(&path, Durability::Durable)?;
    }
    Ok(path)
}

fn make(path: &Path, directory: bool) -> Result<()> {
    match directory {
        true => fs::create_dir(path).at(path, "cannot create")?,
        false => fs::write(path, "").at(path, "cannot create")?,
    }
    set_mode(path, if directory { 0o755 } else { 0o644 })
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).at(path, "cannot set the mode of")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_is_made_once_and_whole() {
        let data = Staging::new(&std::env::temp_dir()).unwrap();
        let path = layer(data.path()).unwrap();
        assert!(path.join("proc").is_dir() && path.join("etc/resolv.conf").is_file());
        assert_eq!(layer(data.path()).unwrap(), path);
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    }
}
