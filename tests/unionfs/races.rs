//! Many threads at once in one union: what each of them does with names of its own has the results that it has on a plain
//! directory, wherever the directories go meanwhile.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::{Driver, Mounted, Random, same, snapshot};

const THREADS: usize = 4;
const DIRECTORIES: usize = 4;
const NAMES: usize = 6;
const STEPS: usize = 400;
const REPLACED: usize = 2000;
const CHANGES: usize = 400;
const READERS: u64 = 3;
const LARGEST: usize = 600 << 10;

/// A file is replaced while another thread reads from it for the first time, and then writes: both concern the old one.
pub fn what_is_replaced_while_it_is_read(here: &Path) {
    let (lower, container) = (here.join("lower"), here.join("container"));
    let upper = container.join("upper");
    fs::create_dir_all(&lower).unwrap();
    fs::create_dir_all(&upper).unwrap();
    for round in 0..REPLACED {
        fs::write(upper.join(format!("old-{round}")), "old").unwrap();
        fs::write(upper.join(format!("new-{round}")), "new").unwrap();
    }
    let union = Mounted::new(&Driver::Fuse, &container, &[lower]);
    for round in 0..REPLACED {
        let (old, new) = (union.at.join(format!("old-{round}")), union.at.join(format!("new-{round}")));
        let open = File::options().read(true).write(true).open(&old).unwrap();
        fs::metadata(&new).unwrap();
        let ready = Barrier::new(2);
        let mut bytes = [0; 3];
        std::thread::scope(|scope| {
            let renamed = scope.spawn(|| {
                ready.wait();
                fs::rename(&new, &old).unwrap();
            });
            ready.wait();
            open.read_exact_at(&mut bytes, 0).unwrap();
            renamed.join().unwrap();
        });
        assert_eq!(&bytes, b"old", "round {round}");
        open.write_all_at(b"mine", 0).unwrap();
        assert_eq!(fs::read(upper.join(format!("old-{round}"))).unwrap(), b"new", "round {round}");
        assert_eq!(fs::read(&old).unwrap(), b"new", "round {round}");
        let metadata = open.metadata().unwrap();
        assert_eq!((metadata.len(), metadata.nlink()), (4, 0), "round {round}");
    }
    alone();
}

/// Waits until the threads are gone for the kernel as well: a mount needs a process with one.
fn alone() {
    while fs::read_dir("/proc/self/task").unwrap().count() > 1 {
        std::thread::yield_now();
    }
}

fn directory(number: usize) -> String {
    format!("d{number}")
}

/// Directories with files of each thread, and others below them.
fn fill(root: &Path) {
    for number in 0..DIRECTORIES {
        let at = root.join(directory(number));
        fs::create_dir_all(at.join("deep/er")).unwrap();
        for thread in 0..THREADS {
            for name in 0..NAMES / 2 {
                fs::write(at.join(format!("t{thread}-{name}")), format!("{number} {thread} {name}")).unwrap();
            }
            fs::write(at.join(format!("deep/er/t{thread}")), "deep").unwrap();
        }
    }
}

fn open_directories(root: &Path) -> Vec<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    (0..DIRECTORIES)
        .map(|number| rustix::fs::open(root.join(directory(number)), flags, Mode::empty()).unwrap())
        .collect()
}

/// What one thread does with its names, and what comes of it.
fn steps(directories: &[OwnedFd], thread: usize, seed: u64) -> Vec<String> {
    let mut random = Random(seed * 100 + thread as u64 + 1);
    let mut outcomes = Vec::new();
    for step in 0..STEPS {
        let mut any = || {
            let name = format!("t{thread}-{}", random.below(NAMES));
            (&directories[random.below(DIRECTORIES)], name)
        };
        let ((at, name), (to, new)) = (any(), any());
        let outcome = match random.below(8) {
            0 | 1 => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
                rustix::fs::openat(at, &name, flags, Mode::from_raw_mode(0o644)).map(|fd| {
                    File::from(fd).write_all(format!("{thread} {step}").as_bytes()).unwrap();
                    String::new()
                })
            }
            2 => {
                let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC;
                rustix::fs::openat(at, &name, flags, Mode::empty()).map(|fd| {
                    File::from(fd).write_all(b" more").unwrap();
                    String::new()
                })
            }
            3 => rustix::fs::unlinkat(at, &name, AtFlags::empty()).map(|()| String::new()),
            4 => rustix::fs::renameat(at, &name, to, &new).map(|()| String::new()),
            5 => rustix::fs::linkat(at, &name, to, &new, AtFlags::empty()).map(|()| String::new()),
            6 => rustix::fs::statat(at, &name, AtFlags::SYMLINK_NOFOLLOW)
                .map(|stat| format!("{} bytes, {} links", stat.st_size, stat.st_nlink)),
            _ => rustix::fs::openat(at, &name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .map(|fd| std::io::read_to_string(File::from(fd)).unwrap()),
        };
        outcomes.push(format!("{step} {name} {new}: {outcome:?}"));
    }
    outcomes
}

/// All threads at once, and one that moves the directories to and fro.
fn run(root: &Path, seed: u64) -> Vec<Vec<String>> {
    let directories = open_directories(root);
    let done = AtomicBool::new(false);
    let outcomes = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                for number in 0..DIRECTORIES {
                    let (here, there) = (root.join(directory(number)), root.join("moved"));
                    fs::rename(&here, &there).unwrap();
                    let _ = fs::read_dir(&there).unwrap().count();
                    assert_eq!(fs::read(there.join("deep/er/t0")).unwrap(), b"deep");
                    fs::rename(&there, &here).unwrap();
                }
            }
        });
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let directories = &directories;
                scope.spawn(move || steps(directories, thread, seed))
            })
            .collect();
        let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        done.store(true, Ordering::SeqCst);
        outcomes.into_iter().map(|outcome| outcome.unwrap()).collect()
    });
    alone();
    outcomes
}

/// The results and what is left are the same as on a plain directory, also for the next mount.
pub fn threads_and_a_plain_directory(here: &Path) {
    for seed in 1..=6 {
        let here = here.join(seed.to_string());
        let (lower, plain, container) = (here.join("lower"), here.join("plain"), here.join("container"));
        fill(&lower);
        fill(&plain);
        let wanted = run(&plain, seed);
        let union = Mounted::new(&Driver::Fuse, &container, std::slice::from_ref(&lower));
        for (thread, (got, wanted)) in run(&union.at, seed).iter().zip(&wanted).enumerate() {
            for (got, wanted) in got.iter().zip(wanted) {
                assert_eq!(got, wanted, "seed {seed}, thread {thread}");
            }
        }
        let wanted = snapshot(&plain);
        same(&snapshot(&union.at), &wanted, seed, "after the threads", &[]);
        drop(union);
        for driver in [Driver::Fuse, Driver::Overlay] {
            let union = Mounted::new(&driver, &container, std::slice::from_ref(&lower));
            same(&snapshot(&union.at), &wanted, seed, "mounted again", &[]);
        }
        fs::remove_dir_all(&here).unwrap();
    }
}

/// The byte at a place of a file: never zero, which is what a hole has.
fn byte_at(at: usize) -> u8 {
    (at % 251) as u8 + 1
}

/// Reads anywhere in the file until `done`: each byte is its own, or zero. Some readers go by the kernel's cache, which
/// forgets at times, and some past it, so that the server is asked for any place and length.
fn read_on(path: &Path, seed: u64, done: &AtomicBool) -> usize {
    let direct = if seed.is_multiple_of(2) { libc::O_DIRECT } else { 0 };
    let file = File::options().read(true).custom_flags(direct).open(path).unwrap();
    let mut random = Random(seed);
    let mut buffer = vec![0; 300 << 10];
    let mut large = 0;
    while !done.load(Ordering::SeqCst) {
        let (at, size) = (random.below(LARGEST), random.below(buffer.len()));
        let length = file.read_at(&mut buffer[..size], at as u64).unwrap();
        for (index, byte) in buffer[..length].iter().enumerate() {
            assert!(*byte == 0 || *byte == byte_at(at + index), "{byte} at {at} + {index} of {length}");
        }
        large += usize::from(length > 64 << 10);
        if random.below(4) == 0 {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
    }
    large
}

/// A file is cut off, grows and is written, while others read it: who changes it sees exactly that, and the others
/// nothing that was never in it.
pub fn reads_while_a_file_is_cut_off_and_grows(here: &Path) {
    let (lower, container) = (here.join("lower"), here.join("container"));
    fs::create_dir_all(&lower).unwrap();
    let mut wanted: Vec<u8> = (0..LARGEST).map(byte_at).collect();
    fs::write(lower.join("file"), &wanted).unwrap();
    let union = Mounted::new(&Driver::Fuse, &container, &[lower]);
    let path = union.at.join("file");
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let done = AtomicBool::new(false);
    let mut random = Random(7);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (1..=READERS)
            .map(|seed| {
                let (path, done) = (&path, &done);
                scope.spawn(move || read_on(path, seed, done))
            })
            .collect();
        let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for change in 0..CHANGES {
                let (at, other) = (random.below(LARGEST), random.below(LARGEST));
                if random.below(2) == 0 {
                    file.set_len(at as u64).unwrap();
                    wanted.resize(at, 0);
                } else {
                    let end = (at + other / 2).min(LARGEST);
                    let bytes: Vec<u8> = (at..end).map(byte_at).collect();
                    file.write_all_at(&bytes, at as u64).unwrap();
                    wanted.resize(wanted.len().max(end), 0);
                    wanted[at..end].copy_from_slice(&bytes);
                }
                assert_eq!(file.metadata().unwrap().len(), wanted.len() as u64, "change {change}");
                let from = other.min(wanted.len());
                let mut got = vec![0; (wanted.len() - from).min(200 << 10)];
                file.read_exact_at(&mut got, from as u64).unwrap();
                assert!(got == wanted[from..from + got.len()], "change {change}, from {from}");
            }
        }));
        done.store(true, Ordering::SeqCst);
        let large: usize = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        assert!(large > 50, "{large} large reads");
        changed.unwrap();
    });
    alone();
    assert!(fs::read(&path).unwrap() == wanted);
    // The server ends with the last use of its mount.
    drop(file);
    drop(union);
    assert!(fs::read(container.join("upper/file")).unwrap() == wanted);
}
