//! Where files go: the runtime and data directories, free space, and overlayfs on the data directory's file system.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use rustix::fs::StatVfsMountFlags;

use super::Check;
use super::machine::{Machine, shell_path};
use super::probe::{Refusal, errno_of, in_child, map_root, private_mounts, unshare_user};
use crate::base::Paths;
use crate::base::paths::private_dir;

const RUNTIME: &str = "runtime directory";
const DATA: &str = "data directory";
const SPACE: &str = "disk space";
const OVERLAY: &str = "overlayfs";

/// All checks of this file.
pub fn all(paths: &Paths, machine: &Machine) -> Vec<Check> {
    let mut checks = vec![runtime(paths, machine)];
    match writable(paths) {
        Ok(()) => {
            checks.push(judge_data(&paths.data, mount_flags(&paths.data)));
            checks.push(space(&paths.data));
            checks.push(overlay(paths, machine));
        }
        Err(error) => {
            checks.push(judge_unwritable(&paths.data, &error, machine));
            checks.push(Check::failed(OVERLAY, "not tried: needs the data directory"));
        }
    }
    checks
}

/// File systems by the number in statfs(2), `linux/magic.h`: those whose names are worth saying.
const FILE_SYSTEMS: [(u64, &str); 14] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0xf15f, "eCryptfs"),
    (0x0102_1994, "tmpfs"),
    (0x2fc1_2fc1, "ZFS"),
    (0x794c_7630, "overlayfs"),
    (0xef53, "ext4"),
    (0x9123_683e, "btrfs"),
    (0x5846_5342, "XFS"),
    (0xf2f5_2010, "F2FS"),
    (0x4d44, "FAT"),
];

/// The name of the file system that a path is on.
fn file_system(path: &Path) -> String {
    match rustix::fs::statfs(path) {
        Ok(system) => {
            let magic = system.f_type as u64 & 0xffff_ffff;
            let name = FILE_SYSTEMS.iter().find(|(number, _)| *number == magic);
            name.map_or_else(|| format!("file system {magic:#x}"), |(_, name)| (*name).to_owned())
        }
        Err(_) => "unknown file system".to_owned(),
    }
}

/// What is wrong with the runtime directory matters only for what a reboot should erase.
fn runtime(paths: &Paths, machine: &Machine) -> Check {
    let own = |path: &Path| fs::metadata(path).ok().filter(|file| file.is_dir());
    let parent = paths.runtime.parent().unwrap_or(&paths.runtime);
    // What XDG_RUNTIME_DIR names is the parent; where it is shared (/tmp), our own directory in it counts.
    let Some((directory, file)) = [parent, &paths.runtime].into_iter().find_map(|path| {
        own(path)
            .filter(|file| path != parent || file.uid() == machine.uid || !paths.runtime.exists())
            .map(|file| (path, file))
    }) else {
        return Check::failed(RUNTIME, format!("`{}` does not exist", parent.display())).fix(runtime_fix(machine));
    };
    judge_runtime(directory, file.uid(), file.permissions().mode(), &file_system(directory), machine)
}

/// The command that gives the user a runtime directory.
fn runtime_fix(machine: &Machine) -> String {
    match Path::new("/run/systemd/system").is_dir() {
        true => format!(
            "sudo loginctl enable-linger {0} && export XDG_RUNTIME_DIR=/run/user/{1}",
            machine.user(),
            machine.uid
        ),
        false => {
            format!("sudo install -d -m 700 -o {0} /run/user/{0} && export XDG_RUNTIME_DIR=/run/user/{0}", machine.uid)
        }
    }
}

fn judge_runtime(directory: &Path, owner: u32, mode: u32, file_system: &str, machine: &Machine) -> Check {
    let shown = directory.display();
    if owner != machine.uid {
        return Check::failed(RUNTIME, format!("`{shown}` belongs to uid {owner}, not to you (uid {})", machine.uid))
            .fix(runtime_fix(machine));
    }
    if mode & 0o700 != 0o700 {
        return Check::failed(RUNTIME, format!("you may not write to `{shown}` (mode {:o})", mode & 0o7777))
            .fix(format!("chmod 700 {}", shell_path(directory)));
    }
    if mode & 0o077 != 0 {
        return Check::warning(RUNTIME, format!("`{shown}` is open to other users (mode {:o})", mode & 0o7777))
            .fix(format!("chmod 700 {}", shell_path(directory)));
    }
    if file_system != "tmpfs" {
        return Check::warning(
            RUNTIME,
            format!("`{shown}` is on {file_system}, which a reboot does not empty; a tmpfs is expected"),
        )
        .fix(runtime_fix(machine));
    }
    Check::ok(RUNTIME, format!("`{shown}`, private, on tmpfs"))
}

/// Makes the data directory as any command would, and a file in it.
fn writable(paths: &Paths) -> io::Result<()> {
    let of_errno = |error: crate::base::Error| io::Error::from_raw_os_error(error.errno().unwrap_or(libc::EIO));
    private_dir(&paths.staging()).map_err(of_errno)?;
    let file = paths.staging().join(format!("doctor-{}", std::process::id()));
    fs::write(&file, b"x")?;
    fs::remove_file(&file)
}

fn judge_unwritable(data: &Path, error: &io::Error, machine: &Machine) -> Check {
    let (errno, shown) = (errno_of_ref(error), data.display());
    let check = Check::failed(DATA, format!("cannot write to `{shown}` ({})", errno.desc().to_lowercase()));
    match errno {
        Errno::EROFS => check.fix(format!("export XDG_DATA_HOME=/var/tmp/{}", machine.user())),
        Errno::ENOSPC | Errno::EDQUOT => check.fix("df -h ~; du -xh --max-depth=2 ~ | sort -h | tail"),
        // Never a recursive change of anything but our own directory.
        _ if data.is_dir() => {
            check.fix(format!("sudo chown -R {} {1} && chmod u+rwx {1}", machine.uid, shell_path(data)))
        }
        _ => check.fix(format!("sudo install -d -m 700 -o {} {}", machine.uid, shell_path(data))),
    }
}

fn errno_of_ref(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

fn mount_flags(path: &Path) -> StatVfsMountFlags {
    rustix::fs::statvfs(path).map_or(StatVfsMountFlags::empty(), |system| system.f_flag)
}

/// A file system that takes files may still not let them run.
fn judge_data(data: &Path, flags: StatVfsMountFlags) -> Check {
    let (shown, target) = (data.display(), format!("\"$(df --output=target {} | tail -1)\"", shell_path(data)));
    if flags.contains(StatVfsMountFlags::NOEXEC) {
        return Check::failed(DATA, format!("`{shown}` is mounted noexec: no program of an image would start"))
            .fix(format!("sudo mount -o remount,exec {target}"));
    }
    if flags.contains(StatVfsMountFlags::NOSUID) {
        return Check::warning(DATA, format!("`{shown}` is mounted nosuid: sudo and su do not work in containers"))
            .fix(format!("sudo mount -o remount,suid {target}"));
    }
    Check::ok(DATA, format!("`{shown}` is writable, on {}", file_system(data)))
}

/// Free bytes and inodes.
fn space(data: &Path) -> Check {
    match rustix::fs::statvfs(data) {
        Ok(system) => judge_space(
            system.f_bavail.saturating_mul(system.f_frsize),
            // Zero inodes in all means that the file system does not count them (btrfs).
            (system.f_files > 0).then_some(system.f_favail),
        ),
        Err(errno) => Check::warning(SPACE, format!("cannot tell: {errno}")),
    }
}

fn judge_space(bytes: u64, inodes: Option<u64>) -> Check {
    let mib = bytes >> 20;
    let free = if mib >= 10 << 10 { format!("{} GiB", mib >> 10) } else { format!("{mib} MiB") };
    let fix = "coracle ps -a; coracle images   # then `coracle rm` and `coracle rmi` what you do not need";
    match (mib, inodes) {
        (0..100, _) => Check::failed(SPACE, format!("only {free} left: no image can be unpacked")).fix(fix),
        (_, Some(0..1_000)) => Check::failed(SPACE, "no inodes left: no image can be unpacked").fix(fix),
        (100..2_048, _) => Check::warning(SPACE, format!("only {free} left: large images will not fit")).fix(fix),
        (_, Some(inodes @ 0..50_000)) => {
            Check::warning(SPACE, format!("only {inodes} inodes left: large images will not fit")).fix(fix)
        }
        _ => Check::ok(SPACE, format!("{free} free")),
    }
}

const MOUNT: &str = "mount an overlay";
const USE: &str = "delete and replace through an overlay";

/// Mounts an overlay on directories of the data file system, and uses it.
fn overlay(paths: &Paths, machine: &Machine) -> Check {
    let trial = paths.staging().join(format!("doctor-overlay-{}", std::process::id()));
    let result = prepare(&trial).map(|()| try_overlay(&trial, machine));
    // Files of the trial belong to this user, its namespace maps no other; overlayfs makes its own directory unreadable.
    let _ = fs::set_permissions(trial.join("work/work"), fs::Permissions::from_mode(0o700));
    let _ = fs::remove_dir_all(&trial);
    match result {
        Ok(Ok(refusal)) => judge_overlay(refusal, &file_system(&paths.data), machine),
        Ok(Err(error)) => Check::failed(OVERLAY, format!("cannot start a process to try: {error}")),
        Err(error) => Check::failed(OVERLAY, format!("cannot prepare a trial: {error}")),
    }
}

/// A lower layer with a file and a directory, and what else an overlay needs.
fn prepare(trial: &Path) -> io::Result<()> {
    for name in ["lower/directory", "upper", "work", "merged"] {
        fs::create_dir_all(trial.join(name))?;
    }
    fs::write(trial.join("lower/file"), b"below")?;
    fs::write(trial.join("lower/directory/old"), b"below")
}

fn try_overlay(trial: &Path, machine: &Machine) -> io::Result<Option<Refusal>> {
    let (uid, gid) = (machine.uid, machine.gid);
    let merged = trial.join("merged");
    // Names in options may not hold `,` or `:`; relative ones of a fixed form cannot.
    let go_there = || nix::unistd::chdir(trial);
    in_child(&[
        ("make a user namespace", &unshare_user),
        ("map root in a user namespace", &|| map_root(uid, gid)),
        (MOUNT, &|| {
            private_mounts()?;
            go_there()?;
            let options = "userxattr,lowerdir=lower,upperdir=upper,workdir=work";
            mount(Some("overlay"), "merged", Some("overlay"), MsFlags::empty(), Some(options))
        }),
        (USE, &|| use_overlay(&merged).map_err(errno_of)),
    ])
}

/// A deleted file must be gone, a replaced directory empty, a changed file changed.
fn use_overlay(merged: &Path) -> io::Result<()> {
    let file: PathBuf = merged.join("file");
    fs::write(&file, b"above")?;
    fs::remove_file(&file)?;
    fs::remove_dir_all(merged.join("directory"))?;
    fs::create_dir(merged.join("directory"))?;
    match file.exists() || fs::read_dir(merged.join("directory"))?.next().is_some() {
        true => Err(io::Error::from_raw_os_error(libc::EIO)),
        false => Ok(()),
    }
}

fn judge_overlay(refusal: Option<Refusal>, file_system: &str, machine: &Machine) -> Check {
    let Some(refusal) = refusal else {
        return Check::ok(OVERLAY, format!("works in a user namespace on {file_system}"));
    };
    if refusal.step != MOUNT && refusal.step != USE {
        return Check::failed(OVERLAY, "not tried: needs user namespaces");
    }
    let what = format!("{} on {file_system}", refusal.sentence());
    let elsewhere = format!(
        "export XDG_DATA_HOME=/var/tmp/{}   # or another directory on a local ext4, XFS or btrfs",
        machine.user()
    );
    match refusal.errno {
        Some(Errno::ENODEV) => Check::failed(OVERLAY, format!("{what}: the kernel module is not loaded"))
            .fix("sudo modprobe overlay && echo overlay | sudo tee /etc/modules-load.d/overlay.conf"),
        Some(Errno::EPERM) => {
            Check::failed(OVERLAY, format!("{what}: the kernel or a security module forbids it in user namespaces"))
        }
        _ => Check::failed(OVERLAY, format!("{what}: this file system cannot hold an overlay's upper directory"))
            .fix(elsewhere),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::machine::tests::someone;
    use super::*;

    #[test]
    fn runtime_directories() {
        let judge =
            |owner, mode, file_system| judge_runtime(Path::new("/run/user/1000"), owner, mode, file_system, &someone());
        assert_eq!(judge(1000, 0o40700, "tmpfs").status, Status::Ok);
        assert_eq!(judge(0, 0o40700, "tmpfs").status, Status::Failed);
        assert_eq!(judge(1000, 0o40755, "tmpfs").fix.as_deref(), Some("chmod 700 /run/user/1000"));
        assert!(judge(1000, 0o40700, "ext4").detail.contains("is on ext4"));
        assert!(runtime_fix(&someone()).ends_with("export XDG_RUNTIME_DIR=/run/user/1000"));
    }

    #[test]
    fn data_directories() {
        let judge = |flags| judge_data(Path::new("/nowhere/at all"), flags);
        assert_eq!(judge(StatVfsMountFlags::empty()).status, Status::Ok);
        let noexec = judge(StatVfsMountFlags::NOEXEC | StatVfsMountFlags::NOSUID);
        assert_eq!(noexec.status, Status::Failed);
        assert!(noexec.fix.unwrap().contains("'/nowhere/at all'"));
        assert_eq!(judge(StatVfsMountFlags::NOSUID).status, Status::Warning);
        for (errno, fix) in [
            (libc::EACCES, "sudo install -d -m 700 -o 1000 /nowhere/x"),
            (libc::EROFS, "export XDG_DATA_HOME=/var/tmp/me"),
            (libc::ENOSPC, "df -h ~"),
        ] {
            let check = judge_unwritable(Path::new("/nowhere/x"), &io::Error::from_raw_os_error(errno), &someone());
            assert_eq!(check.status, Status::Failed);
            assert!(check.fix.unwrap().starts_with(fix));
        }
        let existing = judge_unwritable(Path::new("/proc"), &io::Error::from_raw_os_error(libc::EACCES), &someone());
        assert_eq!(existing.fix.as_deref(), Some("sudo chown -R 1000 /proc && chmod u+rwx /proc"));
    }

    #[test]
    fn space_is_bytes_and_inodes() {
        let gib = 1 << 30;
        for (bytes, inodes, status) in [
            (50 * gib, Some(1 << 20), Status::Ok),
            (50 * gib, None, Status::Ok),
            (gib, None, Status::Warning),
            (50 << 20, None, Status::Failed),
            (50 * gib, Some(10), Status::Failed),
            (50 * gib, Some(10_000), Status::Warning),
        ] {
            assert_eq!(judge_space(bytes, inodes).status, status, "{bytes} {inodes:?}");
        }
    }

    #[test]
    fn refusals_of_overlayfs() {
        let judge = |step, errno| judge_overlay(Some(Refusal { step, errno: Some(errno) }), "NFS", &someone());
        assert!(judge(MOUNT, Errno::ENODEV).fix.unwrap().starts_with("sudo modprobe overlay"));
        assert!(judge(MOUNT, Errno::EINVAL).fix.unwrap().starts_with("export XDG_DATA_HOME="));
        assert!(judge(USE, Errno::EIO).detail.contains("on NFS"));
        assert_eq!(judge(MOUNT, Errno::EPERM).fix, None);
        assert_eq!(judge("make a user namespace", Errno::EPERM).detail, "not tried: needs user namespaces");
    }

    #[test]
    fn an_unwritable_directory_is_told() {
        let paths = Paths {
            data: "/proc/coracle".into(),
            runtime: "/proc/coracle".into(),
            config: "/proc".into(),
            home: "/proc".into(),
        };
        let checks = all(&paths, &someone());
        let data = checks.iter().find(|check| check.name == DATA).unwrap();
        assert_eq!(data.status, Status::Failed);
        assert_eq!(file_system(Path::new("/nowhere/x")), "unknown file system");
    }
}
