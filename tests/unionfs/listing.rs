//! Long listings that somebody goes through while looking at each entry, and changing the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fs::{AtFlags, RawDir, statat};

use super::{Driver, Mounted};

const NAMES: usize = 4000;

/// What is read of a listing at a time, in bytes: of these names 256.
const PART: usize = 8 << 10;

/// Calls `look` with each name. Returns how often each came.
fn through(directory: &Path, mut look: impl FnMut(&str)) -> BTreeMap<String, usize> {
    let open = File::open(directory).unwrap();
    let mut seen = BTreeMap::new();
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
        for name in names.into_iter().filter(|name| name != "." && name != "..") {
            look(&name);
            *seen.entry(name).or_default() += 1;
        }
    }
}

/// The kernel has all names from a listing before. A program that examines each of them, and makes and removes others
/// meanwhile, sees each name once.
pub fn looking_at_each_entry(here: &Path) {
    let lower = here.join("lower");
    fs::create_dir_all(lower.join("long")).unwrap();
    let names: BTreeSet<_> = (0..NAMES).map(|number| format!("entry-{number:05}")).collect();
    names.iter().for_each(|name| fs::write(lower.join("long").join(name), "").unwrap());
    let union = Mounted::new(&Driver::Fuse, &here.join("container"), &[lower]);
    let directory = union.at.join("long");
    for _ in 0..2 {
        assert_eq!(fs::read_dir(&directory).unwrap().count(), NAMES);
    }

    let open = File::open(&directory).unwrap();
    let (mut made, mut removed, mut looked) = (BTreeSet::new(), BTreeSet::new(), 0);
    let seen = through(&directory, |name| {
        looked += 1;
        let found = statat(&open, name, AtFlags::SYMLINK_NOFOLLOW);
        assert!(found.is_ok() || removed.contains(name), "{name}: {found:?}");
        if looked % 40 == 0 {
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
    assert_eq!(fs::read_dir(&directory).unwrap().count(), NAMES - removed.len() + made.len());
}
