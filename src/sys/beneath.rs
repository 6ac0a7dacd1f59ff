//! Directory handles that cannot be escaped: the only way to reach a path inside a tree whose contents somebody else
//! decides (a layer, a container's root).
//!
//! Every look-up is one openat2(2) with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`: the handle is `/` for it, so `..`,
//! absolute names and symbolic links of any shape stay inside, also when somebody renames directories meanwhile. What
//! comes back is a descriptor; a path string is never resolved twice. Magic links of procfs (`/proc/self/fd/3`) are
//! refused with `ELOOP`: they would lead to whatever the calling process has open.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::path::Arg;

/// How often a look-up is repeated when the kernel says that a rename raced with a `..` in it (`EAGAIN`, openat2(2)).
const RACES: usize = 128;

/// Most symbolic links in one look-up of [`BeneathDir::make`], as in the kernel (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Most steps of one look-up of [`BeneathDir::make`]: an attacker who undoes each of them meanwhile gets `ELOOP`.
const MAX_STEPS: usize = 4096;

/// What [`BeneathDir::make`] makes when its path does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// A directory, mode 0755.
    Directory,
    /// An empty regular file, mode 0644.
    File,
}

/// A directory that is `/` for every path resolved through it.
#[derive(Debug)]
pub struct BeneathDir {
    fd: OwnedFd,
}

impl BeneathDir {
    /// Opens a directory of our own. The path is trusted: it is resolved as usual.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fd })
    }

    /// The root directory of this process.
    pub fn current_root() -> io::Result<Self> {
        let fd = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fd })
    }

    /// A second handle on the directory `fd`.
    pub fn from_borrowed(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { fd: fd.try_clone_to_owned()? })
    }

    /// Opens `path` with `flags` (`O_CLOEXEC` is added); `mode` counts with `O_CREAT` only. Symbolic links are followed,
    /// the last one too unless `flags` has `O_NOFOLLOW`.
    pub fn open_at<P: Arg + Copy>(&self, path: P, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..RACES {
            match rustix::fs::openat2(&self.fd, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Err(Errno::AGAIN) => {}
                result => return Ok(result?),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Opens the directory at `path` for use as an anchor of `*at` calls and for reading its entries.
    pub fn open_dir<P: Arg + Copy>(&self, path: P) -> io::Result<OwnedFd> {
        self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
    }

    /// Opens the regular file at `path` for reading. Anything else is refused with `EINVAL`, and a fifo does not block.
    pub fn open_file<P: Arg + Copy>(&self, path: P) -> io::Result<std::fs::File> {
        let fd = self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())?;
        let mode = rustix::fs::fstat(&fd)?.st_mode;
        match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Ok(fd.into()),
            _ => Err(Errno::INVAL.into()),
        }
    }
}

impl BeneathDir {
    /// Opens `path` (`O_PATH`), whatever it is, and makes it when it is missing: directories on the way, then `leaf`.
    /// Symbolic links are followed inside the tree, also one to something that does not exist, which is then made.
    ///
    /// A missing path is made component by component. Each is opened below the descriptor of its parent, links are read
    /// and resolved here, and `..` goes back to the descriptor that the walk came from. So every directory in which
    /// something is made was reached downwards from the root of the tree, whatever others rename meanwhile.
    ///
    /// The umask applies to what is made.
    pub fn make(&self, path: &[u8], leaf: Leaf) -> io::Result<OwnedFd> {
        match self.open_at(path, OFlags::PATH, Mode::empty()) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            result => return result,
        }
        let mut walk = Walk { todo: Vec::new(), way: vec![self.fd.try_clone()?], links: 0 };
        walk.push(path);
        for _ in 0..MAX_STEPS {
            if let Some(found) = walk.step(leaf)? {
                return Ok(found);
            }
        }
        Err(Errno::LOOP.into())
    }
}

/// The state of [`BeneathDir::make`].
struct Walk {
    /// Components that are left, the next one last.
    todo: Vec<Vec<u8>>,
    /// Descriptors from the root of the tree to where the walk is; never empty.
    way: Vec<OwnedFd>,
    links: usize,
}

impl Walk {
    fn push(&mut self, path: &[u8]) {
        let components = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        self.todo.extend(components.rev().map(<[u8]>::to_vec));
    }

    /// Goes one component further. Returns the end of the path when it is reached.
    fn step(&mut self, leaf: Leaf) -> io::Result<Option<OwnedFd>> {
        let Some(name) = self.todo.pop() else { return Ok(self.way.pop()) };
        if name == b".." {
            self.way.truncate(self.way.len().max(2) - 1);
            return Ok(None);
        }
        let parent = self.way.last().ok_or(Errno::NOENT)?;
        let (flags, resolve) = (OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, ResolveFlags::BENEATH);
        let child = match rustix::fs::openat2(parent, name.as_slice(), flags, Mode::empty(), resolve) {
            Ok(child) => child,
            Err(Errno::NOENT) => {
                let is_last = self.todo.is_empty();
                match is_last && leaf == Leaf::File {
                    true => make_file(parent.as_fd(), &name),
                    false => rustix::fs::mkdirat(parent, name.as_slice(), Mode::from_raw_mode(0o755)),
                }
                .or_else(|errno| if errno == Errno::EXIST { Ok(()) } else { Err(errno) })?;
                // It is opened by the next step, as whatever it is by then.
                self.todo.push(name);
                return Ok(None);
            }
            Err(errno) => return Err(errno.into()),
        };
        match FileType::from_raw_mode(rustix::fs::fstat(&child)?.st_mode) {
            FileType::Symlink => self.follow(&child)?,
            FileType::Directory => self.way.push(child),
            _ if self.todo.is_empty() => return Ok(Some(child)),
            _ => return Err(Errno::NOTDIR.into()),
        }
        Ok(None)
    }

    fn follow(&mut self, link: &OwnedFd) -> io::Result<()> {
        self.links += 1;
        // What a magic link reads as is a text for people, not a path.
        if self.links > MAX_LINKS || rustix::fs::fstatfs(link)?.f_type == rustix::fs::PROC_SUPER_MAGIC {
            return Err(Errno::LOOP.into());
        }
        let target = rustix::fs::readlinkat(link, c"", Vec::new())?;
        if target.as_bytes().starts_with(b"/") {
            self.way.truncate(1);
        }
        self.push(target.as_bytes());
        Ok(())
    }
}

fn make_file(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
}

impl AsFd for BeneathDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens the regular file `name` in `directory` for reading, with its attributes. `None` if there is none. Nothing else is
/// opened, not even for a moment: to open a device may do something.
pub fn open_regular(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<(std::fs::File, Stat)>> {
    let place =
        match rustix::fs::openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            place => place?,
        };
    let stat = rustix::fs::fstat(&place)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Some((reopen(&place, OFlags::RDONLY)?.into(), stat))),
        _ => Ok(None),
    }
}

/// Opens anew what `place` (`O_PATH`) stands for, with these flags.
pub fn reopen(place: &OwnedFd, flags: OFlags) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", place.as_raw_fd());
    Ok(rustix::fs::open(link, flags | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())?)
}

/// A directory on the way to where we are: its name, and the directories in it that are still to do.
struct Level {
    name: Vec<u8>,
    inode: (u64, u64),
    children: Vec<Vec<u8>>,
}

/// Removes the directory `name` in `parent` with everything in it. Symbolic links are removed, not followed.
///
/// The tree may be deeper than there are descriptors: one is open at a time, and the way back is `..`, checked to be where
/// we came from (`ESTALE` if somebody moved a directory meanwhile).
pub fn remove_tree(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    let mut here = open_child(parent, name)?;
    let mut way = vec![Level::enter(&here, name)?];
    while let Some(level) = way.last_mut() {
        if let Some(child) = level.children.pop() {
            here = open_child(here.as_fd(), &child)?;
            way.push(Level::enter(&here, &child)?);
            continue;
        }
        let done = way.pop().map(|level| level.name).unwrap_or_default();
        let Some(above) = way.last() else {
            return Ok(rustix::fs::unlinkat(parent, done.as_slice(), AtFlags::REMOVEDIR)?);
        };
        here = open_child(here.as_fd(), b"..")?;
        if inode(&here)? != above.inode {
            return Err(Errno::STALE.into());
        }
        rustix::fs::unlinkat(&here, done.as_slice(), AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// How often [`each_file`] looks for its way again in a tree whose directories are being moved.
const DETOURS: usize = 1000;

/// Calls `visit` with the attributes of everything below `root` but directories, each time that it has a name. Symbolic
/// links are not followed. False when directories were moved so often meanwhile that it gave up.
///
/// Somebody may change the tree: what comes and goes is seen or not. The tree may be deeper than there are descriptors,
/// as for [`remove_tree`]: where the way back is not the one we came, it is sought again from `root`.
pub fn each_file(root: BorrowedFd<'_>, mut visit: impl FnMut(&Stat)) -> io::Result<bool> {
    let mut here = root.try_clone_to_owned()?;
    let mut way = vec![Level::visit(&here, b"", &mut visit)?];
    let mut detours = 0;
    while let Some(level) = way.last_mut() {
        if let Some(child) = level.children.pop() {
            match open_child(here.as_fd(), &child) {
                Ok(inner) => {
                    here = inner;
                    way.push(Level::visit(&here, &child, &mut visit)?);
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
            continue;
        }
        way.pop();
        let Some(above) = way.last() else { break };
        match open_child(here.as_fd(), b"..") {
            Ok(outer) if inode(&outer)? == above.inode => here = outer,
            Err(error) if !is_gone(&error) => return Err(error),
            _ if detours == DETOURS => return Ok(false),
            _ => {
                detours += 1;
                here = descend(root, &mut way)?;
            }
        }
    }
    Ok(true)
}

/// Opens the last directory of `way`, which loses those that are not where they were.
fn descend(root: BorrowedFd<'_>, way: &mut Vec<Level>) -> io::Result<OwnedFd> {
    let mut here = root.try_clone_to_owned()?;
    for depth in 1..way.len() {
        match open_child(here.as_fd(), &way[depth].name) {
            Ok(inner) if inode(&inner)? == way[depth].inode => here = inner,
            Err(error) if !is_gone(&error) => return Err(error),
            _ => {
                way.truncate(depth);
                break;
            }
        }
    }
    Ok(here)
}

/// Whether a name is not that of a directory any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP))
}

impl Level {
    /// Visits all but the directories in `directory`.
    fn visit(directory: &OwnedFd, name: &[u8], visit: &mut impl FnMut(&Stat)) -> io::Result<Self> {
        let mut children = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                    children.push(name.to_bytes().to_vec());
                }
                Ok(stat) => visit(&stat),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Self { name: name.to_vec(), inode: inode(directory)?, children })
    }

    /// Removes all but the directories in `directory`.
    fn enter(directory: &OwnedFd, name: &[u8]) -> io::Result<Self> {
        let children = remove_all_but_directories(directory.as_fd())?;
        Ok(Self { name: name.to_vec(), inode: inode(directory)?, children })
    }
}

fn inode(fd: &OwnedFd) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn open_child(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Removes what is not a directory and returns the names of what is.
fn remove_all_but_directories(directory: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut children = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let removed = match entry.file_type() {
            FileType::Directory => Err(Errno::ISDIR),
            _ => rustix::fs::unlinkat(directory, name, AtFlags::empty()),
        };
        match removed {
            Err(Errno::ISDIR) => children.push(name.to_vec()),
            result => result?,
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    /// A temporary directory (`base::publish` is above this module).
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new() -> Self {
            let thread = format!("{:?}", std::thread::current().id());
            let path = std::env::temp_dir().join(format!("beneath-{}-{thread}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn read(root: &BeneathDir, path: &str) -> io::Result<String> {
        let mut text = String::new();
        root.open_file(path)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn links_and_dots_stay_inside() {
        let scratch = Scratch::new();
        let tree = scratch.0.join("tree");
        fs::create_dir_all(tree.join("etc")).unwrap();
        fs::write(scratch.0.join("secret"), "outside").unwrap();
        fs::write(tree.join("etc/passwd"), "inside").unwrap();
        symlink("/etc", tree.join("absolute")).unwrap();
        symlink("../../../../etc", tree.join("relative")).unwrap();
        symlink("/proc/self/root", tree.join("magic")).unwrap();
        symlink(scratch.0.join("secret"), tree.join("secret")).unwrap();
        let root = BeneathDir::open(&tree).unwrap();
        for path in ["etc/passwd", "/etc/passwd", "../../etc/passwd", "absolute/passwd", "relative/passwd"] {
            assert_eq!(read(&root, path).unwrap(), "inside", "{path}");
        }
        for path in ["secret", "../secret", "magic/etc/passwd", "absolute/../../secret"] {
            assert!(read(&root, path).is_err(), "{path}");
        }
    }

    #[test]
    fn missing_paths_are_made_inside() {
        let scratch = Scratch::new();
        let tree = scratch.0.join("tree");
        fs::create_dir_all(tree.join("etc")).unwrap();
        for (link, target) in [
            ("etc/resolv.conf", "../run/resolve/stub.conf"),
            ("etc/hosts", scratch.0.join("outside").to_str().unwrap()),
            ("up", "../../../../outside-directory"),
            ("loop", "loop"),
            ("magic", "/proc/self/root"),
            ("etc/again", "/up/../etc/resolv.conf"),
        ] {
            symlink(target, tree.join(link)).unwrap();
        }
        let root = BeneathDir::open(&tree).unwrap();
        let make = |path: &str, leaf| root.make(path.as_bytes(), leaf).map(|fd| inode(&fd).unwrap());
        let at = |path: &str| inode(&root.open_at(path, OFlags::PATH, Mode::empty()).unwrap()).unwrap();
        assert_eq!(make("/etc/resolv.conf", Leaf::File).unwrap(), at("run/resolve/stub.conf"));
        assert_eq!(make("etc/again", Leaf::Directory).unwrap(), at("run/resolve/stub.conf"));
        assert_eq!(make("up/a//b/./c/", Leaf::Directory).unwrap(), at("outside-directory/a/b/c"));
        assert_eq!(make("/../../x/../y/z", Leaf::File).unwrap(), at("y/z"));
        assert!(tree.join("x").is_dir() && tree.join("y/z").is_file());
        make("etc/hosts", Leaf::File).unwrap();
        assert!(tree.join(scratch.0.strip_prefix("/").unwrap()).join("outside").is_file());
        assert_eq!(make("/", Leaf::Directory).unwrap(), at("/"));
        let errno = |path: &str| make(path, Leaf::Directory).unwrap_err().raw_os_error();
        assert_eq!((errno("loop/x"), errno("y/z/under")), (Some(libc::ELOOP), Some(libc::ENOTDIR)));
        // This tree's own `proc`: nothing of the real one is reached.
        make("magic/home", Leaf::Directory).unwrap();
        assert!(tree.join("proc/self/root/home").is_dir());
        let names: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["tree"]);
    }

    #[test]
    fn magic_links_are_refused() {
        let root = BeneathDir::current_root().unwrap();
        for path in ["/proc/self/fd/0", "/proc/self/root", "/proc/self/cwd/x", "/proc/thread-self/exe"] {
            assert_eq!(
                root.make(path.as_bytes(), Leaf::Directory).unwrap_err().raw_os_error(),
                Some(libc::ELOOP),
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_made_stays_inside_while_directories_are_exchanged() {
        let scratch = Scratch::new();
        let tree = scratch.0.join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        symlink("../../..", tree.join("link")).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let flags = rustix::fs::RenameFlags::EXCHANGE;
                    let _ = rustix::fs::renameat_with(
                        rustix::fs::CWD,
                        tree.join("a"),
                        rustix::fs::CWD,
                        tree.join("link"),
                        flags,
                    );
                }
            });
            let root = BeneathDir::open(&tree).unwrap();
            for i in 0..2000 {
                let _ = root.make(format!("a/b/../../a/new{i}/x").as_bytes(), Leaf::File);
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let names: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["tree"]);
    }

    #[test]
    fn trees_are_removed_whatever_their_depth_and_links_are_not_followed() {
        let scratch = Scratch::new();
        fs::create_dir_all(scratch.0.join("tree/a/b")).unwrap();
        fs::create_dir_all(scratch.0.join("tree/c")).unwrap();
        fs::write(scratch.0.join("kept"), "").unwrap();
        symlink(&scratch.0, scratch.0.join("tree/a/up")).unwrap();
        let root = BeneathDir::open(&scratch.0).unwrap();
        // Deeper than a path may be long and a process may have descriptors.
        let mut here = root.open_dir("tree/c").unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
            here = open_child(here.as_fd(), b"d").unwrap();
        }
        remove_tree(root.as_fd(), b"tree").unwrap();
        let left: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }

    #[test]
    fn files_are_seen_whatever_their_depth_and_links_are_not_followed() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.0.join("tree")).unwrap();
        fs::write(scratch.0.join("outside"), [0; 100]).unwrap();
        symlink("../outside", scratch.0.join("tree/link")).unwrap();
        symlink("..", scratch.0.join("tree/up")).unwrap();
        let root = BeneathDir::open(&scratch.0.join("tree")).unwrap();
        let mut here = root.open_dir(".").unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
            here = open_child(here.as_fd(), b"d").unwrap();
        }
        let file = rustix::fs::openat(&here, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
        rustix::fs::ftruncate(&file, 7).unwrap();
        let mut sizes = Vec::new();
        assert!(each_file(root.as_fd(), |stat| sizes.push(stat.st_size)).unwrap());
        sizes.sort_unstable();
        assert_eq!(sizes, [2, 7, 10], "two links and the file");
        remove_tree(BeneathDir::open(&scratch.0).unwrap().as_fd(), b"tree").unwrap();
    }

    #[test]
    fn a_directory_that_is_moved_away_leads_nowhere_else() {
        let scratch = Scratch::new();
        for (directory, size) in [("tree/a/b/c", 1), ("tree/a/d", 2), ("tree/z", 4), ("elsewhere", 8)] {
            fs::create_dir_all(scratch.0.join(directory)).unwrap();
            fs::write(scratch.0.join(directory).join("file"), vec![0; size]).unwrap();
        }
        let root = BeneathDir::open(&scratch.0.join("tree")).unwrap();
        let mut sum = 0;
        let everywhere = each_file(root.as_fd(), |stat| {
            sum += stat.st_size;
            if stat.st_size == 1 {
                // We are in it: the way back is not the one we came.
                fs::rename(scratch.0.join("tree/a/b/c"), scratch.0.join("elsewhere/c")).unwrap();
                fs::rename(scratch.0.join("tree/a/b"), scratch.0.join("elsewhere/b")).unwrap();
            }
        });
        assert!(everywhere.unwrap());
        assert_eq!(sum, 7, "what is outside does not count, and the rest does");
    }

    #[test]
    fn only_regular_files_open_as_files() {
        let scratch = Scratch::new();
        let root = BeneathDir::open(&scratch.0).unwrap();
        rustix::fs::mkfifoat(&root, "fifo", Mode::RWXU).unwrap();
        fs::create_dir(scratch.0.join("directory")).unwrap();
        for path in ["fifo", "directory"] {
            assert_eq!(root.open_file(path).unwrap_err().raw_os_error(), Some(libc::EINVAL), "{path}");
        }
    }
}
