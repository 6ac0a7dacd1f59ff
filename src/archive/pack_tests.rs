//! Upper directories as both drivers leave them, packed and listed.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;

use super::changes::{self, Change, ChangeKind};
use super::pack::{Pack, Packing, Times};
use super::{Limits, repack_layer};
use crate::base::Result;
use crate::base::publish::Staging;
use crate::oci::Digest;
use crate::spec::idmap::IdMap;

fn tree() -> Staging {
    Staging::new(&std::env::temp_dir()).unwrap()
}

fn union() -> Packing {
    Packing { union: true, layer: true, times: Times::AtMost(1000), ..Packing::default() }
}

fn packed(root: &Path, packing: &Packing) -> Result<Vec<u8>> {
    let root = fs::File::open(root).unwrap();
    let mut bytes = Vec::new();
    let mut pack = Pack::new(root.as_fd(), packing)?;
    pack.read_to_end(&mut bytes).map_err(super::read_error)?;
    assert!(bytes.len().is_multiple_of(512));
    Ok(bytes)
}

/// `kind name [-> link]` of each entry, as the tar crate reads them.
fn listed(bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let show = |entry: tar::Entry<'_, _>| {
        let link = entry.link_name_bytes().map(|link| format!(" -> {}", String::from_utf8_lossy(&link)));
        let kind = entry.header().entry_type().as_byte() as char;
        format!("{kind} {}{}", String::from_utf8_lossy(&entry.path_bytes()), link.unwrap_or_default())
    };
    entries.map(show).collect()
}

fn mark(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn whiteout(path: &Path) {
    fs::write(path, "").unwrap();
    mark(path, "user.overlay.whiteout", b"");
    mark(path.parent().unwrap(), "user.overlay.opaque", b"x");
}

#[test]
fn marks_of_a_union_become_those_of_a_layer() {
    let upper = tree();
    let root = upper.path();
    fs::create_dir_all(root.join("etc/new")).unwrap();
    fs::create_dir(root.join("usr")).unwrap();
    fs::write(root.join("etc/conf"), "text").unwrap();
    mark(&root.join("etc/new"), "user.overlay.opaque", b"y");
    mark(&root.join("etc/conf"), "user.overlay.overlay.opaque", b"forged");
    mark(&root.join("etc/conf"), "user.containers.override_stat", b"1:2:0755");
    mark(&root.join("etc/conf"), "user.kept", b"v");
    whiteout(&root.join("usr/gone"));
    symlink("conf", root.join("etc/link")).unwrap();
    fs::hard_link(root.join("etc/conf"), root.join("usr/twice")).unwrap();
    let bytes = packed(root, &union()).unwrap();
    let expected = [
        "5 etc/",
        "0 etc/conf",
        "2 etc/link -> conf",
        "5 etc/new/",
        "0 etc/new/.wh..wh..opq",
        "5 usr/",
        "0 usr/.wh.gone",
        "1 usr/twice -> etc/conf",
    ];
    assert_eq!(listed(&bytes), expected);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("SCHILY.xattr.user.kept=v") && !text.contains("overlay") && !text.contains("override"));
    assert_eq!(bytes, packed(root, &union()).unwrap());
    // The mark of an opaque root, and what is no union.
    mark(root, "user.overlay.opaque", b"y");
    assert_eq!(listed(&packed(root, &union()).unwrap())[0], "0 .wh..wh..opq");
    assert!(listed(&packed(root, &Packing::default()).unwrap()).contains(&"0 usr/gone".to_owned()));
}

#[test]
fn a_container_cannot_forge_deletions() {
    let upper = tree();
    fs::create_dir(upper.path().join("a")).unwrap();
    fs::write(upper.path().join("a/.wh.passwd"), "").unwrap();
    let error = packed(upper.path(), &union()).unwrap_err();
    assert!(error.message().contains("a/.wh.passwd"), "{}", error.chain());
    // An archive of files may have it.
    assert_eq!(listed(&packed(upper.path(), &Packing::default()).unwrap()), ["5 a/", "0 a/.wh.passwd"]);
}

#[test]
fn the_first_name_looks_like_a_compressed_stream() {
    use std::os::unix::ffi::OsStrExt;
    let (upper, into) = (tree(), tree());
    let name = std::ffi::OsStr::from_bytes(b"\x1f\x8b\x08name");
    fs::write(upper.path().join(name), "contents").unwrap();
    let recipe = tempfile(into.path());
    let open = |path: &Path| fs::File::open(path).unwrap();
    let layer = into.path().join("tree");
    fs::create_dir(&layer).unwrap();
    let packing = union();
    let unpacked =
        repack_layer(open(upper.path()).as_fd(), &packing, open(&layer).as_fd(), recipe, &Limits::default()).unwrap();
    assert_eq!(fs::read(layer.join(name)).unwrap(), b"contents");
    assert_eq!(unpacked.diff_id, Digest::sha256(&packed(upper.path(), &packing).unwrap()));
    assert!(unpacked.rebuildable);
}

fn tempfile(directory: &Path) -> fs::File {
    fs::File::create_new(directory.join("recipe")).unwrap()
}

#[test]
fn holes_times_owners_and_mount_points() {
    let upper = tree();
    let root = upper.path();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    sparse.write_all_at(b"middle", 512 << 20).unwrap();
    for name in ["data", "used", "secrets"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    fs::write(root.join("used/file"), "x").unwrap();
    fs::write(root.join("secrets/key"), "").unwrap();
    fs::set_permissions(root.join("used/file"), fs::Permissions::from_mode(0o4711)).unwrap();
    let me = fs::metadata(root).unwrap();
    let packing = Packing {
        union: true,
        times: Times::AtMost(1_000_000),
        mount_points: ["data", "used", "secrets/key"].map(|path| path.as_bytes().to_vec()).into(),
        owners: (IdMap::of(&[(4_000_000, me.uid(), 1)]), IdMap::of(&[(7, me.gid(), 1)])),
        ..Packing::default()
    };
    let bytes = packed(root, &packing).unwrap();
    assert!(bytes.len() < 1 << 20, "{}", bytes.len());
    assert!(String::from_utf8_lossy(&bytes).contains("uid=4000000\n"));
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut names = Vec::new();
    for entry in archive.entries().unwrap().map(|entry| entry.unwrap()) {
        let header = entry.header();
        assert_eq!((header.gid().unwrap(), header.mtime().unwrap()), (7, 1_000_000));
        if entry.path_bytes().ends_with(b"used/file") {
            assert_eq!(header.mode().unwrap(), 0o4711);
        }
        names.push(String::from_utf8_lossy(&entry.path_bytes()).into_owned());
    }
    // The tar crate does not know this format of sparse files.
    assert_eq!(names, ["secrets/", "GNUSparseFile.0/sparse", "used/", "used/file"]);
    let into = root.join("data/out");
    fs::create_dir(&into).unwrap();
    let limits = Limits::default();
    let packing = Packing { union: true, ..Packing::default() };
    let open = |path: &Path| fs::File::open(path).unwrap();
    let only = tree();
    fs::hard_link(root.join("sparse"), only.path().join("sparse")).unwrap();
    let recipe = tempfile(&root.join("data"));
    let unpacked = repack_layer(open(only.path()).as_fd(), &packing, open(&into).as_fd(), recipe, &limits).unwrap();
    let file = open(&into.join("sparse"));
    let mut middle = [0; 8];
    file.read_exact_at(&mut middle, (512 << 20) - 1).unwrap();
    assert_eq!((&middle, unpacked.size), (b"\0middle\0", 1 << 30));
    assert!(file.metadata().unwrap().blocks() < 1000);
}

/// Changes, each as docker shows it.
fn changes_of(old: &[PathBuf], new: &[PathBuf], mount_points: &[&str]) -> Vec<String> {
    let mount_points: Vec<Vec<u8>> = mount_points.iter().map(|path| path.as_bytes().to_vec()).collect();
    let show = |change: Change| {
        let kind = match change.kind {
            ChangeKind::Modified => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        format!("{kind} {}", String::from_utf8(change.path).unwrap())
    };
    changes::list(old, new, &mount_points).unwrap().into_iter().map(show).collect()
}

#[test]
fn changes_are_those_of_docker() {
    let (lower, middle, upper) = (tree(), tree(), tree());
    let (low, mid, up) = (lower.path(), middle.path(), upper.path());
    fs::create_dir_all(low.join("etc/deep/er")).unwrap();
    fs::create_dir_all(low.join("opt/old")).unwrap();
    for file in ["etc/a", "etc/b", "etc/deep/er/c", "etc/touched", "opt/old/x", "opt/old/y", "swap"] {
        fs::write(low.join(file), "same").unwrap();
    }
    fs::create_dir(mid.join("mid")).unwrap();
    fs::create_dir_all(up.join("etc/deep/er")).unwrap();
    fs::create_dir_all(up.join("opt/old")).unwrap();
    fs::create_dir_all(up.join("new/in")).unwrap();
    fs::create_dir_all(up.join("data")).unwrap();
    // Modified, copied up without a change, deleted, added.
    fs::write(up.join("etc/a"), "other").unwrap();
    fs::copy(low.join("etc/touched"), up.join("etc/touched")).unwrap();
    let time = fs::metadata(low.join("etc/touched")).unwrap().modified().unwrap();
    fs::File::options().write(true).open(up.join("etc/touched")).unwrap().set_modified(time).unwrap();
    whiteout(&up.join("etc/b"));
    fs::write(up.join("new/in/file"), "").unwrap();
    // A directory that was replaced, and a file that became one.
    mark(&up.join("opt/old"), "user.overlay.opaque", b"y");
    fs::write(up.join("opt/old/y"), "same").unwrap();
    fs::create_dir(up.join("swap")).unwrap();
    fs::write(up.join("swap/s"), "").unwrap();
    let old = [low.to_owned(), mid.to_owned()];
    let new = [low.to_owned(), mid.to_owned(), up.to_owned()];
    let expected = [
        "C /etc",
        "C /etc/a",
        "D /etc/b",
        "A /new",
        "A /new/in",
        "A /new/in/file",
        "C /opt",
        "C /opt/old",
        "D /opt/old/x",
        "C /opt/old/y",
        "C /swap",
        "A /swap/s",
    ];
    assert_eq!(changes_of(&old, &new, &["data"]), expected);
    assert_eq!(changes_of(&old, &new, &[])[0], "A /data");
    assert!(changes_of(&new, &new, &[]).is_empty());
    // An image over another one: what one alone has was added or deleted.
    assert_eq!(changes_of(&[low.to_owned()], &old, &[]), ["A /mid"]);
    assert_eq!(changes_of(&old, &[low.to_owned()], &[]), ["D /mid"]);
    // The same stack in which a directory has other attributes.
    fs::set_permissions(up.join("etc/deep"), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(changes_of(&old, &new, &["data"]).contains(&"C /etc/deep".to_owned()));
}

#[test]
fn links_lead_nowhere() {
    // A directory of the container that became a link between two looks is not followed.
    let (upper, outside) = (tree(), tree());
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), upper.path().join("d")).unwrap();
    let bytes = packed(upper.path(), &union()).unwrap();
    assert_eq!(listed(&bytes).len(), 1);
    assert!(listed(&bytes)[0].starts_with("2 d -> /"));
    assert_eq!(changes_of(&[], &[upper.path().to_owned()], &[]), ["A /d"]);
}
