//! Containers for tests.

use jiff::Timestamp;

use crate::base::id::{Name, hex};
use crate::state::record::{ContainerConfig, FORMAT, ImageOrigin, Network, Process, Seccomp, Security};
use crate::state::{Container, Status};

/// A container of `busybox`, created so many seconds after 1970. Its id is made of its name.
pub(crate) fn container(name: &str, created: i64, status: Status) -> Container {
    let name: Name = name.parse().unwrap();
    let config = ContainerConfig {
        format: FORMAT,
        id: format!("{:0<64}", hex(name.as_str().as_bytes())).parse().unwrap(),
        name: name.clone(),
        created: Timestamp::from_second(created).unwrap(),
        image: ImageOrigin {
            name: "busybox".into(),
            id: format!("sha256:{}", "1".repeat(64)),
            layers: vec![format!("sha256:{}", "2".repeat(64))],
        },
        process: Process {
            entrypoint: Vec::new(),
            command: vec!["sh".into(), "-c".into(), "sleep 1000 && echo done".into()],
            env: vec!["PATH=/bin".into()],
            cwd: "/".into(),
            ..Process::default()
        },
        hostname: "box".into(),
        network: Network::None,
        mounts: Vec::new(),
        read_only: false,
        init: false,
        labels: Default::default(),
        remove: false,
        stop_signal: 15,
        stop_timeout: 10,
        security: Security {
            capabilities: 0,
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            no_new_privileges: false,
            seccomp: Seccomp::Default,
            privileged: false,
        },
        exposed_ports: Vec::new(),
        shm_size: 64 << 20,
    };
    Container { config, name, status }
}
