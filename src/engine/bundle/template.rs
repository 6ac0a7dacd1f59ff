//! `spec` and `features`: a bundle to begin with, and what this runtime can do.

use serde_json::{Value, json};

use super::plan::VERSION;
use crate::spec::capabilities::CapSet;
use crate::spec::hooks::HookPoint;
use crate::spec::security::{MASKED, READ_ONLY};

/// `config.json` of a container that runs a shell; for an ordinary user with these ids.
pub fn specification(rootless: Option<(u32, u32)>) -> Value {
    let capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    let mut namespaces = vec!["pid", "network", "ipc", "uts", "mount", "cgroup"];
    if rootless.is_some() {
        namespaces.push("user");
    }
    let namespaces: Vec<Value> = namespaces.into_iter().map(|kind| json!({ "type": kind })).collect();
    let mount = |target: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": source, "options": options });
    let strict = ["nosuid", "noexec", "nodev"];
    let mut linux = json!({ "namespaces": namespaces, "maskedPaths": MASKED, "readonlyPaths": READ_ONLY });
    if let Some((uid, gid)) = rootless {
        let map = |id: u32| json!([{ "containerID": 0, "hostID": id, "size": 1 }]);
        linux["uidMappings"] = map(uid);
        linux["gidMappings"] = map(gid);
    }
    json!({
        "ociVersion": VERSION,
        "process": {
            "terminal": true,
            "user": { "uid": 0, "gid": 0 },
            "args": ["sh"],
            "env": [format!("PATH={}", crate::runtime::process::DEFAULT_PATH), "TERM=xterm"],
            "cwd": "/",
            "capabilities": { "bounding": capabilities, "effective": capabilities, "permitted": capabilities },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "coracle",
        "mounts": [
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
            mount("/dev/shm", "tmpfs", "shm", &[&strict[..], &["mode=1777", "size=65536k"]].concat()),
            mount("/dev/mqueue", "mqueue", "mqueue", &strict),
            mount("/sys", "sysfs", "sysfs", &[&strict[..], &["ro"]].concat()),
        ],
        "linux": linux
    })
}

/// What is supported, in the form of the specification ("Features Structure").
pub fn features() -> Value {
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": HookPoint::ALL.map(HookPoint::name),
        "mountOptions": [
            "bind", "dev", "exec", "noatime", "nodev", "nodiratime", "noexec", "nosuid", "nosymfollow", "private", "rbind",
            "ro", "rprivate", "rshared", "rslave", "rw", "shared", "slave", "suid", "tmpcopyup"
        ],
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"],
            "capabilities": CapSet::ALL.names(),
            "cgroup": { "v1": false, "v2": false, "systemd": false, "systemdUser": false, "rdma": false },
            "seccomp": {
                "enabled": true,
                "actions": [
                    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
                    "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"
                ],
                "archs": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"]
            },
            "apparmor": { "enabled": false },
            "selinux": { "enabled": false },
            "intelRdt": { "enabled": false },
            "mountExtensions": { "idmap": { "enabled": false } }
        }
    })
}
