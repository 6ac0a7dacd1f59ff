//! The only place that reads the environment: variables, and the directories that follow from them.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use crate::base::{Error, Kind, Paths, Result, ResultExt};

/// The variables the program was started with, as far as they are UTF-8.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

/// Directories given on the command line.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// `--root`: instead of `$XDG_DATA_HOME/coracle`.
    pub data: Option<PathBuf>,
    /// `--runroot`: instead of `$XDG_RUNTIME_DIR/coracle`.
    pub runtime: Option<PathBuf>,
}

impl Environment {
    /// The process's own.
    pub fn of_process() -> Self {
        let utf8 =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { variables: utf8.collect() }
    }

    /// One made of `variables`, for tests.
    #[cfg(test)]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self { variables: variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect() }
    }

    /// The value of a variable; an empty one counts as a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// All variables.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// A variable that names a path, when it is set and absolute.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Where everything lives. Fails where that is not the user's alone.
    pub fn paths(&self, chosen: &Chosen) -> Result<Paths> {
        let uid = nix::unistd::geteuid().as_raw();
        let (home, data, config) = self.base(uid)?;
        let runtime = match &chosen.runtime {
            Some(runtime) => runtime.clone(),
            None => runtime(self.path("XDG_RUNTIME_DIR").as_deref(), Path::new("/run/user"), Path::new("/tmp"), uid)?,
        };
        let paths = Paths { data: chosen.data.clone().unwrap_or_else(|| data.join("coracle")), runtime, config, home };
        // Before anything is read there. What is made later, `Paths::ensure` checks again.
        paths.check()?;
        Ok(paths)
    }

    /// coracle's own configuration file, which need not exist.
    pub fn configuration(&self) -> Result<PathBuf> {
        Ok(self.config_directory()?.join("coracle/config.toml"))
    }

    /// The user's directory of configurations: `$XDG_CONFIG_HOME`.
    pub fn config_directory(&self) -> Result<PathBuf> {
        Ok(self.base(nix::unistd::geteuid().as_raw())?.2)
    }

    /// Home, data and configuration directory. Without `HOME` the password file is read by hand: the C library's own
    /// look-up may load modules, which a static executable must not.
    fn base(&self, uid: u32) -> Result<(PathBuf, PathBuf, PathBuf)> {
        if let (Some(_), Some(base)) = (self.path("HOME"), BaseDirs::new()) {
            return Ok((base.home_dir().into(), base.data_dir().into(), base.config_dir().into()));
        }
        let passwd = fs::read_to_string("/etc/passwd").at(Path::new("/etc/passwd"), "cannot read")?;
        let home = home_of(&passwd, uid)
            .ok_or_else(|| Error::system("no home directory is known").hint("set HOME to a directory of yours"))?;
        let directory = |variable, default| self.path(variable).unwrap_or_else(|| home.join(default));
        Ok((home.clone(), directory("XDG_DATA_HOME", ".local/share"), directory("XDG_CONFIG_HOME", ".config")))
    }
}

/// The home directory in the text of passwd(5).
fn home_of(passwd: &str, uid: u32) -> Option<PathBuf> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.get(2).and_then(|text| text.parse().ok()) == Some(uid))?;
    line.get(5).map(PathBuf::from).filter(|home| home.is_absolute())
}

/// Where sockets go. `$XDG_RUNTIME_DIR`, unless it belongs to somebody else (it survives `su`); else the directory that
/// a login would have set, if it is there; else a private one in `/tmp`, as podman does.
fn runtime(xdg: Option<&Path>, run_user: &Path, tmp: &Path, uid: u32) -> Result<PathBuf> {
    if let Some(xdg) = xdg
        && owner(xdg).is_none_or(|owner| owner == uid)
    {
        return Ok(xdg.join("coracle"));
    }
    let login = run_user.join(uid.to_string());
    if owner(&login) == Some(uid) {
        return Ok(login.join("coracle"));
    }
    private(&tmp.join(format!("coracle-{uid}")), uid)
}

/// The owner of the directory; `None` when it is not there.
fn owner(directory: &Path) -> Option<u32> {
    fs::metadata(directory).ok().map(|metadata| metadata.uid())
}

/// Makes a directory in a place where others may make directories too, or checks that it is ours alone.
fn private(directory: &Path, uid: u32) -> Result<PathBuf> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).at(directory, "cannot create the directory");
        }
        _ => {}
    }
    let metadata = fs::symlink_metadata(directory).at(directory, "cannot examine")?;
    if metadata.is_dir() && metadata.uid() == uid && metadata.mode() & 0o077 == 0 {
        return Ok(directory.to_owned());
    }
    Err(Error::new(Kind::Denied, format!("`{}` is not a private directory of this user", directory.display()))
        .hint("remove it, or set XDG_RUNTIME_DIR to a directory of yours"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn sockets_go_to_a_directory_that_is_ours() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let uid = nix::unistd::geteuid().as_raw();
        let (run, tmp) = (scratch.path().join("run"), scratch.path().join("tmp"));
        fs::create_dir(&tmp).unwrap();
        let xdg = scratch.path().join("xdg");
        let pick = |xdg: Option<&Path>, uid| runtime(xdg, &run, &tmp, uid);
        assert_eq!(pick(Some(&xdg), uid).unwrap(), xdg.join("coracle"), "not there yet: it will be made");
        let fallback = tmp.join(format!("coracle-{uid}"));
        assert_eq!(pick(None, uid).unwrap(), fallback);
        assert_eq!(fs::metadata(&fallback).unwrap().mode() & 0o777, 0o700);
        assert_eq!(pick(None, uid).unwrap(), fallback, "again");
        let login = run.join(uid.to_string());
        fs::create_dir_all(&login).unwrap();
        assert_eq!(pick(None, uid).unwrap(), login.join("coracle"));
        fs::remove_dir(&login).unwrap();
        fs::set_permissions(&fallback, fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(pick(None, uid).unwrap_err().kind(), Kind::Denied, "others may enter");
        fs::remove_dir(&fallback).unwrap();
        symlink(scratch.path(), &fallback).unwrap();
        assert_eq!(pick(None, uid).unwrap_err().kind(), Kind::Denied, "a link");
        fs::create_dir(&xdg).unwrap();
        assert!(pick(Some(&xdg), uid + 1).is_err(), "somebody else's XDG_RUNTIME_DIR is not used");
    }

    #[test]
    fn home_is_found_in_the_password_file() {
        let passwd = "root:x:0:0::/root:/bin/sh\n\nann:x:1000:1000:Ann,,,:/home/ann:/bin/sh\nbad:x:7\n";
        assert_eq!(home_of(passwd, 1000), Some("/home/ann".into()));
        assert_eq!(home_of(passwd, 7), None);
    }

    #[test]
    fn a_path_must_be_absolute() {
        let environment = Environment::of(&[("A", "relative"), ("B", "/absolute"), ("C", "")]);
        assert_eq!((environment.path("A"), environment.path("B")), (None, Some("/absolute".into())));
        assert_eq!((environment.get("C"), environment.get("D")), (Some(""), None));
    }
}
