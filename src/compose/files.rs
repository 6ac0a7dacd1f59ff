//! The files that a project is read from. Only regular files are opened, and pipes that the command was given by number, as a
//! shell's `<(…)` gives them; and only so much of them is read.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use super::yaml::MAX_SIZE;
use crate::base::error::if_absent;
use crate::base::{Error, Kind, Result, ResultExt};

/// Where files are read from.
pub trait Files {
    /// The text of a file; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When it is no regular file, too large, no UTF-8, or cannot be read.
    fn read(&self, path: &Path) -> Result<Option<String>>;

    /// Whether a directory is there.
    fn is_directory(&self, path: &Path) -> bool;
}

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

impl Files for Machine {
    fn read(&self, path: &Path) -> Result<Option<String>> {
        // Without O_NONBLOCK, opening a FIFO waits until somebody writes to it.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let Some(file) = if_absent(opened).at(path, "cannot open")? else { return Ok(None) };
        let metadata = file.metadata().at(path, "cannot examine")?;
        if metadata.file_type().is_fifo() && (path.starts_with("/dev/fd") || path == Path::new("/dev/stdin")) {
            // Its writer may not have written yet.
            rustix::io::ioctl_fionbio(&file, false).at(path, "cannot set up")?;
        } else if !metadata.is_file() {
            let what = if metadata.is_dir() { "is a directory" } else { "is no regular file" };
            return Err(Error::new(Kind::Invalid, format!("`{}` {what}", path.display())));
        }
        text(file, &path.display().to_string()).map(Some)
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }
}

/// All of a file or a stream, as text.
///
/// # Errors
///
/// When it is too large, no UTF-8, or cannot be read.
pub fn text(source: impl Read, name: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let limit = MAX_SIZE as u64 + 1;
    source.take(limit).read_to_end(&mut bytes).context(|| format!("cannot read `{name}`"))?;
    if bytes.len() > MAX_SIZE {
        return Err(Error::invalid(format!("`{name}` is larger than {} MiB", MAX_SIZE >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid(format!("`{name}` is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn only_regular_files_are_read() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = |name: &str| scratch.path().join(name);
        std::fs::write(path("f"), "a: 1\n").unwrap();
        std::fs::write(path("binary"), b"\xff").unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::File::create(path("large")).unwrap().set_len(1 << 40).unwrap();
        let message = |name: &str| Machine.read(&path(name)).unwrap_err().chain();
        assert_eq!(Machine.read(&path("f")).unwrap().as_deref(), Some("a: 1\n"));
        assert_eq!(Machine.read(&path("none")).unwrap(), None);
        assert!(message("fifo").contains("is no regular file"), "and it does not wait for a writer");
        assert!(message("").contains("is a directory"));
        assert!(Machine.read(Path::new("/dev/zero")).unwrap_err().message().contains("no regular file"));
        let (reader, mut writer) = std::io::pipe().unwrap();
        let given = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let late = std::thread::spawn(move || std::io::Write::write_all(&mut writer, b"a: 2\n"));
        assert_eq!(Machine.read(Path::new(&given)).unwrap().as_deref(), Some("a: 2\n"));
        late.join().unwrap().unwrap();
        assert!(message("large").contains("larger than 8 MiB"));
        assert!(message("binary").contains("not UTF-8"));
    }
}
