//! What a power cut leaves: the server is killed, and of copies the data is taken away that need not have been on the disk.
//! The next mount, by either driver, must show what was there.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Driver, Mounted};

const LENGTH: usize = 700_000;

fn bytes(seed: usize) -> Vec<u8> {
    (0..LENGTH).map(|at| ((at * 7 + seed * 31) % 251) as u8 + 1).collect()
}

/// The names in the lower layer, numbered.
const NAMES: [&str; 8] =
    ["changed", "moved", "dir/longer", "dir/written", "dir/later", "cut", "dir/synced", "dir/linked"];

fn layers(here: &Path) -> Vec<PathBuf> {
    let (below, lower) = (here.join("below"), here.join("lower"));
    for directory in [&below, &lower] {
        fs::create_dir_all(directory.join("dir")).unwrap();
    }
    for (seed, name) in NAMES.into_iter().enumerate() {
        // One of them is not in the topmost layer.
        let layer = if name == "dir/longer" { &below } else { &lower };
        fs::write(layer.join(name), bytes(seed)).unwrap();
    }
    fs::hard_link(lower.join("dir/linked"), lower.join("dir/other")).unwrap();
    vec![below, lower]
}

/// What programs do before the power cut.
fn use_it(root: &Path) {
    let at = |name: &str| root.join(name);
    let open = |name: &str| File::options().write(true).open(at(name)).unwrap();
    fs::set_permissions(at("changed"), Permissions::from_mode(0o4750)).unwrap();
    fs::rename(at("moved"), at("dir/away")).unwrap();
    open("dir/longer").write_all_at(b"appended", LENGTH as u64).unwrap();
    // From the first byte on: its copy is on the disk.
    open("dir/written").write_all_at(b"new", 0).unwrap();
    // It has a mark before it is written.
    for name in ["dir/later", "cut", "dir/synced"] {
        fs::set_permissions(at(name), Permissions::from_mode(0o600)).unwrap();
    }
    open("dir/later").write_all_at(b"new", 300_000).unwrap();
    open("cut").set_len(10).unwrap();
    let synced = open("dir/synced");
    synced.write_all_at(b"appended", LENGTH as u64).unwrap();
    synced.sync_data().unwrap();
    fs::set_permissions(at("dir/linked"), Permissions::from_mode(0o600)).unwrap();
    let time = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(5));
    open("changed").set_times(time).unwrap();
}

/// Takes away what need not be on the disk.
fn cut_off(upper: &Path) {
    let open = |name: &str| File::options().write(true).open(upper.join(name)).unwrap();
    for name in ["changed", "dir/longer", "dir/linked"] {
        let file = open(name);
        let times = fs::FileTimes::new().set_modified(file.metadata().unwrap().modified().unwrap());
        file.set_len(0).unwrap();
        file.set_times(times).unwrap();
    }
    // The bits that the above takes away are on the disk with the name.
    fs::set_permissions(upper.join("changed"), Permissions::from_mode(0o4750)).unwrap();
    open("dir/away").write_all_at(&[0; 300_000], 100_000).unwrap();
}

fn check(root: &Path) {
    let read = |name: &str| fs::read(root.join(name)).unwrap();
    let with = |seed: usize, at: usize, new: &[u8]| {
        let mut bytes = bytes(seed);
        bytes.resize(bytes.len().max(at + new.len()), 0);
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    assert!(read("changed") == bytes(0));
    let changed = fs::metadata(root.join("changed")).unwrap();
    assert_eq!((changed.mode() & 0o7777, changed.mtime()), (0o4750, 5));
    assert!(read("dir/away") == bytes(1));
    assert!(fs::symlink_metadata(root.join("moved")).is_err());
    assert!(read("dir/longer") == bytes(2), "what was appended was not synced");
    assert!(read("dir/written") == with(3, 0, b"new"));
    assert!(read("dir/later") == with(4, 300_000, b"new"));
    assert!(read("cut") == bytes(5)[..10]);
    assert!(read("dir/synced") == with(6, LENGTH, b"appended"));
    assert!(read("dir/linked") == bytes(7));
}

fn list(container: &Path) -> PathBuf {
    container.join("work/unsynced")
}

pub fn copies_are_whole_after_a_power_cut(here: &Path) {
    fs::create_dir_all(here).unwrap();
    let kind = rustix::fs::statfs(here).unwrap().f_type;
    assert_ne!(kind, libc::TMPFS_MAGIC, "TMPDIR is on a tmpfs, where nothing survives a power cut: set it to a disk");
    let layers = layers(here);
    let end = |union: Mounted| {
        let server = union.server.as_ref().unwrap();
        rustix::process::pidfd_send_signal(&server.pidfd, rustix::process::Signal::KILL).unwrap();
    };
    for (driver, name) in [(Driver::Fuse, "fuse"), (Driver::Overlay, "overlay")] {
        let container = here.join(name);
        let union = Mounted::new(&Driver::Fuse, &container, &layers);
        use_it(&union.at);
        assert!(list(&container).exists());
        end(union);
        cut_off(&container.join("upper"));
        let union = Mounted::new(&driver, &container, &layers);
        check(&union.at);
        assert!(!list(&container).exists(), "what was restored is on the disk");
        // Now it may be changed by whoever mounts it, and old marks mean nothing.
        File::options().write(true).open(union.at.join("changed")).unwrap().write_all_at(b"new", 0).unwrap();
        fs::write(union.at.join("dir/away"), "new").unwrap();
        drop(union);
        let union = Mounted::new(&Driver::Fuse, &container, &layers);
        fs::set_permissions(union.at.join("dir/other"), Permissions::from_mode(0o640)).unwrap();
        end(union);
        let union = Mounted::new(&Driver::Fuse, &container, &layers);
        assert_eq!(fs::read(union.at.join("changed")).unwrap()[..3], *b"new");
        assert_eq!(fs::read(union.at.join("dir/away")).unwrap(), b"new");
        drop(union);
    }
    // The end of a mount is the end of its list.
    let container = here.join("ended");
    let union = Mounted::new(&Driver::Fuse, &container, &layers);
    use_it(&union.at);
    drop(union);
    assert!(!list(&container).exists());
    // Elsewhere a list means nothing.
    let union = Mounted::new(&Driver::Fuse, &container, &layers);
    fs::set_permissions(union.at.join("dir/other"), Permissions::from_mode(0o640)).unwrap();
    fs::rename(union.at.join("cut"), union.at.join("shorter")).unwrap();
    drop(union);
    let union = Mounted::new(&Driver::Fuse, &here.join("moving"), &layers);
    fs::set_permissions(union.at.join("changed"), Permissions::from_mode(0o640)).unwrap();
    assert!(list(&here.join("moving")).exists());
    end(union);
    let copied = std::process::Command::new("cp").arg("-a").arg(here.join("moving")).arg(here.join("copy")).status();
    assert!(copied.unwrap().success());
    let copy = here.join("copy/upper/changed");
    File::options().write(true).open(&copy).unwrap().write_all_at(b"new", 0).unwrap();
    let union = Mounted::new(&Driver::Fuse, &here.join("copy"), &layers);
    assert_eq!(fs::read(union.at.join("changed")).unwrap()[..3], *b"new");
    drop(union);
}
