//! Devices that a desktop distribution opens to everyone, and network settings worth knowing.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::Check;
use super::machine::{Machine, read, sysctl};

/// A character device that users need.
struct Device {
    name: &'static str,
    number: (u32, u32),
    module: &'static str,
    /// What does not work without it.
    loss: &'static str,
}

const DEVICES: [Device; 2] = [
    Device {
        name: "/dev/fuse",
        number: (10, 229),
        module: "fuse",
        loss: "the `fuse` storage driver does not work; `overlay` does",
    },
    Device {
        name: "/dev/net/tun",
        number: (10, 200),
        module: "tun",
        loss: "containers reach each other, but not the outside; `--network host` works",
    },
];

/// All checks of this file.
pub fn all(machine: &Machine) -> Vec<Check> {
    let mut checks: Vec<Check> = DEVICES.iter().map(|device| judge_device(device, &look(device))).collect();
    checks.push(low_ports(sysctl("net/ipv4/ip_unprivileged_port_start")));
    checks.push(ping(&read("/proc/sys/net/ipv4/ping_group_range"), machine.gid));
    checks
}

/// What opening a device said.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Usable,
    Missing,
    /// Something else has the name.
    Other,
    Refused(i32),
}

fn look(device: &Device) -> Found {
    let file = match fs::metadata(device.name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Missing,
        Err(error) => return Found::Refused(error.raw_os_error().unwrap_or(libc::EIO)),
    };
    let number = (rustix::fs::major(file.rdev()), rustix::fs::minor(file.rdev()));
    if !file.file_type().is_char_device() || number != device.number {
        return Found::Other;
    }
    match OpenOptions::new().read(true).write(true).open(device.name) {
        Ok(_) => Found::Usable,
        Err(error) => Found::Refused(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}

fn judge_device(device: &Device, found: &Found) -> Check {
    let Device { name, module, loss, number: (major, minor) } = device;
    match found {
        Found::Usable => Check::ok(name, "can be opened"),
        Found::Missing => Check::warning(name, format!("does not exist: {loss}"))
            .fix(format!("sudo modprobe {module} && echo {module} | sudo tee /etc/modules-load.d/{module}.conf")),
        Found::Other => Check::warning(name, format!("is not the device {major}:{minor}: {loss}"))
            .fix(format!("sudo rm -f {name} && sudo mknod -m 666 {name} c {major} {minor}")),
        Found::Refused(libc::EACCES | libc::EPERM) => Check::warning(name, format!("may not be opened by you: {loss}"))
            .fix(format!(
                "sudo chmod 666 {name} && echo 'KERNEL==\"{module}\", MODE=\"0666\"' | sudo tee /etc/udev/rules.d/99-{module}.rules"
            )),
        Found::Refused(errno) => {
            let why = nix::errno::Errno::from_raw(*errno).desc().to_lowercase();
            Check::warning(name, format!("cannot be opened ({why}): {loss}")).fix(format!("sudo modprobe {module}"))
        }
    }
}

/// Which ports users may publish. For information.
fn low_ports(start: Option<u64>) -> Check {
    let name = "low ports";
    match start {
        None | Some(0 | 1) => Check::ok(name, "all ports can be published"),
        Some(start) => Check::ok(
            name,
            format!(
                "ports from {start} on can be published; for all: sudo sysctl -w net.ipv4.ip_unprivileged_port_start=0"
            ),
        ),
    }
}

/// Which groups may ping without CAP_NET_RAW. For information.
fn ping(range: &str, gid: u32) -> Check {
    let name = "ping";
    let mut numbers = range.split_ascii_whitespace().map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last))) if (first..=last).contains(&gid) => {
            Check::ok(name, "unprivileged ping works on the host network")
        }
        _ => Check::ok(
            name,
            "unprivileged ping does not work on the host network; to allow it: sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn devices_are_judged() {
        for (found, status, fix) in [
            (Found::Usable, Status::Ok, None),
            (
                Found::Missing,
                Status::Warning,
                Some("sudo modprobe tun && echo tun | sudo tee /etc/modules-load.d/tun.conf"),
            ),
            (Found::Other, Status::Warning, Some("sudo rm -f /dev/net/tun && sudo mknod -m 666 /dev/net/tun c 10 200")),
            (
                Found::Refused(libc::EACCES),
                Status::Warning,
                Some(
                    "sudo chmod 666 /dev/net/tun && echo 'KERNEL==\"tun\", MODE=\"0666\"' | sudo tee /etc/udev/rules.d/99-tun.rules",
                ),
            ),
            (Found::Refused(libc::ENODEV), Status::Warning, Some("sudo modprobe tun")),
        ] {
            let check = judge_device(&DEVICES[1], &found);
            assert_eq!((check.status, check.fix.as_deref()), (status, fix), "{found:?}");
        }
        let null = Device { name: "/dev/null", number: (1, 3), module: "", loss: "" };
        assert_eq!(look(&null), Found::Usable);
        assert_eq!(look(&Device { number: (1, 4), ..null }), Found::Other);
        assert_eq!(look(&Device { name: "/dev/nothing", number: (1, 3), module: "", loss: "" }), Found::Missing);
    }

    #[test]
    fn settings_are_only_told() {
        for check in
            [low_ports(Some(1024)), low_ports(None), ping("1\t0\n", 1000), ping("0\t2147483647\n", 1000), ping("", 0)]
        {
            assert_eq!((check.status, check.fix), (Status::Ok, None));
        }
        assert!(low_ports(Some(1024)).detail.starts_with("ports from 1024 on"));
        assert!(ping("0 2147483647", 1000).detail.contains("ping works"));
    }
}
