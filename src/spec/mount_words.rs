//! The options of a mount: one word of `-v SOURCE:TARGET:OPTION,…` or one key of `--mount`. Docker's and podman's spellings.

use std::path::PathBuf;

use super::idmap::{Extent, IdMap, decimal};
use super::mount_options::{IdMapOption, MountOptions, Overlay, Propagation, Shift};
use super::storage::{Mount, MountSource};
use crate::base::{Error, Result, text};

/// Finds a switch.
type Field = fn(&mut MountOptions) -> &mut Option<bool>;

/// Words that select one of two, for the mounts of every type: the word, and which field it sets to what.
const SWITCHES: [(&str, Field, bool); 6] = [
    ("exec", |options| &mut options.exec, true),
    ("noexec", |options| &mut options.exec, false),
    ("dev", |options| &mut options.dev, true),
    ("nodev", |options| &mut options.dev, false),
    ("suid", |options| &mut options.suid, true),
    ("nosuid", |options| &mut options.suid, false),
];

/// Applies one option of a bind, a volume or an image that both spellings have. False when it is not one of those.
pub fn apply(mount: &mut Mount, option: &str) -> Result<bool> {
    if let Some((word, field, value)) = SWITCHES.iter().find(|(word, ..)| *word == option) {
        let field = field(&mut mount.options);
        if field.is_some_and(|former| former != *value) {
            let other = word.strip_prefix("no").map_or_else(|| format!("no{word}"), String::from);
            return Err(Error::usage(format!("`{word}` and `{other}` exclude each other")));
        }
        *field = Some(*value);
        return Ok(true);
    }
    match option.split_once('=').map_or((option, None), |(key, value)| (key, Some(value))) {
        // SELinux labels are not needed: nothing confines coracle's containers by label. The others only ever had a
        // meaning on other systems.
        ("z" | "Z" | "cached" | "delegated" | "consistent", None) => {}
        ("idmap", value) => mount.options.idmap = Some(idmap(value.unwrap_or_default())?),
        ("private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared" | "unbindable" | "runbindable", None) => {
            mount.propagation = propagation(option)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The words of mount propagation.
pub fn propagation(word: &str) -> Result<Propagation> {
    match word {
        "unbindable" | "runbindable" => Err(Error::unsupported(format!("mount propagation `{word}` is not supported"))
            .hint("`private` keeps mounts apart")),
        word => Propagation::ALL
            .into_iter()
            .find(|known| known.name() == word)
            .ok_or_else(|| Error::usage(format!("unknown option `{}`", text::clean(word)))),
    }
}

/// The options of an overlay that were collected: `O`, `upperdir=` and `workdir=`, which go together.
pub fn overlay(asked: bool, upper: Option<PathBuf>, work: Option<PathBuf>) -> Result<Option<Overlay>> {
    match (asked, upper, work) {
        (false, None, None) => Ok(None),
        (true, None, None) => Ok(Some(Overlay::default())),
        (true, Some(upper), Some(work)) => Ok(Some(Overlay { kept: Some((upper, work)) })),
        (false, ..) => Err(Error::usage("`upperdir` and `workdir` need the option `O`")),
        (true, ..) => Err(Error::usage("`upperdir` and `workdir` must be given together")),
    }
}

/// `uids=…;gids=…`; empty for the container's own map.
fn idmap(given: &str) -> Result<IdMapOption> {
    if matches!(given, "" | "true") {
        return Ok(IdMapOption::Container);
    }
    let wrong = || {
        Error::usage(format!("`{}` is not a map of ids", text::clean(given)))
            .hint("idmap=uids=DISK-HOST-COUNT[#…];gids=DISK-HOST-COUNT[#…]; with `@` before it, HOST is an id of the container")
    };
    let (mut uids, mut gids) = (None, None);
    for part in given.split(';') {
        match part.split_once('=') {
            Some(("uids", runs)) if uids.is_none() => uids = Some(shift(runs).ok_or_else(wrong)?),
            Some(("gids", runs)) if gids.is_none() => gids = Some(shift(runs).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        }
    }
    let (uids, gids) = uids.zip(gids).ok_or_else(wrong)?;
    Ok(IdMapOption::Given { uids, gids })
}

fn shift(runs: &str) -> Option<Shift> {
    let (in_container, runs) = runs.strip_prefix('@').map_or((false, runs), |runs| (true, runs));
    let run = |run: &str| {
        let mut numbers = run.split('-').map(decimal);
        let run = (numbers.next()??, numbers.next()??, numbers.next()??);
        let fits = run.2 > 0 && run.0.checked_add(run.2).is_some() && run.1.checked_add(run.2).is_some();
        (fits && numbers.next().is_none()).then_some(run)
    };
    let runs = runs.split('#').map(run).collect::<Option<Vec<_>>>()?;
    Some(Shift { map: IdMap::of(&runs), in_container })
}

/// Whether the options fit the source; the first that does not is named.
pub fn check(mount: &Mount) -> Result<()> {
    let of_host = matches!(mount.source, MountSource::Bind { .. } | MountSource::Volume { .. });
    let options = &mount.options;
    let wrong = [
        ("O", options.overlay.is_some() && !of_host),
        ("idmap", options.idmap.is_some() && !of_host),
        ("U", options.chown && matches!(mount.source, MountSource::Devpts { .. })),
    ];
    if let Some((word, _)) = wrong.iter().find(|(_, wrong)| *wrong) {
        return Err(Error::usage(format!("`{word}` does not go with this type of mount")));
    }
    if options.overlay.is_some() && (options.idmap.is_some() || mount.propagation != Propagation::Rprivate) {
        return Err(Error::usage("`O` goes neither with `idmap` nor with mount propagation"));
    }
    Ok(())
}

/// The options as words, as `-v` takes them.
pub fn words(mount: &Mount) -> Vec<String> {
    let options = &mount.options;
    let mut words = Vec::new();
    if mount.read_only {
        words.push("ro".to_owned());
    }
    if let Some(overlay) = &options.overlay {
        words.push("O".into());
        if let Some((upper, work)) = &overlay.kept {
            words.push(format!("upperdir={}", upper.display()));
            words.push(format!("workdir={}", work.display()));
        }
    }
    if options.chown {
        words.push("U".into());
    }
    for (value, word) in [(options.exec, "exec"), (options.dev, "dev"), (options.suid, "suid")] {
        words.extend(value.map(|on| if on { word.to_owned() } else { format!("no{word}") }));
    }
    match &options.idmap {
        None => {}
        Some(IdMapOption::Container) => words.push("idmap".into()),
        Some(IdMapOption::Given { uids, gids }) => {
            let runs = |shift: &Shift| {
                let run = |extent: &Extent| format!("{}-{}-{}", extent.inside, extent.outside, extent.count);
                let runs: Vec<String> = shift.map.extents.iter().map(run).collect();
                format!("{}{}", if shift.in_container { "@" } else { "" }, runs.join("#"))
            };
            words.push(format!("idmap=uids={};gids={}", runs(uids), runs(gids)));
        }
    }
    if matches!(mount.source, MountSource::Volume { no_copy: true, .. }) {
        words.push("nocopy".into());
    }
    if mount.propagation != Propagation::Rprivate {
        words.push(mount.propagation.name().into());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(options: &[&str]) -> Result<Mount> {
        let mut mount = Mount::plain(MountSource::Bind { path: "/a".into() }, "/b".into());
        for option in options {
            assert!(apply(&mut mount, option)?, "{option}");
        }
        check(&mount).map(|()| mount)
    }

    #[test]
    fn options_are_read_and_written() {
        for (given, shown) in [
            (&["noexec", "dev", "nosuid", "Z"][..], &["noexec", "dev", "nosuid"][..]),
            (&["rshared", "cached"], &["rshared"]),
            (&["slave", "exec"], &["exec", "slave"]),
            (&["idmap"], &["idmap"]),
            (&["idmap=true"], &["idmap"]),
            (&["idmap=uids=0-1000-1#5-7-2;gids=@0-0-3"], &["idmap=uids=0-1000-1#5-7-2;gids=@0-0-3"]),
        ] {
            assert_eq!(words(&bind(given).unwrap()), shown, "{given:?}");
        }
        for (given, reason) in [
            (&["exec", "noexec"][..], "`noexec` and `exec` exclude each other"),
            (&["nosuid", "suid"], "exclude each other"),
            (&["unbindable"], "not supported"),
            (&["idmap=uids=0-1-1"], "not a map of ids"),
            (&["idmap=uids=0-1-0;gids=0-1-1"], "not a map of ids"),
            (&["idmap=uids=0-4294967295-1;gids=0-1-1"], "not a map of ids"),
            (&["idmap=uids=0-1-1-1;gids=0-1-1"], "not a map of ids"),
            (&["idmap=uids=0-1-1;uids=0-1-1"], "not a map of ids"),
        ] {
            let error = bind(given).unwrap_err();
            assert!(error.message().contains(reason), "{given:?}: {error}");
        }
        let mut mount = Mount::plain(MountSource::Bind { path: "/a".into() }, "/b".into());
        assert!(!apply(&mut mount, "frob").unwrap() && !apply(&mut mount, "exec=1").unwrap());
    }

    #[test]
    fn overlays_need_both_directories_or_none() {
        let path = || Some(PathBuf::from("/u"));
        assert_eq!(overlay(false, None, None).unwrap(), None);
        assert_eq!(overlay(true, None, None).unwrap(), Some(Overlay::default()));
        assert!(overlay(true, path(), path()).unwrap().unwrap().kept.is_some());
        assert!(overlay(true, path(), None).is_err() && overlay(false, path(), path()).is_err());
        let mut mount = Mount::plain(MountSource::Tmpfs { options: String::new(), flags: Vec::new() }, "/b".into());
        mount.options.overlay = Some(Overlay::default());
        assert!(check(&mount).unwrap_err().message().contains("`O` does not go"));
    }
}
