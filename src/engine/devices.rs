//! `--device`: what is named on the host must be there. A directory stands for the devices in it, and a pattern for those
//! that fit it.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::spec::security::Device;

/// The most devices in a directory.
const MOST: usize = 256;

/// The devices behind what was asked for, each of which exists now.
pub(super) fn expand(asked: &[Device]) -> Result<Vec<Device>> {
    let mut devices = Vec::new();
    let asked: Vec<Device> = asked.iter().map(fitting).collect::<Result<Vec<_>>>()?.concat();
    for device in &asked {
        let shown = device.host.display();
        let failed = || format!("error gathering device information while adding custom device \"{shown}\"");
        let kind = fs::metadata(&device.host).context(failed).map_err(|error| match error.errno() {
            Some(libc::ENOENT) => error.with_kind(Kind::NotFound),
            _ => error,
        })?;
        if kind.is_dir() {
            let before = devices.len();
            for entry in fs::read_dir(&device.host).context(failed)? {
                let entry = entry.context(failed)?;
                let is_device = fs::metadata(entry.path()).is_ok_and(|kind| is_device(kind.file_type()));
                if let (true, Some(name)) = (is_device, entry.file_name().to_str()) {
                    let path = format!("{}/{name}", device.path.trim_end_matches('/'));
                    devices.push(Device { host: entry.path(), path });
                }
                if devices.len() - before > MOST {
                    return Err(Error::usage(format!("there are more than {MOST} devices in `{shown}`")));
                }
            }
        } else if is_device(kind.file_type()) {
            devices.push(device.clone());
        } else {
            return Err(Error::usage(format!("{}: not a device node", failed()))
                .hint("`-v` and `--mount` give a container other files"));
        }
    }
    Ok(devices)
}

/// The devices that fit a pattern: under their own names, or in the directory of the container that is named.
fn fitting(device: &Device) -> Result<Vec<Device>> {
    let Some(pattern) = device.host.to_str().filter(|path| path.contains(['*', '?', '['])) else {
        return Ok(vec![device.clone()]);
    };
    // A device may be called so.
    if device.host.exists() {
        return Ok(vec![device.clone()]);
    }
    let shown = text::clean(pattern);
    let wrong = |error: glob::PatternError| Error::usage(format!("invalid pattern `{shown}`: {}", error.msg));
    let paths = glob::glob(pattern).map_err(wrong)?.filter_map(std::result::Result::ok);
    let paths = paths.filter(|path| fs::metadata(path).is_ok_and(|kind| is_device(kind.file_type())));
    let mut found = Vec::new();
    for host in paths.take(MOST + 1) {
        let (Some(own), Some(name)) = (host.to_str(), host.file_name().and_then(|name| name.to_str())) else {
            continue;
        };
        let path = match device.path == pattern {
            true => own.to_owned(),
            false => format!("{}/{name}", device.path.trim_end_matches('/')),
        };
        found.push(Device { path, host });
    }
    match found.len() {
        0 => Err(Error::not_found(format!("no device fits the pattern `{shown}`"))),
        1..=MOST => Ok(found),
        _ => Err(Error::usage(format!("more than {MOST} devices fit the pattern `{shown}`"))),
    }
}

fn is_device(kind: fs::FileType) -> bool {
    kind.is_char_device() || kind.is_block_device()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn a_directory_stands_for_its_devices() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        fs::write(scratch.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("/dev/null", scratch.path().join("nothing")).unwrap();
        let device = |host: &std::path::Path, path: &str| Device { host: host.into(), path: path.into() };
        let found = expand(&[device(scratch.path(), "/dev/x/"), device("/dev/zero".as_ref(), "/dev/z")]).unwrap();
        let names: Vec<&str> = found.iter().map(|device| device.path.as_str()).collect();
        assert_eq!(names, ["/dev/x/nothing", "/dev/z"]);
        let refused = |path: &str| expand(&[device(&scratch.path().join(path), "/dev/x")]).unwrap_err();
        assert_eq!(refused("absent").kind(), Kind::NotFound);
        assert!(refused("file").message().contains("not a device node"));
        let pattern = format!("{}/no*g", scratch.path().display());
        let found =
            expand(&[device(pattern.as_ref(), "/dev/y"), device("/dev/zer[o]".as_ref(), "/dev/zer[o]")]).unwrap();
        let names: Vec<&str> = found.iter().map(|device| device.path.as_str()).collect();
        assert_eq!(names, ["/dev/y/nothing", "/dev/zero"]);
        assert!(refused("fil*").message().contains("no device fits"));
    }
}
