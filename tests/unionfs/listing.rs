//! Long listings that somebody goes through while looking at each entry, and changing the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, RawDir, statat};

use super::{Driver, Mounted};

const NAMES: usize = 4000;

/// What is read of a listing at a time, in bytes: of these names 256.
const PART: usize = 8 << 10;

/// The first name to be looked at. Those before may be known from the first part of the first listing.
const FIRST: usize = 512;

/// How many answers the server has sent: every write(2) that it does.
fn answers(union: &Mounted) -> usize {
    let pid = union.server.as_ref().unwrap().pid;
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap().parse().unwrap()
}

/// Calls `look` with each name and its position, and whether it is the first one of a part. Returns how often each came.
fn through(directory: &Path, mut look: impl FnMut(&str, usize, bool)) -> BTreeMap<String, usize> {
    let open = File::open(directory).unwrap();
    let (mut seen, mut position) = (BTreeMap::new(), 0);
    loop {
        let mut part = vec![MaybeUninit::uninit(); PART];
        let mut names = Vec::new();
        let mut listing = RawDir::new(&open, &mut part);
        loop {
            let entry = listing.next().transpose().unwrap();
            names.extend(entry.map(|entry| entry.file_name().to_str().unwrap().to_owned()));
            if listing.is_buffer_empty() {
                break;
            }
        }
        if names.is_empty() {
            return seen;
        }
        names.retain(|name| name != "." && name != "..");
        for (at, name) in names.into_iter().enumerate() {
            look(&name, position, at == 0);
            *seen.entry(name).or_default() += 1;
            position += 1;
        }
    }
}

/// The kernel has all names from a listing before. Whoever looks at each of them then gets the attributes with the listing,
/// and each name once, whatever is made and removed meanwhile.
pub fn looking_at_each_entry(here: &Path) {
    for changing in [false, true] {
        let here = here.join(if changing { "changing" } else { "still" });
        let lower = here.join("lower");
        fs::create_dir_all(lower.join("long")).unwrap();
        let names: BTreeSet<_> = (0..NAMES).map(|number| format!("entry-{number:05}")).collect();
        names.iter().for_each(|name| fs::write(lower.join("long").join(name), "").unwrap());
        let union = Mounted::new(&Driver::Fuse, &here.join("container"), &[lower]);
        let directory = union.at.join("long");
        for _ in 0..2 {
            assert_eq!(fs::read_dir(&directory).unwrap().count(), NAMES);
        }
        let before = answers(&union);
        assert_eq!(through(&directory, |_, _, _| {}).len(), NAMES);
        let begun = answers(&union);
        assert!(begun - before < 3, "the kernel has the names");

        let open = File::open(&directory).unwrap();
        let (mut looked, mut told) = (0, false);
        let (mut made, mut removed) = (BTreeSet::new(), BTreeSet::new());
        let seen = through(&directory, |name, position, first| {
            if first && looked > 0 && !told && !changing {
                told = true;
                wait_for_notification(&union, &directory, begun + looked);
            }
            if position < FIRST {
                return;
            }
            looked += 1;
            let found = statat(&open, name, AtFlags::SYMLINK_NOFOLLOW);
            assert!(found.is_ok() || removed.contains(name), "{name}: {found:?}");
            if changing && looked % 40 == 0 {
                // In the order of the listing they are anywhere.
                for number in [looked, looked + 1000, looked + 2000] {
                    let gone = format!("entry-{number:05}");
                    if fs::remove_file(directory.join(&gone)).is_ok() {
                        removed.insert(gone);
                    }
                }
                let new = format!("new-{looked}");
                fs::write(directory.join(&new), "").unwrap();
                made.insert(new);
            }
        });
        assert!(seen.values().all(|times| *times == 1), "twice: {seen:?}");
        let missed: Vec<_> = names.difference(&removed).filter(|name| !seen.contains_key(*name)).collect();
        assert!(missed.is_empty(), "{missed:?}");
        assert!(seen.keys().all(|name| names.contains(name) || made.contains(name)));
        if !changing {
            let asked = answers(&union) - begun;
            assert!(asked < NAMES / 4, "{asked} messages for {NAMES} names");
        }
        assert_eq!(fs::read_dir(&directory).unwrap().count(), NAMES - removed.len() + made.len());
    }
}

/// Waits until the server has answered so many requests, told the kernel to drop the names, and been asked for the
/// attributes of the directory, which goes with that.
fn wait_for_notification(union: &Mounted, directory: &Path, answered: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while answers(union) < answered + 2 {
        fs::metadata(directory).unwrap();
        assert!(Instant::now() < deadline, "the kernel was not told to drop the names");
        std::thread::yield_now();
    }
}
