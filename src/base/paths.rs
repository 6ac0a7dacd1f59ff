//! Where everything lives, decided once from the XDG variables by the command line and passed down.
//!
//! Data survives reboots, runtime does not, config is the user's. Nobody else joins these names.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Result, ResultExt};
use super::id::ContainerId;
use super::private;

/// Where the containers of build steps are, below the data directory.
const STEPS: &str = "build/steps";

/// The roots of coracle's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// `$XDG_DATA_HOME/coracle`: layers, images, containers, volumes.
    #[serde(with = "lossless")]
    pub data: PathBuf,
    /// `$XDG_RUNTIME_DIR/coracle`: sockets, and what a reboot should erase.
    #[serde(with = "lossless")]
    pub runtime: PathBuf,
    /// `$XDG_CONFIG_HOME`: `coracle/config.toml`, and what other tools keep there (`containers/…`).
    #[serde(with = "lossless")]
    pub config: PathBuf,
    /// The user's home directory, for `~/.docker/config.json`.
    #[serde(with = "lossless")]
    pub home: PathBuf,
}

impl Paths {
    /// The image store.
    pub fn store(&self) -> PathBuf {
        self.data.join("store")
    }

    /// All containers, one directory each.
    pub fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }

    /// The directory of one container.
    pub fn container(&self, id: &ContainerId) -> PathBuf {
        self.containers().join(id.as_str())
    }

    /// One symbolic link for each container name, to its directory.
    pub fn names(&self) -> PathBuf {
        self.data.join("names")
    }

    /// Volumes, one directory each.
    pub fn volumes(&self) -> PathBuf {
        self.data.join("volumes")
    }

    /// Secrets, one directory each.
    pub fn secrets(&self) -> PathBuf {
        self.data.join("secrets")
    }

    /// Definitions of networks, one file each, below [`Self::data`].
    pub fn networks_in(data: &Path) -> PathBuf {
        Self::data_of_user(data).join("networks")
    }

    /// Logs of our own processes, below [`Self::data`].
    pub fn logs_in(data: &Path) -> PathBuf {
        data.join("logs")
    }

    /// Records of pods.
    pub fn pods(&self) -> PathBuf {
        self.data.join("pods")
    }

    /// Directories being made; whatever is here after a crash is garbage.
    pub fn staging(&self) -> PathBuf {
        self.data.join("staging")
    }

    /// Directories being deleted.
    pub fn trash(&self) -> PathBuf {
        self.data.join("trash")
    }

    /// The same places for containers that are steps of builds: no command that lists or finds containers looks there.
    /// Networks are those of all, and so is whatever a reboot erases.
    pub fn build_steps(&self) -> Self {
        Self { data: self.data.join(STEPS), ..self.clone() }
    }

    /// The data directory of the user, from one that may be that of build steps.
    pub fn data_of_user(data: &Path) -> &Path {
        match data.parent() {
            Some(parent) if data.ends_with(STEPS) => parent.parent().unwrap_or(parent),
            _ => data,
        }
    }

    /// The control socket of one container's supervisor. Half the id keeps the address within the 108 bytes of unix(7).
    pub fn container_socket(&self, id: &ContainerId) -> PathBuf {
        self.runtime.join("containers").join(&id.as_str()[..32])
    }

    /// Records of the processes that keep the user's outer user namespace.
    pub fn keepers(&self) -> PathBuf {
        self.runtime.join("keepers")
    }

    /// Fails when another user owns one of the two roots or could exchange what is in it. What is not there yet is fine:
    /// it is made for the user alone, and [`Self::ensure`] looks again.
    pub fn check(&self) -> Result<()> {
        private::check_directory(&self.data, "XDG_DATA_HOME")?;
        private::check_directory(&self.runtime, "XDG_RUNTIME_DIR")
    }

    /// Makes the directories that containers need, and checks that they are the user's alone. A few system calls when they
    /// are there already.
    pub fn ensure(&self) -> Result<()> {
        if self.names().is_dir() && self.keepers().is_dir() {
            return self.check();
        }
        private_dir(&self.data)?;
        private_dir(&self.runtime)?;
        self.check()?;
        for directory in [
            self.containers(),
            self.volumes(),
            self.staging(),
            self.trash(),
            self.runtime.join("containers"),
            self.keepers(),
            self.names(),
        ] {
            private_dir(&directory)?;
        }
        // Containers come and go: file systems that can shall not make each next to what was just deleted.
        let _ = crate::sys::placement::spread_children(&self.staging());
        Ok(())
    }
}

/// Serde for a path of any bytes; serde's own refuses what is not UTF-8.
pub mod lossless {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// For `#[serde(with)]`.
    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().serialize(serializer)
    }

    /// For `#[serde(with)]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        OsString::deserialize(deserializer).map(PathBuf::from)
    }
}

/// As [`lossless`], for a list of paths.
pub mod lossless_list {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serializer};

    /// For `#[serde(with)]`.
    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().map(|path| path.as_os_str()))
    }

    /// For `#[serde(with)]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        Ok(Vec::<OsString>::deserialize(deserializer)?.into_iter().map(PathBuf::from).collect())
    }
}

/// Makes `path` and its missing parents, for the user alone (0700).
pub fn private_dir(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).at(path, "cannot create the directory").map_err(|error| {
        match error.errno() {
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => error.hint(
                "this directory must be writable by you: correct its owner and mode, or point XDG_DATA_HOME and XDG_RUNTIME_DIR elsewhere; `coracle doctor` checks them",
            ),
            _ => error,
        }
    })
}
