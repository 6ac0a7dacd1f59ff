//! What a program in a container writes into attributes is never taken for a mark of the union, whichever driver comes next.

use std::fs;
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::{Driver, Mounted};

/// A directory with marks of each union file system, set from within, shows what the layer has, and so do the marks.
pub fn marks_from_within_are_attributes(here: &Path) {
    let lower = here.join("lower");
    fs::create_dir_all(lower.join("dir")).unwrap();
    for file in ["hidden", "dir/hidden"] {
        fs::write(lower.join(file), "x").unwrap();
    }
    let marks = ["user.overlay.opaque", "user.fuseoverlayfs.opaque", "user.fuseoverlayfs.x", "user.overlay.whiteout"];
    for (name, drivers) in [
        ("fuse-first", [Driver::Fuse, Driver::Overlay, Driver::Fuse]),
        ("overlay-first", [Driver::Overlay, Driver::Fuse, Driver::Overlay]),
    ] {
        let mut taken = marks.to_vec();
        for (turn, driver) in drivers.iter().enumerate() {
            let union = Mounted::new(driver, &here.join(name), std::slice::from_ref(&lower));
            for path in ["", "dir"] {
                let directory = union.at.join(path);
                if turn == 0 {
                    // The kernel's driver escapes its own names since 6.7, and refuses them before.
                    taken.retain(|mark| match rustix::fs::setxattr(&directory, *mark, b"y", XattrFlags::empty()) {
                        Err(Errno::OPNOTSUPP) if mark.starts_with("user.overlay.") => false,
                        set => set.map(|()| true).unwrap(),
                    });
                }
                for mark in &taken {
                    let mut value = [0; 8];
                    let length = rustix::fs::getxattr(&directory, *mark, &mut value[..]).unwrap();
                    assert_eq!(&value[..length], b"y", "{name}, turn {turn}: {mark} of `{path}`");
                }
                assert!(directory.join("hidden").exists(), "{name}, turn {turn}: `{path}` is opaque");
            }
        }
    }
}
