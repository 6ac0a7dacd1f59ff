//! The units that come with coracle, and how they are put into the user's directory of units: for users whose machine has
//! no package of coracle.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::base::error::if_absent;
use crate::base::publish::{self, Durability};
use crate::base::{Result, ResultExt};

/// A unit of `contrib/systemd/user`.
#[derive(Debug, Clone, Copy)]
pub struct Unit {
    /// Its file name.
    pub name: &'static str,
    /// What it says.
    content: &'static str,
    /// The target that starts it; none for one that others start.
    target: Option<&'static str>,
    /// Whether it is started by itself only if that was asked for.
    on_demand: bool,
}

/// All of them.
pub const UNITS: &[Unit] = &[
    Unit {
        name: "coracle-wait-network.service",
        content: include_str!("../../contrib/systemd/user/coracle-wait-network.service"),
        target: None,
        on_demand: false,
    },
    Unit {
        name: "coracle-quadlet.service",
        content: include_str!("../../contrib/systemd/user/coracle-quadlet.service"),
        target: Some("default.target"),
        on_demand: false,
    },
    Unit {
        name: "coracle-restart.service",
        content: include_str!("../../contrib/systemd/user/coracle-restart.service"),
        target: Some("default.target"),
        on_demand: false,
    },
    Unit {
        name: "coracle-auto-update.service",
        content: include_str!("../../contrib/systemd/user/coracle-auto-update.service"),
        target: None,
        on_demand: false,
    },
    Unit {
        name: "coracle-auto-update.timer",
        content: include_str!("../../contrib/systemd/user/coracle-auto-update.timer"),
        target: Some("timers.target"),
        on_demand: true,
    },
];

/// Where systemd looks for generators of users' units. There is none of these below the home directory.
pub const GENERATORS: &[&str] = &[
    "/run/systemd/user-generators",
    "/etc/systemd/user-generators",
    "/usr/local/lib/systemd/user-generators",
    "/usr/lib/systemd/user-generators",
];

/// Where the administrator's generator is, if there is one.
pub fn generator(name: &str) -> Option<PathBuf> {
    GENERATORS.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.exists())
}

impl Unit {
    /// What it says, with the path of this program.
    pub fn text(&self, program: &Path) -> String {
        self.content.replace("/usr/bin/coracle", &super::words::quote(&program.display().to_string()))
    }

    fn link(&self, directory: &Path) -> Option<PathBuf> {
        self.target.map(|target| directory.join(format!("{target}.wants")).join(self.name))
    }
}

/// Writes the units into the user's directory and links those that are to start with the session. Says their names.
/// `generator`: systemd runs the generator itself, and the service that does it is not needed.
pub fn install(directory: &Path, program: &Path, auto_update: bool, generator: bool) -> Result<Vec<&'static str>> {
    fs::create_dir_all(directory).at(directory, "cannot create the directory")?;
    let mut written = Vec::new();
    for unit in UNITS {
        if generator && unit.name == "coracle-quadlet.service" {
            continue;
        }
        publish::file(&directory.join(unit.name), unit.text(program).as_bytes(), Durability::Durable)?;
        written.push(unit.name);
        let Some(link) = unit.link(directory).filter(|_| !unit.on_demand || auto_update) else { continue };
        if let Some(parent) = link.parent() {
            fs::create_dir_all(parent).at(parent, "cannot create the directory")?;
        }
        if_absent(fs::remove_file(&link)).at(&link, "cannot replace")?;
        symlink(Path::new("..").join(unit.name), &link).at(&link, "cannot make the link")?;
    }
    Ok(written)
}

/// Removes the units and their links, and the directories that this leaves empty. Says their names.
pub fn remove(directory: &Path) -> Result<Vec<&'static str>> {
    let mut removed = Vec::new();
    for unit in UNITS {
        if let Some(link) = unit.link(directory) {
            if_absent(fs::remove_file(&link)).at(&link, "cannot remove")?;
            if let Some(parent) = link.parent() {
                // Not empty: other units are wanted by the target.
                let _ = fs::remove_dir(parent);
            }
        }
        let path = directory.join(unit.name);
        if if_absent(fs::remove_file(&path)).at(&path, "cannot remove")?.is_some() {
            removed.push(unit.name);
        }
    }
    let _ = fs::remove_dir(directory);
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use crate::units::unit_file::UnitFile;

    #[test]
    fn what_is_installed_goes_again() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let directory = scratch.path().join("systemd/user");
        let written = install(&directory, Path::new("/opt/my coracle"), true, false).unwrap();
        assert_eq!(written.len(), UNITS.len());
        assert_eq!(install(&directory, Path::new("/opt/my coracle"), true, false).unwrap().len(), UNITS.len(), "again");
        let restart = fs::read_to_string(directory.join("coracle-restart.service")).unwrap();
        assert!(restart.contains("ExecStart=\"/opt/my coracle\" start --all"), "{restart}");
        assert!(directory.join("timers.target.wants/coracle-auto-update.timer").exists());
        fs::write(directory.join("default.target.wants/mine.service"), "").unwrap();
        assert_eq!(remove(&directory).unwrap().len(), UNITS.len());
        let left: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["default.target.wants"]);
        fs::remove_file(directory.join("default.target.wants/mine.service")).unwrap();
        fs::remove_dir(directory.join("default.target.wants")).unwrap();
        let written = install(&directory, Path::new("/usr/bin/coracle"), false, true).unwrap();
        assert!(!written.contains(&"coracle-quadlet.service"));
        assert!(!directory.join("timers.target.wants").exists());
        remove(&directory).unwrap();
        assert!(!directory.exists());
    }

    #[test]
    fn the_units_are_right() {
        for unit in UNITS {
            let read = UnitFile::parse(unit.content, Path::new(unit.name)).unwrap();
            assert!(read.value("Unit", "Description").is_some(), "{}", unit.name);
            assert_eq!(read.value("Install", "WantedBy"), unit.target, "{}", unit.name);
        }
        let listed: Vec<&str> = UNITS.iter().map(|unit| unit.name).collect();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd/user");
        for entry in fs::read_dir(directory).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            assert!(listed.contains(&name.as_str()), "{name} is not installed");
        }
    }
}
