//! Pipes, `/dev/null` and the standard streams: the one way to make and to replace them. Every new descriptor is closed on
//! exec.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::{Result, ResultExt};

/// A pipe: its end for reading and the one for writing.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe().context(|| "cannot make a pipe")?;
    Ok((reader.into(), writer.into()))
}

/// `/dev/null`, for reading and writing.
pub fn null() -> Result<OwnedFd> {
    let null = File::options().read(true).write(true).open("/dev/null");
    null.map(OwnedFd::from).context(|| "cannot open `/dev/null`")
}

/// Makes these the standard streams of this process.
pub fn take(stdin: impl AsFd, stdout: impl AsFd, stderr: impl AsFd) -> io::Result<()> {
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;
    Ok(())
}

/// Puts `/dev/null` in the place of the standard streams: this process keeps nothing of its caller's open.
pub fn leave() -> Result<()> {
    let null = null()?;
    take(&null, &null, &null).context(|| "cannot leave the standard streams")
}
