//! The union file systems against a plain directory: random scripts of operations are run on a plain directory, on the
//! kernel's overlayfs and on coracle's own union, and every result and the trees they leave are compared. Then the upper
//! that one driver left is mounted by the other one: it must show the same.
//!
//! A test program of its own (no harness): mounting needs a process with one thread, root of a namespace.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use coracle::testing::spec::IdMap;
use coracle::testing::sys::Cloned;
use coracle::testing::union::{self, Owners, Union};
use nix::mount::{MntFlags, umount2};
use rustix::fs::{CWD, RenameFlags, XattrFlags};
use rustix::mount::MoveMountFlags;

#[path = "unionfs/listing.rs"]
mod listing;
#[path = "unionfs/marks.rs"]
mod marks;
#[path = "unionfs/power.rs"]
mod power;
#[path = "unionfs/races.rs"]
mod races;

/// Scripts to run, and operations in each.
const SCRIPTS: u64 = 120;
const OPERATIONS: usize = 60;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "--list") {
        return;
    }
    match args.iter().position(|arg| arg == "inside") {
        Some(at) => inside(Path::new(&args[at + 1])),
        None => outside(),
    }
}

/// Starts this program again in namespaces in which it may mount.
fn outside() {
    // On a disk: many distributions have a tmpfs at /tmp, where nothing survives a power cut.
    let disk = std::env::var_os("TMPDIR").map_or_else(|| "/var/tmp".into(), std::path::PathBuf::from);
    let area = disk.join(format!("coracle-unionfs-{}", std::process::id()));
    fs::create_dir(&area).unwrap();
    let namespaces: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["-m"],
        false => &["-U", "--map-auto", "--map-root-user", "-m"],
    };
    let status = Command::new("unshare")
        .args(namespaces)
        .arg(std::env::current_exe().unwrap())
        .arg("inside")
        .arg(&area)
        .status();
    // What a user namespace has made belongs to ids that only one can remove.
    let _ = Command::new("unshare").args(namespaces).args(["rm", "-rf"]).arg(&area).status();
    assert!(status.unwrap().success(), "see above");
}

fn inside(area: &Path) {
    rustix::process::umask(rustix::fs::Mode::empty());
    hard_links_and_open_files(&area.join("links"));
    hard_links_last(&area.join("siblings"));
    other_owners(&area.join("owners"));
    recorded_owners(&area.join("recorded"));
    marks::marks_from_within_are_attributes(&area.join("marks"));
    what_a_directory_gives(&area.join("inherited"));
    a_deadserver_is_an_error_and_not_a_hang(&area.join("dead"));
    listing::looking_at_each_entry(&area.join("listing"));
    power::copies_are_whole_after_a_power_cut(&area.join("cut-off"));
    races::what_is_replaced_while_it_is_read(&area.join("replaced"));
    races::threads_and_a_plain_directory(&area.join("threads"));
    races::reads_while_a_file_is_cut_off_and_grows(&area.join("cut"));
    for seed in 1..=SCRIPTS {
        let here = area.join(seed.to_string());
        script(&here, seed);
        fs::remove_dir_all(&here).unwrap();
    }
}

// ---------------------------------------------------------------------------------------------------- scripts

/// xorshift64*: the same scripts everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    /// A path that may exist: mostly one of `known` or something new in one of them.
    fn path(&mut self, known: &[PathBuf]) -> PathBuf {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let mut path = match self.below(8) {
            0..=4 if !known.is_empty() => return known[self.below(known.len())].clone(),
            5 | 6 if !known.is_empty() => known[self.below(known.len())].clone(),
            _ => PathBuf::new(),
        };
        path.push(NAMES[self.below(NAMES.len())]);
        path
    }
}

/// Every path below `root`.
fn paths(root: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                open.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths.sort();
    paths
}

#[derive(Debug, Clone)]
enum Op {
    Write(PathBuf, u64, usize),
    Truncate(PathBuf, u64),
    Mkdir(PathBuf),
    Unlink(PathBuf),
    Rmdir(PathBuf),
    Symlink(PathBuf),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf, RenameFlags),
    Chmod(PathBuf, u32),
    Chown(PathBuf, u32),
    SetXattr(PathBuf, u8),
    RemoveXattr(PathBuf),
    Read(PathBuf),
    List(PathBuf),
    RemoveAll(PathBuf),
}

fn operation(random: &mut Random, known: &[PathBuf]) -> Op {
    let path = random.path(known);
    match random.below(20) {
        0..=3 => Op::Write(path, random.below(9000) as u64, random.below(9000)),
        4 => Op::Truncate(path, random.below(20000) as u64),
        5..=7 => Op::Mkdir(path),
        8 => Op::Unlink(path),
        9 => Op::Rmdir(path),
        10 => Op::Symlink(path),
        11 => Op::Link(path, random.path(known)),
        12 | 13 => Op::Rename(path, random.path(known), RenameFlags::empty()),
        14 => {
            let flags = [RenameFlags::EXCHANGE, RenameFlags::NOREPLACE][random.below(2)];
            Op::Rename(path, random.path(known), flags)
        }
        15 => match random.below(2) {
            0 => Op::Chmod(path, [0o600, 0o755, 0o4755, 0o2711][random.below(4)]),
            _ => Op::Chown(path, random.below(3) as u32),
        },
        16 => Op::SetXattr(path, random.below(250) as u8),
        17 => Op::RemoveXattr(path),
        18 => match random.below(3) {
            0 => Op::RemoveAll(path),
            _ => Op::Read(path),
        },
        _ => Op::List(path),
    }
}

/// What an operation gave: something to compare, or an errno.
type Outcome = Result<String, i32>;

fn perform(root: &Path, op: &Op) -> Outcome {
    let done = (|| -> std::io::Result<String> {
        let none = Ok(String::new());
        let at = |path: &Path| root.join(path);
        match op {
            Op::Write(path, offset, length) => {
                let mut file = File::options()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .mode(0o644)
                    .custom_flags(libc::O_NOFOLLOW)
                    .open(at(path))?;
                file.seek(SeekFrom::Start(*offset))?;
                file.write_all(&vec![b'a' + (length % 26) as u8; *length])?;
                none
            }
            Op::Truncate(path, size) => {
                File::options().write(true).custom_flags(libc::O_NOFOLLOW).open(at(path))?.set_len(*size)?;
                none
            }
            Op::Mkdir(path) => fs::DirBuilder::new().mode(0o755).create(at(path)).and(none),
            Op::Unlink(path) => fs::remove_file(at(path)).and(none),
            Op::Rmdir(path) => fs::remove_dir(at(path)).and(none),
            Op::Symlink(path) => symlink("some/where", at(path)).and(none),
            Op::Link(path, new) => fs::hard_link(at(path), at(new)).and(none),
            Op::Rename(path, new, flags) => {
                Ok(rustix::fs::renameat_with(CWD, at(path), CWD, at(new), *flags).map(|()| String::new())?)
            }
            Op::Chmod(path, mode) => {
                // chmod follows links, and these lead nowhere.
                fs::set_permissions(at(path), fs::Permissions::from_mode(*mode)).and(none)
            }
            Op::Chown(path, id) => std::os::unix::fs::lchown(at(path), Some(*id), Some(*id)).and(none),
            Op::SetXattr(path, length) => {
                let value = vec![b'x'; usize::from(*length)];
                Ok(rustix::fs::setxattr(at(path), "user.test", &value, XattrFlags::empty()).map(|()| String::new())?)
            }
            Op::RemoveXattr(path) => Ok(rustix::fs::removexattr(at(path), "user.test").map(|()| String::new())?),
            Op::Read(path) => {
                let bytes = fs::read(at(path))?;
                Ok(format!("{} bytes, {:x}", bytes.len(), checksum(&bytes)))
            }
            Op::List(path) => {
                let mut names: Vec<_> = fs::read_dir(at(path))?
                    .map(|entry| entry.map(|entry| (entry.file_name(), entry.file_type().unwrap())))
                    .collect::<Result<_, _>>()?;
                names.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(format!("{names:?}"))
            }
            Op::RemoveAll(path) => fs::remove_dir_all(at(path)).and(none),
        }
    })();
    done.map_err(|error| error.raw_os_error().unwrap_or(-1))
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// All that can be seen of a tree, by path.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let path = directory.join(entry.unwrap().file_name());
            let full = root.join(&path);
            let metadata = fs::symlink_metadata(&full).unwrap();
            let kind = metadata.file_type();
            let content = match () {
                () if kind.is_dir() => {
                    open.push(path.clone());
                    String::new()
                }
                () if kind.is_symlink() => format!("{:?}", fs::read_link(&full).unwrap()),
                () => format!(
                    "{} links, {} bytes, {:x}",
                    metadata.nlink(),
                    metadata.len(),
                    checksum(&fs::read(&full).unwrap())
                ),
            };
            let mut value = [0u8; 256];
            let attribute = rustix::fs::lgetxattr(&full, "user.test", &mut value[..]).ok();
            let owner = (metadata.mode(), metadata.uid(), metadata.gid());
            seen.insert(path, format!("{:o} {}:{} {attribute:?} {content}", owner.0, owner.1, owner.2));
        }
    }
    seen
}

/// Two lower layers with things that hide each other; what they show together is also made as a plain tree.
fn make_layers(here: &Path, random: &mut Random) -> Vec<PathBuf> {
    let layers = [here.join("base"), here.join("middle")];
    for layer in &layers {
        fs::create_dir_all(layer).unwrap();
        for _ in 0..25 {
            let path = random.path(&paths(layer));
            let op = match random.below(5) {
                0 | 1 => Op::Mkdir(path),
                2 => Op::Symlink(path),
                3 => Op::SetXattr(path, 9),
                _ => Op::Write(path, 0, random.below(6000)),
            };
            let _ = perform(layer, &op);
        }
    }
    layers.to_vec()
}

// ---------------------------------------------------------------------------------------------------- mounts

enum Driver {
    Overlay,
    Fuse,
}

struct Mounted {
    at: PathBuf,
    server: Option<Cloned>,
}

impl Mounted {
    fn new(driver: &Driver, container: &Path, layers: &[PathBuf]) -> Self {
        for directory in ["upper", "work", "merged"] {
            fs::create_dir_all(container.join(directory)).unwrap();
        }
        let union = Union { layers: layers.to_vec(), container: container.to_owned(), volatile: false };
        let (mount, server): (OwnedFd, _) = match driver {
            Driver::Overlay => (union::mount_detached(&union).unwrap(), None),
            Driver::Fuse => return Self::with(&union::Options::default(), container, layers),
        };
        Self::attach(&mount, server, container)
    }

    /// Coracle's own union with options.
    fn with(options: &union::Options, container: &Path, layers: &[PathBuf]) -> Self {
        for directory in ["upper", "work", "merged"] {
            fs::create_dir_all(container.join(directory)).unwrap();
        }
        let union = Union { layers: layers.to_vec(), container: container.to_owned(), volatile: false };
        let program = File::open(env!("CARGO_BIN_EXE_coracle")).unwrap();
        let (mount, server) =
            union::mount_with(&union, options, &program).unwrap_or_else(|error| panic!("{}", error.chain()));
        Self::attach(&mount, Some(server), container)
    }

    fn attach(mount: &OwnedFd, server: Option<Cloned>, container: &Path) -> Self {
        let at = container.join("merged");
        rustix::mount::move_mount(mount, "", CWD, &at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).unwrap();
        Self { at, server }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        umount2(&self.at, MntFlags::MNT_DETACH).unwrap();
        if let Some(server) = &self.server {
            let waited = rustix::process::waitid(
                rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&server.pidfd)),
                rustix::process::WaitIdOptions::EXITED,
            );
            let status = waited.unwrap().unwrap();
            if !std::thread::panicking() && status.terminating_signal().is_none() {
                assert_eq!(status.exit_status(), Some(0), "the server goes with its mount");
            }
        }
    }
}

fn script(here: &Path, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let layers = make_layers(here, &mut random);
    let containers = [here.join("by-overlay"), here.join("by-fuse")];
    let mut by_overlay = Some(Mounted::new(&Driver::Overlay, &containers[0], &layers));
    let by_fuse = Mounted::new(&Driver::Fuse, &containers[1], &layers);
    let plain = here.join("plain");
    let copied = Command::new("cp").arg("-a").arg(by_fuse.at.join(".")).arg(&plain).status().unwrap();
    assert!(copied.success());
    assert_eq!(snapshot(&by_fuse.at), snapshot(&plain), "seed {seed}: before anything");
    let mut done = Vec::new();
    for _ in 0..OPERATIONS {
        let op = operation(&mut random, &paths(&plain));
        let wanted = perform(&plain, &op);
        let got = perform(&by_fuse.at, &op);
        done.push(op.clone());
        assert_eq!(got, wanted, "seed {seed}: {op:?} on coracle's union\n{done:#?}");
        if let Some(overlay) = &by_overlay {
            match perform(&overlay.at, &op) {
                // It cannot rename what a lower layer has a part in.
                Err(libc::EXDEV) if matches!(op, Op::Rename(..)) => by_overlay = None,
                got => assert_eq!(got, wanted, "seed {seed}: {op:?} on overlayfs\n{done:#?}"),
            }
        }
    }
    let wanted = snapshot(&plain);
    same(&snapshot(&by_fuse.at), &wanted, seed, "coracle's union", &done);
    let overlay_lasted = by_overlay.is_some();
    drop((by_overlay, by_fuse));
    // Each upper with the other driver, and with its own again.
    for driver in [Driver::Overlay, Driver::Fuse] {
        same(&snapshot(&Mounted::new(&driver, &containers[1], &layers).at), &wanted, seed, "what coracle left", &done);
        if overlay_lasted {
            same(
                &snapshot(&Mounted::new(&driver, &containers[0], &layers).at),
                &wanted,
                seed,
                "what overlayfs left",
                &done,
            );
        }
    }
}

fn same(got: &BTreeMap<PathBuf, String>, wanted: &BTreeMap<PathBuf, String>, seed: u64, what: &str, done: &[Op]) {
    if got != wanted {
        let paths: std::collections::BTreeSet<_> = got.keys().chain(wanted.keys()).collect();
        let differences: Vec<_> = paths
            .into_iter()
            .filter(|path| got.get(*path) != wanted.get(*path))
            .map(|path| format!("{path:?}: got {:?}, wanted {:?}", got.get(path), wanted.get(path)))
            .collect();
        panic!("seed {seed}: {what}: {differences:#?}\n{done:#?}");
    }
}

// ---------------------------------------------------------------------------------------------------- single cases

/// What overlayfs cannot do, and what a server that is not told of open files must still do.
fn hard_links_and_open_files(here: &Path) {
    let lower = here.join("lower");
    fs::create_dir_all(lower.join("dir/sub")).unwrap();
    fs::write(lower.join("one"), "lower").unwrap();
    fs::hard_link(lower.join("one"), lower.join("two")).unwrap();
    fs::write(lower.join("dir/sub/file"), "deep").unwrap();
    fs::write(lower.join("gone"), "lower").unwrap();
    let union = Mounted::new(&Driver::Fuse, &here.join("container"), &[lower]);
    let at = |name: &str| union.at.join(name);

    let before = fs::metadata(at("two")).unwrap().ino();
    let reader = File::open(at("two")).unwrap();
    fs::write(at("one"), "UPPER").unwrap();
    let mut bytes = [0; 5];
    reader.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"UPPER", "a reader from before the copy-up");
    assert_eq!(fs::read(at("two")).unwrap(), b"UPPER", "the other name");
    let metadata = fs::metadata(at("two")).unwrap();
    assert_eq!((metadata.ino(), metadata.nlink()), (before, 2));

    let open = File::options().read(true).write(true).open(at("gone")).unwrap();
    fs::remove_file(at("gone")).unwrap();
    open.write_all_at(b"after", 0).unwrap();
    open.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    let metadata = open.metadata().unwrap();
    assert_eq!((metadata.nlink(), metadata.len(), metadata.mode() & 0o777), (0, 5, 0o600));

    fs::rename(at("dir"), at("moved")).unwrap();
    assert_eq!(fs::read(at("moved/sub/file")).unwrap(), b"deep");
    assert!(!at("dir").exists());
    fs::create_dir(at("dir")).unwrap();
    assert_eq!(fs::read_dir(at("dir")).unwrap().count(), 0, "the old contents stay hidden");

    // A name that a whiteout would have, and an attribute that overlayfs would obey.
    fs::write(at(".wh.moved"), "").unwrap();
    rustix::fs::setxattr(at("moved"), "user.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
    assert!(at(".wh.moved").exists() && at("moved/sub").exists());
    let long = "n".repeat(256);
    assert_eq!(fs::metadata(at(&long)).unwrap_err().raw_os_error(), Some(libc::ENAMETOOLONG));

    // Deleting while listing.
    fs::create_dir(at("many")).unwrap();
    for i in 0..3000 {
        fs::write(at("many").join(i.to_string()), "").unwrap();
    }
    for entry in fs::read_dir(at("many")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    fs::remove_dir(at("many")).unwrap();

    let sparse = File::create(at("sparse")).unwrap();
    sparse.set_len(8 << 20).unwrap();
    sparse.write_all_at(b"x", 4 << 20).unwrap();
    sparse.sync_all().unwrap();
    assert_eq!(rustix::fs::seek(&sparse, rustix::fs::SeekFrom::Data(0)), Ok(4 << 20));
    assert!(sparse.metadata().unwrap().blocks() < 1024);
}

/// A file with several names in a lower layer is one file, also for those names that were not looked up before the next
/// mount.
fn hard_links_last(here: &Path) {
    let lower = here.join("lower");
    fs::create_dir_all(lower.join("dir")).unwrap();
    for (name, others) in [("a", &["dir/b", "c"][..]), ("x", &["y"]), ("p", &["q"])] {
        fs::write(lower.join(name), "lower").unwrap();
        others.iter().for_each(|other| fs::hard_link(lower.join(name), lower.join(other)).unwrap());
    }
    let container = here.join("container");
    let mount = || Mounted::new(&Driver::Fuse, &container, std::slice::from_ref(&lower));
    let union = mount();
    let at = |name: &str| container.join("merged").join(name);
    let number = fs::metadata(at("a")).unwrap().ino();
    fs::write(at("a"), "upper").unwrap();
    assert_eq!(fs::metadata(at("a")).unwrap().nlink(), 3);
    let open = File::options().write(true).open(at("x")).unwrap();
    open.write_all_at(b"UPPER", 0).unwrap();
    fs::remove_file(at("x")).unwrap();
    assert_eq!(open.metadata().unwrap().nlink(), 1);
    open.write_all_at(b"later", 0).unwrap();
    // All names are known: an ordinary pair of links.
    fs::metadata(at("q")).unwrap();
    fs::write(at("p"), "both").unwrap();
    assert_eq!(fs::read(at("q")).unwrap(), b"both");
    drop(open);
    drop(union);

    let union = mount();
    for name in ["dir/b", "a"] {
        assert_eq!(fs::read(at(name)).unwrap(), b"upper", "{name}");
        let metadata = fs::metadata(at(name)).unwrap();
        assert_eq!((metadata.ino(), metadata.nlink()), (number, 3), "{name}");
    }
    assert_eq!(fs::read(at("y")).unwrap(), b"later");
    assert_eq!(fs::metadata(at("y")).unwrap().nlink(), 1);
    assert_eq!(fs::read(at("q")).unwrap(), b"both");
    assert_eq!(fs::metadata(at("q")).unwrap().nlink(), 2);
    fs::remove_file(at("a")).unwrap();
    fs::write(at("dir/b"), "again").unwrap();
    drop(union);

    let _union = mount();
    fs::rename(at("dir"), at("moved")).unwrap();
    assert_eq!(fs::read(at("c")).unwrap(), b"again");
    let (b, c) = (fs::metadata(at("moved/b")).unwrap(), fs::metadata(at("c")).unwrap());
    assert_eq!((b.ino(), b.nlink()), (c.ino(), c.nlink()));
    assert_eq!(b.nlink(), 2);
    assert_eq!(fs::read_dir(container.join("work/links")).unwrap().count(), 0, "nothing is left to be linked");
}

/// Layers for a container whose root is user 1 and whose user 5 is user 0.
fn other_owners(here: &Path) {
    let lower = here.join("lower");
    fs::create_dir_all(lower.join("dir")).unwrap();
    fs::write(lower.join("dir/file"), "x").unwrap();
    std::os::unix::fs::lchown(lower.join("dir/file"), Some(5), Some(4)).unwrap();
    symlink("file", lower.join("dir/link")).unwrap();
    let ids = IdMap::of(&[(0, 1, 5), (5, 0, 1), (6, 6, 100)]);
    let owners = Owners { uids: ids.clone(), gids: ids };
    let owner = |path: &Path| fs::symlink_metadata(path).map(|metadata| (metadata.uid(), metadata.gid())).unwrap();
    let options = union::Options { owners, size: None };
    let container = here.join("fuse");
    let mount = || Mounted::with(&options, &container, std::slice::from_ref(&lower));
    let union = mount();
    let at = |name: &str| container.join("merged").join(name);
    assert_eq!((owner(&at("dir")), owner(&at("dir/file"))), ((1, 1), (0, 5)));
    // This process is user 0, the container's user 5.
    fs::write(at("mine"), "").unwrap();
    assert_eq!((owner(&at("mine")), owner(&container.join("upper/mine"))), ((0, 0), (5, 5)));
    std::os::unix::fs::lchown(at("dir/file"), Some(1), Some(6)).unwrap();
    assert_eq!((owner(&at("dir/file")), owner(&container.join("upper/dir/file"))), ((1, 6), (0, 6)));
    let failed = std::os::unix::fs::lchown(at("mine"), Some(5000), None).unwrap_err();
    assert_eq!(failed.raw_os_error(), Some(libc::EINVAL), "the container has no such user");
    let entry = |tag: u16, id: u32| [&tag.to_le_bytes()[..], &7u16.to_le_bytes(), &id.to_le_bytes()].concat();
    let list = |user| {
        let nobody = u32::MAX;
        let entries =
            [entry(1, nobody), entry(2, user), entry(4, nobody), entry(16, nobody), entry(32, nobody)].concat();
        [&2u32.to_le_bytes()[..], &entries].concat()
    };
    let name = "system.posix_acl_access";
    rustix::fs::setxattr(at("mine"), name, &list(1), XattrFlags::empty()).unwrap();
    let mut value = [0u8; 100];
    let length = rustix::fs::getxattr(container.join("upper/mine"), name, &mut value[..]).unwrap();
    assert_eq!(value[..length], list(0), "on disk in the image's ids");
    drop(union);
    let _union = mount();
    assert_eq!((owner(&at("mine")), owner(&at("dir/file"))), ((0, 0), (1, 6)));
    let length = rustix::fs::getxattr(at("mine"), name, &mut value[..]).unwrap();
    assert_eq!(value[..length], list(1));
}

/// Layers unpacked by who could not set owners.
fn recorded_owners(here: &Path) {
    let lower = here.join("lower");
    fs::create_dir_all(lower.join("dir")).unwrap();
    fs::write(lower.join("dir/file"), "x").unwrap();
    fs::write(lower.join("plain"), "x").unwrap();
    let name = "user.containers.override_stat";
    for (path, value) in [("", "0:0:0755:dir"), ("dir", "3:4:0710"), ("dir/file", "5:6:4755:char-1-3")] {
        rustix::fs::setxattr(lower.join(path), name, value.as_bytes(), XattrFlags::empty()).unwrap();
    }
    let union = Mounted::new(&Driver::Fuse, &here.join("container"), std::slice::from_ref(&lower));
    let seen = |path: &str| {
        let metadata = fs::symlink_metadata(union.at.join(path)).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode())
    };
    assert_eq!((seen("dir"), seen("dir/file")), ((3, 4, 0o40710), (5, 6, 0o104755)));
    assert_eq!(seen("plain"), (0, 0, 0o100666));
    rustix::fs::setxattr(union.at.join("dir/file"), "user.test", b"x", XattrFlags::empty()).unwrap();
    assert_eq!(seen("dir/file"), (5, 6, 0o104755));
    let copy = here.join("container/upper/dir/file");
    let metadata = fs::metadata(&copy).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode()), (5, 6, 0o104755), "the copy has them for real");
    let mut value = [0u8; 64];
    assert_eq!(rustix::fs::getxattr(&copy, name, &mut value[..]), Err(rustix::io::Errno::NODATA));
}

/// Group and access control list of a directory, also for what takes the place of something that a lower layer has.
fn what_a_directory_gives(here: &Path) {
    let lower = here.join("lower");
    fs::create_dir_all(lower.join("dir/gone")).unwrap();
    fs::write(lower.join("dir/file"), "x").unwrap();
    std::os::unix::fs::chown(lower.join("dir"), None, Some(7)).unwrap();
    fs::set_permissions(lower.join("dir"), fs::Permissions::from_mode(0o2770)).unwrap();
    let entry =
        |tag: u16, rights: u16, id: u32| [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat();
    let nobody = u32::MAX;
    let entries =
        [entry(1, 7, nobody), entry(2, 6, 5), entry(4, 5, nobody), entry(16, 7, nobody), entry(32, 0, nobody)];
    let list = [&2u32.to_le_bytes()[..], &entries.concat()].concat();
    rustix::fs::setxattr(lower.join("dir"), "system.posix_acl_default", &list, XattrFlags::empty()).unwrap();
    let union = Mounted::new(&Driver::Fuse, &here.join("container"), std::slice::from_ref(&lower));
    let at = |name: &str| union.at.join("dir").join(name);
    fs::remove_file(at("file")).unwrap();
    fs::remove_dir(at("gone")).unwrap();
    for name in ["new", "file"] {
        fs::write(at(name), "").unwrap();
        let metadata = fs::metadata(at(name)).unwrap();
        assert_eq!((metadata.gid(), metadata.mode() & 0o7777), (7, 0o660), "{name}");
    }
    for name in ["newdir", "gone"] {
        fs::create_dir(at(name)).unwrap();
        let metadata = fs::metadata(at(name)).unwrap();
        assert_eq!((metadata.gid(), metadata.mode() & 0o7777), (7, 0o2770), "{name}");
        let mut value = [0u8; 100];
        let length = rustix::fs::getxattr(at(name), "system.posix_acl_default", &mut value[..]).unwrap();
        assert_eq!(value[..length], list, "{name}");
    }
    let work = here.join("container/work/fuse");
    let left = fs::read_dir(work).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(left, 0, "no stand-in is left");
}

fn a_deadserver_is_an_error_and_not_a_hang(here: &Path) {
    fs::create_dir_all(here.join("lower")).unwrap();
    let union = Mounted::new(&Driver::Fuse, &here.join("container"), &[here.join("lower")]);
    fs::write(union.at.join("file"), "x").unwrap();
    let server = union.server.as_ref().unwrap();
    rustix::process::pidfd_send_signal(&server.pidfd, rustix::process::Signal::KILL).unwrap();
    let asked = std::time::Instant::now();
    loop {
        match fs::metadata(union.at.join("other")) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => break,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ECONNABORTED)) => {}
            other => panic!("{other:?}"),
        }
        assert!(asked.elapsed().as_secs() < 20, "the kernel noticed nothing");
    }
}
