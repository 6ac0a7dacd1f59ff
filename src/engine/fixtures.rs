//! Containers and images for tests.

use jiff::Timestamp;

use super::Engine;
use crate::base::Paths;
use crate::base::id::{Name, hex};
use crate::base::publish::Staging;
use crate::oci::Digest;
use crate::oci::media::{OCI_CONFIG, OCI_MANIFEST};
use crate::spec::container::{ContainerConfig, FORMAT, LastRun};
use crate::spec::health::Health;
use crate::spec::identity::Identity;
use crate::spec::image::ImageOrigin;
use crate::spec::lifecycle::Lifecycle;
use crate::spec::namespaces::Namespaces;
use crate::spec::networking::Networking;
use crate::spec::process::Process;
use crate::spec::security::Security;
use crate::spec::storage::Storage;
use crate::state::{Container, Status};
use crate::store::{ImageRecord, NewImage};

/// A container of `busybox`, created this number of seconds after 1970. Its id is made of its name.
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
            ..ImageOrigin::default()
        },
        process: Process {
            entrypoint: Vec::new(),
            command: vec!["sh".into(), "-c".into(), "sleep 1000 && echo done".into()],
            env: vec!["PATH=/bin".into()],
            cwd: "/".into(),
            ..Process::default()
        },
        identity: Identity { hostname: "box".into(), ..Identity::default() },
        namespaces: Namespaces::default(),
        networking: Networking::default(),
        storage: Storage::default(),
        security: Security::default(),
        lifecycle: Lifecycle::default(),
        health: Health::default(),
        resources: Default::default(),
        cgroups: Default::default(),
        logging: Default::default(),
        secrets: Default::default(),
        pod: None,
        labels: Default::default(),
        creator: None,
    };
    Container { config, name, status, joined: None, run: LastRun::default() }
}

/// An engine with a store of its own, gone when the second value is dropped.
pub(crate) fn engine() -> (Engine, Staging) {
    let scratch = Staging::new(&std::env::temp_dir()).unwrap();
    let below = |name: &str| scratch.path().join(name);
    let data = scratch.path().to_owned();
    let paths = Paths { data, runtime: below("run"), config: below("config"), home: below("home") };
    // The configuration of this machine is not the test's.
    let registry =
        crate::registry::Settings { registries: Default::default(), ..crate::registry::Settings::of(&paths) };
    (Engine { registry, paths }, scratch)
}

/// An image without layers that has the label `name`, under some names.
pub(crate) fn image(engine: &Engine, name: &str, references: &[&str]) -> ImageRecord {
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","created":"2026-11-21T09:30:00Z","config":{{"Cmd":["sh"],"Labels":{{"name":"{name}"}}}},
        "rootfs":{{"type":"layers","diff_ids":[]}},"history":[{{"created_by":"x","comment":"made by hand"}}]}}"#
    );
    let digest = Digest::sha256(config.as_bytes());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"{OCI_CONFIG}","digest":"{digest}","size":{}}},"layers":[]}}"#,
        config.len()
    );
    let store = engine.store().unwrap();
    let lock = store.lock_shared().unwrap();
    let image =
        NewImage { manifest: manifest.as_bytes(), manifest_media_type: OCI_MANIFEST, config: config.as_bytes() };
    let record = store.put_image(&lock, image).unwrap();
    for reference in references {
        store.tag(&lock, &reference.parse().unwrap(), &record).unwrap();
    }
    record
}
