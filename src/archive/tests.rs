//! Layers as strangers make them, unpacked into temporary directories. Ids are those of whoever runs the tests, so that
//! they pass without privileges; what needs other ids or mounts runs in a user namespace of its own.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::base::publish::Staging;

/// An archive in the making. Entries belong to the user who runs the test.
struct Archive(Vec<u8>);

impl Archive {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn entry(mut self, flag: u8, name: &str, link: &str, mode: u32, contents: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        for (field, value) in [(0..100, name), (157..257, link)] {
            header.as_mut_bytes()[field][..value.len()].copy_from_slice(value.as_bytes());
        }
        header.set_entry_type(tar::EntryType::new(flag));
        header.set_mode(mode);
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        header.set_mtime(1_000_000_000);
        header.set_size(contents.len() as u64);
        self = self.header(&header);
        self.contents(contents)
    }

    fn header(mut self, header: &tar::Header) -> Self {
        let mut header = header.clone();
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self
    }

    fn contents(mut self, contents: &[u8]) -> Self {
        self.0.extend_from_slice(contents);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, contents: &str) -> Self {
        self.entry(b'0', name, "", 0o644, contents.as_bytes())
    }

    fn dir(self, name: &str) -> Self {
        self.entry(b'5', name, "", 0o755, b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name, target, 0o777, b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name, target, 0o644, b"")
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut contents = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (1..6).map(|digits| rest + digits).find(|l| l.to_string().len() + rest == *l).unwrap();
            contents.extend_from_slice(format!("{length} {key}=").as_bytes());
            contents.extend_from_slice(value);
            contents.push(b'\n');
        }
        self.entry(b'x', "pax", "", 0o644, &contents)
    }

    /// The archive with its end, unpacked.
    fn unpack(self) -> Result<Layer> {
        self.unpack_with(&Limits::default())
    }

    fn unpack_with(mut self, limits: &Limits) -> Result<Layer> {
        self.0.resize(self.0.len() + 1024, 0);
        Layer::unpack(self.0, limits)
    }
}

/// An unpacked layer in a directory of its own.
struct Layer {
    scratch: Staging,
    unpacked: Unpacked,
}

impl Layer {
    fn unpack(bytes: Vec<u8>, limits: &Limits) -> Result<Self> {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(scratch.path().join("outside"), "outside").unwrap();
        let recipe = fs::File::create_new(scratch.path().join("recipe")).unwrap();
        let directory = fs::File::open(&tree).unwrap();
        let unpacked = unpack_layer(&bytes[..], Compression::None, directory.as_fd(), recipe, limits);
        let left: Vec<_> = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "something escaped: {left:?}");
        assert_eq!(fs::read_to_string(scratch.path().join("outside")).unwrap(), "outside");
        let layer = Self { unpacked: unpacked?, scratch };
        assert_eq!(layer.unpacked.diff_id, Digest::sha256(&bytes));
        assert_eq!(layer.unpacked.tar_size, bytes.len() as u64);
        if layer.unpacked.rebuildable {
            assert!(layer.rebuilt() == bytes, "the rebuilt archive differs");
            let recipe = fs::File::open(layer.scratch.path().join("recipe")).unwrap();
            assert_eq!(rebuilt_size(recipe).unwrap(), bytes.len() as u64);
        }
        Ok(layer)
    }

    fn rebuilt(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let recipe = fs::File::open(self.scratch.path().join("recipe")).unwrap();
        rebuild(recipe, fs::File::open(self.tree()).unwrap().as_fd(), &mut bytes).unwrap();
        bytes
    }

    fn tree(&self) -> PathBuf {
        self.scratch.path().join("tree")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tree().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn is_whiteout(&self, name: &str) -> bool {
        let metadata = fs::symlink_metadata(self.path(name)).unwrap();
        metadata.file_type().is_char_device() && metadata.rdev() == 0
    }

    fn is_opaque(&self, name: &str) -> bool {
        whiteout::is_opaque(fs::File::open(self.path(name)).unwrap())
    }

    fn xattr(&self, name: &str, attribute: &str) -> Option<Vec<u8>> {
        let mut value = [0; 256];
        let length = rustix::fs::lgetxattr(self.path(name), attribute, &mut value[..]).ok()?;
        Some(value[..length].to_vec())
    }
}

fn refusal(archive: Archive) -> String {
    match archive.unpack() {
        Err(error) => {
            assert_eq!(error.kind(), Kind::Invalid, "{}", error.chain());
            error.chain()
        }
        Ok(layer) => panic!("accepted: {:?}", layer.unpacked),
    }
}

#[test]
fn an_ordinary_layer() {
    let layer = Archive::new()
        .dir("./")
        .dir("./usr/")
        .entry(b'5', "./usr/tmp", "", 0o1777, b"")
        .entry(b'0', "./usr/su", "", 0o4755, b"program")
        .symlink("./bin", "usr")
        .symlink("./absolute", "/usr/su")
        .hard_link("./usr/other", "./usr/su")
        .hard_link("./bin2", "bin")
        .entry(b'6', "./fifo", "", 0o620, b"")
        .file("./usr/empty", "")
        .unpack()
        .unwrap();
    assert_eq!(layer.unpacked.size, 7);
    assert_eq!(layer.unpacked.entries, 10);
    assert!(layer.unpacked.rebuildable);
    let mode = |name: &str| fs::symlink_metadata(layer.path(name)).unwrap().permissions().mode();
    assert_eq!(mode("usr/tmp"), 0o041_777);
    assert_eq!(mode("usr/su"), 0o104_755);
    assert_eq!(mode("fifo"), 0o010_620);
    assert_eq!(fs::read_link(layer.path("absolute")).unwrap(), Path::new("/usr/su"));
    assert_eq!(fs::read_link(layer.path("bin2")).unwrap(), Path::new("usr"));
    let inode = |name: &str| fs::symlink_metadata(layer.path(name)).unwrap().ino();
    assert_eq!(inode("usr/su"), inode("usr/other"));
    assert_eq!(inode("bin"), inode("bin2"));
    for name in ["", "usr", "usr/tmp", "usr/su", "bin", "fifo"] {
        assert_eq!(fs::symlink_metadata(layer.path(name)).unwrap().mtime(), 1_000_000_000, "time of `{name}`");
    }
}

#[test]
fn directories_keep_their_times_whatever_is_put_into_them_later() {
    let mut archive = Archive::new();
    // More directories than are held open, in an order that closes all of them, and twice.
    for round in 0..2 {
        for n in 0..100 {
            if round == 0 {
                archive = archive.dir(&format!("d{n}"));
            }
            archive = archive.file(&format!("d{n}/f{round}"), "x");
        }
    }
    let layer = archive.symlink("alias", "d7").file("alias/g", "y").file("d7/h", "z").unpack().unwrap();
    for n in 0..100 {
        let metadata = fs::metadata(layer.path(&format!("d{n}"))).unwrap();
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_000_000_000, 0), "d{n}");
    }
    assert_eq!(layer.read("d7/g") + &layer.read("d7/h"), "yz");
}

#[test]
fn extended_headers_give_long_names_sizes_times_and_attributes() {
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(250));
    let target = "t".repeat(1000);
    let gnu = format!("{}/{}", "g".repeat(120), "h".repeat(120));
    let layer = Archive::new()
        .pax(&[("path", long.as_bytes()), ("mtime", b"1234567890.987654321"), ("SCHILY.xattr.user.key", b"a\0b\n")])
        .file("short", "contents")
        .pax(&[("linkpath", target.as_bytes())])
        .symlink("link", "cut")
        .entry(b'L', "././@LongLink", "", 0, &[gnu.as_bytes(), b"\0"].concat())
        .file("cut", "gnu")
        .pax(&[("SCHILY.xattr.user.overlay.origin", b""), ("SCHILY.xattr.user.empty", b"")])
        .dir("attributes")
        .entry(b'g', "pax_global_header", "", 0, b"19 comment=whatever\n")
        .file("last", "")
        .unpack()
        .unwrap();
    let metadata = fs::metadata(layer.path(&long)).unwrap();
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_234_567_890, 987_654_321));
    assert_eq!(layer.xattr(&long, "user.key").unwrap(), b"a\0b\n");
    assert_eq!(fs::read_link(layer.path("link")).unwrap(), Path::new(&target));
    assert_eq!(layer.read(&gnu), "gnu");
    assert_eq!(layer.xattr("attributes", "user.empty").unwrap(), b"");
    assert!(layer.path("last").exists());
}

#[test]
fn an_image_cannot_instruct_the_union() {
    let records: Vec<(&str, &[u8])> = vec![
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.user.overlay.whiteout", b""),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
    ];
    let layer = Archive::new()
        .pax(&records)
        .dir("d")
        .pax(&records)
        .file("d/f", "")
        .entry(b'3', "forged", "", 0o600, b"")
        .hard_link("forged2", "forged")
        .unpack()
        .unwrap();
    for name in ["d", "d/f"] {
        let mut list = [0; 4096];
        let length = rustix::fs::llistxattr(layer.path(name), &mut list[..]).unwrap();
        assert!(!list[..length].windows(7).any(|part| part == b"overlay"), "{name}");
    }
    for name in ["forged", "forged2"] {
        assert!(!layer.path(name).exists(), "a device 0:0 would be a whiteout");
    }
}

#[test]
fn whiteouts_of_every_order() {
    let layer = Archive::new()
        .file("a/.wh.gone", "")
        .file("a/.wh.here", "")
        .file("a/here", "stays")
        .file("a/there", "stays")
        .file("a/.wh.there", "")
        .file(".wh.whole", "")
        .dir("whole")
        .file("whole/x", "")
        .dir("other")
        .file("other/x", "")
        .file(".wh.other", "")
        .file("b/.wh.first", "")
        .file("b/.wh..wh..opq", "")
        .file("b/.wh.later", "")
        .file(".wh.implied", "")
        .file("implied/x", "")
        .file(".wh..wh.plnk/1.2", "")
        .unpack()
        .unwrap();
    assert!(layer.is_whiteout("a/gone"));
    assert_eq!(layer.read("a/here") + &layer.read("a/there"), "staysstays");
    assert!(!layer.is_opaque("a") && !layer.unpacked.hides_lower);
    for name in ["whole", "other", "b", "implied"] {
        assert!(layer.is_opaque(name), "{name}");
    }
    assert!(layer.path("other/x").exists() && layer.path("whole/x").exists());
    assert_eq!(fs::read_dir(layer.path("b")).unwrap().count(), 0, "an opaque directory needs no whiteouts");
    assert!(layer.unpacked.rebuildable, "whiteouts are in the recipe");
    assert!(Archive::new().file("x", "").file(".wh..wh..opq", "").unpack().unwrap().unpacked.hides_lower);
}

#[test]
fn whiteouts_below_what_is_no_directory_mean_nothing() {
    // umoci writes this for a directory that became a file, docker for one that is gone.
    let layer = Archive::new()
        .file("file", "now")
        .file("file/.wh.was", "")
        .file("file/deep/.wh.was", "")
        .file("file/.wh..wh..opq", "")
        .file(".wh.gone", "")
        .file("gone/.wh.was", "")
        .file("gone/deep/.wh.was", "")
        .symlink("link", "nowhere")
        .file("link/.wh.was", "")
        .file("new/deep/.wh.hidden", "")
        .unpack()
        .unwrap();
    assert_eq!(layer.read("file"), "now");
    assert!(layer.is_whiteout("gone") && layer.is_whiteout("new/deep/hidden"));
    assert_eq!(fs::read_dir(layer.tree()).unwrap().count(), 4);
}

#[test]
fn a_later_entry_replaces_an_earlier_one() {
    let layer = Archive::new()
        .file("file-file", "old and longer")
        .file("file-file", "new")
        .dir("dir-file")
        .file("dir-file/deep/er", "")
        .file("dir-file", "file")
        .file("file-dir", "")
        .dir("file-dir")
        .dir("elsewhere")
        .symlink("link-dir", "elsewhere")
        .dir("link-dir")
        .file("link-dir/x", "here")
        .file("original", "kept")
        .hard_link("linked", "original")
        .file("linked", "other")
        .file("target", "untouched")
        .symlink("link-file", "target")
        .file("link-file", "replaced")
        .file("self", "self")
        .hard_link("self", "self")
        .entry(b'3', "file-file2", "", 0, b"")
        .dir("again")
        .file("again/x", "")
        .entry(b'5', "again", "", 0o700, b"")
        .unpack()
        .unwrap();
    assert_eq!(layer.read("file-file"), "new");
    assert_eq!(layer.read("dir-file"), "file");
    assert!(layer.is_opaque("file-dir"));
    assert_eq!(layer.read("link-dir/x"), "here");
    assert_eq!(fs::read_dir(layer.path("elsewhere")).unwrap().count(), 0);
    assert_eq!(layer.read("original") + &layer.read("linked"), "keptother");
    assert_eq!(layer.read("target") + &layer.read("link-file"), "untouchedreplaced");
    assert_eq!(layer.read("self"), "self");
    assert!(layer.path("again/x").exists());
    assert_eq!(fs::metadata(layer.path("again")).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!layer.unpacked.rebuildable, "the first `file-file` is lost");
}

#[test]
fn replacing_a_very_deep_directory_needs_few_descriptors() {
    let deep = "d/".repeat(1500) + "f";
    let layer = Archive::new().pax(&[("path", deep.as_bytes())]).file("x", "").file("d", "flat").unpack().unwrap();
    assert_eq!(layer.read("d"), "flat");
}

#[test]
fn names_and_links_that_lead_out_are_contained_or_refused() {
    for name in ["../outside", "a/../../outside", "/../outside", ".."] {
        assert!(refusal(Archive::new().file(name, "x")).contains("leads out of the layer"), "{name}");
        assert!(refusal(Archive::new().dir(name)).contains("leads out of the layer"), "{name}");
    }
    assert!(refusal(Archive::new().hard_link("x", "../outside")).contains("leads out of the layer"));
    assert!(refusal(Archive::new().hard_link("x", "/etc/passwd")).contains("not in the layer"));
    assert!(refusal(Archive::new().symlink("up", "..").hard_link("x", "up/outside")).contains("not in the layer"));
    assert!(refusal(Archive::new().dir("d").hard_link("x", "d")).contains("leads to a directory"));
    assert!(refusal(Archive::new().file(".wh...", "")).contains("whiteout of nothing"));
    assert!(refusal(Archive::new().file("/", "x")).contains("something else than a directory"));
    // Links are followed within the layer: its root is `/`.
    let layer = Archive::new()
        .symlink("up", "../..")
        .file("up/one", "1")
        .dir("etc")
        .symlink("absolute", "/etc")
        .file("absolute/two", "2")
        .file("/three", "3")
        .hard_link("four", "/up/one")
        .file("up/.wh.five", "")
        .unpack()
        .unwrap();
    assert_eq!(["one", "etc/two", "three", "four"].map(|name| layer.read(name)).concat(), "1231");
    assert!(layer.is_whiteout("five"));
    for link in ["/nowhere", "/proc/self/cwd", "loop"] {
        let message = refusal(Archive::new().symlink("loop", link).file("loop/x", ""));
        assert!(message.contains("not a directory") || message.contains("lead nowhere"), "{message}");
    }
    assert!(refusal(Archive::new().file("f", "").file("f/x", "")).contains("`f`, which is not a directory"));
}

#[test]
fn sparse_files_stay_sparse() {
    const MIB: u64 = 1 << 20;
    // What `tar --sparse` writes in its three PAX formats and its own.
    let data = [[b'a'; 512], [b'b'; 512]].concat();
    let map = b"3\n0\n512\n1048576\n512\n2097152\n0\n";
    let mut with_map = map.to_vec();
    with_map.resize(512, 0);
    with_map.extend_from_slice(&data);
    let mut old = tar::Header::new_gnu();
    old.set_path("old").unwrap();
    old.set_entry_type(tar::EntryType::GNUSparse);
    old.set_mode(0o644);
    old.set_uid(rustix::process::geteuid().as_raw().into());
    old.set_gid(rustix::process::getegid().as_raw().into());
    old.set_mtime(0);
    old.set_size(1024);
    let gnu = old.as_gnu_mut().unwrap();
    gnu.sparse[0].set_offset(0);
    gnu.sparse[0].set_length(512);
    gnu.set_is_extended(true);
    gnu.set_real_size(2 * MIB);
    let mut extension = tar::GnuExtSparseHeader::new();
    extension.sparse[0].set_offset(MIB);
    extension.sparse[0].set_length(512);
    extension.sparse[1].set_offset(2 * MIB);
    extension.sparse[1].set_length(0);
    let layer = Archive::new()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"new"),
            ("GNU.sparse.realsize", b"2097152"),
        ])
        .entry(b'0', "GNUSparseFile.1/new", "", 0o644, &with_map)
        .pax(&[
            ("GNU.sparse.size", b"2097152"),
            ("GNU.sparse.map", b"0,512,1048576,512"),
            ("GNU.sparse.name", b"middle"),
        ])
        .entry(b'0', "GNUSparseFile.1/middle", "", 0o644, &data)
        .header(&old)
        .contents(extension.as_bytes())
        .contents(&data)
        .file("after", "after")
        .unpack()
        .unwrap();
    assert_eq!(layer.unpacked.size, 6 * MIB + 5);
    for name in ["new", "middle", "old"] {
        let contents = fs::read(layer.path(name)).unwrap();
        assert_eq!(contents.len() as u64, 2 * MIB, "{name}");
        assert!(contents[..512] == data[..512] && contents[MIB as usize..][..512] == data[512..], "{name}");
        assert!(contents[512..MIB as usize].iter().all(|&byte| byte == 0), "{name}");
        assert!(fs::metadata(layer.path(name)).unwrap().blocks() * 512 < MIB, "{name} is not sparse");
    }
    assert_eq!(layer.read("after"), "after");
    assert!(layer.unpacked.rebuildable);
}

#[test]
fn long_runs_of_zeros_become_holes() {
    let mut contents = vec![0; 3 << 20];
    for at in [0, 1, 600_000, 600_001, 2_000_000, contents.len() - 1] {
        contents[at] = b'x';
    }
    let dense: Vec<u8> = (0..500_000u32).map(|n| (n % 251) as u8).collect();
    let layer = Archive::new()
        .file("pad", "moves everything away from round numbers")
        .entry(b'0', "holes", "", 0o644, &contents)
        .entry(b'0', "zeros", "", 0o644, &vec![0; 1 << 20])
        .entry(b'0', "dense", "", 0o644, &dense)
        .unpack()
        .unwrap();
    assert!(fs::read(layer.path("holes")).unwrap() == contents && fs::read(layer.path("dense")).unwrap() == dense);
    assert!(fs::read(layer.path("zeros")).unwrap() == vec![0; 1 << 20]);
    for (name, most) in [("holes", 1 << 19), ("zeros", 1 << 14)] {
        assert!(fs::metadata(layer.path(name)).unwrap().blocks() * 512 <= most, "{name}");
    }
    assert_eq!(layer.unpacked.size, 40 + (3 << 20) + (1 << 20) + 500_000);
}

#[test]
fn limits_stop_bombs() {
    let small = Limits { unpacked_bytes: 10 << 20, entries: 100 };
    let many = (0..200).fold(Archive::new(), |archive, n| archive.dir(&format!("d{n}")));
    let error = many.unpack_with(&small).err().unwrap();
    assert_eq!(error.message(), "the layer has more than the limit of 100 entries");
    let error = Archive::new().file("big", &"x".repeat(11 << 20)).unpack_with(&small).err().unwrap();
    assert_eq!(error.message(), "the layer unpacks to more than the limit of 10485760 bytes");
    let half = "x".repeat(6 << 20);
    let error = Archive::new().file("one", &half).file("two", &half).unpack_with(&small).err().unwrap();
    assert_eq!(error.message(), "the layer unpacks to more than the limit of 10485760 bytes");
    // 64 MiB of zeros in 64 KiB: as a file that its header admits to, and behind the end of the archive, where nobody says
    // how much there is.
    let zeros = vec![0; 64 << 20];
    let file = Archive::new().entry(b'0', "bomb", "", 0o644, &zeros).0;
    for archive in [file, zeros] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&archive).unwrap();
        let blob = encoder.finish().unwrap();
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let tree = fs::File::open(scratch.path()).unwrap();
        let recipe = fs::File::create_new(scratch.path().join("recipe")).unwrap();
        let error = unpack_layer(&blob[..], Compression::Gzip, tree.as_fd(), recipe, &small).unwrap_err();
        assert_eq!(error.message(), "the layer unpacks to more than the limit of 10485760 bytes");
        assert!(!scratch.path().join("bomb").exists(), "a bomb need not go off");
    }
}

#[test]
fn damaged_archives_are_refused() {
    let whole = Archive::new().file("a", &"x".repeat(2000)).file("b", "y").0;
    for cut in [100, 512 + 100, 512 + 2000 + 20, whole.len() - 1] {
        let error = Layer::unpack(whole[..cut].to_vec(), &Limits::default()).err().unwrap();
        assert_eq!(error.message(), "the tar archive ends in the middle of an entry", "{cut}");
    }
    // Between two entries is an end, too (as for Go and GNU tar); the digest notices what is missing.
    assert_eq!(Layer::unpack(whole.clone(), &Limits::default()).unwrap().unpacked.entries, 2);
    assert_eq!(Layer::unpack(Vec::new(), &Limits::default()).unwrap().unpacked.entries, 0);
    let padded = [&whole[..], &[0; 10240]].concat();
    assert_eq!(Layer::unpack(padded, &Limits::default()).unwrap().unpacked.entries, 2);
    // A lone block of zeros is no end when something follows: the rest would be lost.
    let alone = [&whole[..], &[0; 512], &whole[..]].concat();
    let error = Layer::unpack(alone, &Limits::default()).err().unwrap();
    assert_eq!(error.message(), "the tar archive is damaged: a header is all zeros");
    assert!(refusal(Archive::new().entry(b'V', "label", "", 0, b"")).contains("unknown type `V`"));
    let huge = Archive::new().entry(b'x', "pax", "", 0, &vec![b'x'; (1 << 20) + 1]);
    assert!(refusal(huge).contains("more than 1048576 bytes"));
    let negative = Archive::new().pax(&[("uid", b"4294967295")]).file("x", "");
    assert!(refusal(negative).contains("user id 4294967295"));
    assert!(refusal(Archive::new().symlink("x", "")).contains("no valid target"));
}

#[test]
fn what_follows_the_end_is_passed_over_and_kept_for_the_digest() {
    let whole = Archive::new().file("a", "x").0;
    let other = Archive::new().file("b", "y").0;
    for rest in [&b"garbage"[..], &other, &[&[0; 512][..], &other].concat(), &vec![7; 100_000]] {
        let stream = [&whole[..], &[0; 1024], rest].concat();
        let layer = Layer::unpack(stream.clone(), &Limits::default()).unwrap();
        assert_eq!((layer.unpacked.entries, layer.path("b").exists()), (1, false));
        assert_eq!(layer.unpacked.diff_id, Digest::sha256(&stream));
        assert!(layer.unpacked.rebuildable && layer.rebuilt() == stream);
    }
    let half_an_end = [&whole[..], &[0; 512]].concat();
    assert!(Layer::unpack(half_an_end, &Limits::default()).is_ok());
}

proptest::proptest! {
    #[test]
    fn no_archive_breaks_the_parser(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..4096), cut in 0usize..8) {
        // Random blocks with valid checksums get past the first check.
        let mut stream = bytes;
        for block in stream.chunks_exact_mut(512).skip(cut) {
            let mut header = tar::Header::from_byte_slice(block).clone();
            header.as_mut_bytes()[156] = b"01256SLKxg"[usize::from(block[0]) % 10];
            header.set_size(u64::from(block[1]) * 8);
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
        let limits = Limits { unpacked_bytes: 1 << 20, entries: 100 };
        let mut entries = entries::Entries::new(&stream[..], std::io::sink(), &limits);
        while let Ok(Some(entry)) = entries.next() {
            let _ = names::Subject::of(&entry.name);
            let _ = entries.contents(|_| Ok(()));
        }
    }
}

/// Runs an ignored test of this module as root of a new user namespace, with subordinate ids where there are some.
fn in_user_namespace(test: &str) -> bool {
    let program = std::env::current_exe().unwrap();
    for map in [&["--map-root-user", "--map-auto"][..], &["--map-root-user"]] {
        let probe = Command::new("unshare").args(map).args(["-U", "-m", "true"]).output();
        if probe.is_ok_and(|output| output.status.success()) {
            let output = Command::new("unshare")
                .args(map)
                .args(["-U", "-m", "--"])
                .arg(&program)
                .args(["--ignored", "--exact", "--nocapture", &format!("archive::tests::{test}")])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
            return true;
        }
    }
    eprintln!("skipped: no user namespace can be made here");
    false
}

/// Guards the tests below against `--ignored` outside of a namespace of their own.
fn is_inside() -> bool {
    !fs::read_to_string("/proc/self/uid_map").unwrap().contains("4294967295")
}

#[test]
fn the_kernel_hides_what_whiteouts_say() {
    in_user_namespace("inside_overlay_hides_whiteouts");
}

#[test]
#[ignore = "runs inside a user namespace, from the test above"]
fn inside_overlay_hides_whiteouts() {
    if !is_inside() {
        return;
    }
    let lower = Archive::new()
        .file("gone", "")
        .file("kept", "lower")
        .file("dir/gone", "")
        .file("dir/kept", "lower")
        .file("opaque/gone", "")
        .file("replaced/gone", "")
        .file("was-file", "")
        .file("lonely/.wh.nothing", "")
        .unpack()
        .unwrap();
    let upper = Archive::new()
        .file(".wh.gone", "")
        .file("dir/.wh.gone", "")
        .file("opaque/new", "upper")
        .file("opaque/.wh..wh..opq", "")
        .file(".wh.replaced", "")
        .file("replaced/new", "upper")
        .dir("was-file")
        .file("was-file/new", "upper")
        .file("only-here/.wh.nothing", "")
        .unpack()
        .unwrap();
    let (merged, layers) = (lower.scratch.path().join("merged"), [upper.tree(), lower.tree()]);
    fs::create_dir(&merged).unwrap();
    let options = format!("userxattr,lowerdir={}:{}", layers[0].display(), layers[1].display());
    nix::mount::mount(Some("overlay"), &merged, Some("overlay"), nix::mount::MsFlags::empty(), Some(options.as_str()))
        .unwrap();
    let mut found: Vec<String> = Vec::new();
    let mut pending = vec![merged.clone()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(&merged).unwrap().to_str().unwrap().to_owned());
            if path.is_dir() {
                pending.push(path);
            }
        }
    }
    nix::mount::umount(&merged).unwrap();
    found.sort();
    assert_eq!(
        found,
        [
            "dir",
            "dir/kept",
            "kept",
            "lonely",
            "only-here",
            "opaque",
            "opaque/new",
            "replaced",
            "replaced/new",
            "was-file",
            "was-file/new"
        ]
    );
}

#[test]
fn capabilities_and_ids_belong_to_the_namespace() {
    in_user_namespace("inside_capabilities_and_ids");
}

#[test]
#[ignore = "runs inside a user namespace, from the test above"]
fn inside_capabilities_and_ids() {
    if !is_inside() {
        return;
    }
    let third = [&[1, 0, 0, 3, 0, 0x20, 0, 0][..], &[0; 12], &[0xe8, 3, 0, 0]].concat();
    let second = [&[1, 0, 0, 2, 0, 0x20, 0, 0][..], &[0; 12]].concat();
    let record = "SCHILY.xattr.security.capability";
    let layer =
        Archive::new().pax(&[(record, &third)]).file("ping", "").pax(&[(record, &second)]).file("ping2", "").unpack();
    let layer = layer.unwrap();
    for name in ["ping", "ping2"] {
        assert_eq!(layer.xattr(name, "security.capability").unwrap(), second, "{name}");
    }
    let mapped: u32 = fs::read_to_string("/proc/self/uid_map")
        .unwrap()
        .lines()
        .map(|line| line.split_ascii_whitespace().nth(2).unwrap().parse::<u32>().unwrap())
        .sum();
    if mapped == 1 {
        // Owners that cannot be given are recorded.
        let layer = Archive::new().pax(&[("uid", b"4000000000")]).file("x", "").unpack().unwrap();
        let recorded = layer.xattr("x", owners::OVERRIDE).unwrap();
        assert!(recorded.starts_with(b"4000000000:0:") && recorded.ends_with(b":file"), "{recorded:?}");
        return;
    }
    let error = Archive::new().pax(&[("uid", b"4000000000")]).file("x", "").unpack().err().unwrap();
    assert_eq!(error.chain(), "cannot set the owner of `x`: the user id 4000000000 is not mapped");
    assert!(error.hints()[0].contains("4000000000 subordinate user ids"));
    if mapped > 1000 {
        let layer = Archive::new().pax(&[("uid", b"1"), ("gid", b"999")]).file("x", "").unpack().unwrap();
        let metadata = fs::metadata(layer.path("x")).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (1, 999));
    }
}
