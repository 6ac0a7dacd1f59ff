//! Images for tests: real ones that Debian's tools make once per run (`make-image`), and hand-made ones, byte by byte,
//! for what no honest tool would write. Both are OCI layouts; skopeo pushes them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The recipes, by the tool that is missing without them.
const TOOLS: &[(&str, &[&str])] = &[
    ("busybox", &["docker-registry", "skopeo", "umoci", "busybox"]),
    ("debian", &["docker-registry", "skopeo", "umoci", "mmdebstrap"]),
    ("services", &["docker-registry", "skopeo", "umoci", "mmdebstrap"]),
];

/// Whether this machine has the tools for an image; the error says what it lacks.
pub fn can_make(image: &str) -> Result<(), String> {
    let (_, tools) = TOOLS.iter().find(|(name, _)| *name == image).expect("a recipe of make-image");
    super::missing_tool(tools).map_or(Ok(()), Err)
}

/// The OCI layout of an image from `make-image`, made on first use and kept in the directory of the run.
pub fn layout(image: &str) -> PathBuf {
    let directory = std::env::var_os("CORACLE_TEST_IMAGES").map_or_else(
        || std::env::temp_dir().join(format!("coracle-test-images-{}", nix::unistd::getuid())),
        PathBuf::from,
    );
    fs::create_dir_all(&directory).expect("a directory for test images");
    let layout = directory.join(image);
    // Other tests, and other processes, may want the same image now.
    let lock = File::create(directory.join(format!("{image}.lock"))).expect("our directory");
    lock.lock().expect("a lock");
    if !layout.exists() {
        let script = directory.join("make-image");
        fs::write(&script, include_str!("make-image")).expect("our directory");
        let output = std::process::Command::new("sh")
            .arg(&script)
            .arg(image)
            .arg(&layout)
            .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
            .output()
            .expect("sh");
        assert!(output.status.success(), "make-image {image}: {}", String::from_utf8_lossy(&output.stderr));
    }
    layout
}

/// `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold(String::from("sha256:"), |text, byte| text + &format!("{byte:02x}"))
}

/// How a layer's tar is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// An image under construction: layers, configuration, and what a registry is told about them.
#[derive(Debug, Clone)]
pub struct Image {
    blobs: BTreeMap<String, Vec<u8>>,
    layers: Vec<Value>,
    config: Value,
}

impl Image {
    /// An image without layers.
    pub fn empty() -> Self {
        Self {
            blobs: BTreeMap::new(),
            layers: Vec::new(),
            config: json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}),
        }
    }

    /// The busybox image, to be changed.
    pub fn busybox() -> Self {
        let layout = layout("busybox");
        let blob = |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).expect("a blob");
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let index = parse(&fs::read(layout.join("index.json")).expect("an OCI layout"));
        let manifest = parse(&blob(index["manifests"][0]["digest"].as_str().expect("a digest")));
        let layers = manifest["layers"].as_array().expect("layers").clone();
        let blobs = layers
            .iter()
            .map(|layer| layer["digest"].as_str().expect("a digest"))
            .map(|digest| (digest.to_owned(), blob(digest)))
            .collect();
        Self { blobs, layers, config: parse(&blob(manifest["config"]["digest"].as_str().expect("a digest"))) }
    }

    /// Sets one value of the configuration's `config` object: `Entrypoint`, `User`, `Env`…
    pub fn set(mut self, key: &str, value: Value) -> Self {
        self.config["config"][key] = value;
        self
    }

    /// Sets one value of the configuration itself: `architecture`, `created`…
    pub fn set_top(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// Adds a gzip layer.
    pub fn layer(self, tar: Tar) -> Self {
        self.packed_layer(&tar.finish(), Packing::Gzip)
    }

    /// Adds a layer of these tar bytes.
    pub fn packed_layer(mut self, tar: &[u8], packing: Packing) -> Self {
        let (bytes, suffix) = match packing {
            Packing::Plain => (tar.to_vec(), ""),
            Packing::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(tar).expect("memory");
                (encoder.finish().expect("memory"), "+gzip")
            }
            Packing::Zstd => (zstd::encode_all(tar, 3).expect("memory"), "+zstd"),
        };
        self.add_diff_id(&digest(tar));
        self.add_blob(bytes, &format!("application/vnd.oci.image.layer.v1.tar{suffix}"))
    }

    /// Says that the next layer unpacks to this diff id.
    pub fn add_diff_id(&mut self, diff_id: &str) {
        self.config["rootfs"]["diff_ids"].as_array_mut().expect("an array").push(json!(diff_id));
    }

    /// Adds a layer blob as it is; its diff id is the caller's business.
    pub fn add_blob(mut self, bytes: Vec<u8>, media_type: &str) -> Self {
        let digest = digest(&bytes);
        self.layers.push(json!({"mediaType": media_type, "digest": digest, "size": bytes.len()}));
        self.blobs.insert(digest, bytes);
        self
    }

    /// The bytes of the configuration.
    pub fn config_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.config).expect("JSON")
    }

    /// The bytes of the manifest.
    pub fn manifest_bytes(&self) -> Vec<u8> {
        let config = self.config_bytes();
        serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len()
            },
            "layers": self.layers,
        }))
        .expect("JSON")
    }

    /// All blobs by digest: layers and configuration.
    pub fn blobs(&self) -> BTreeMap<String, Vec<u8>> {
        let mut blobs = self.blobs.clone();
        let config = self.config_bytes();
        blobs.insert(digest(&config), config);
        blobs
    }

    fn descriptor(&self) -> Value {
        let manifest = self.manifest_bytes();
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(&manifest),
            "size": manifest.len(),
            "platform": {"os": self.config["os"], "architecture": self.config["architecture"]},
        })
    }

    /// The image as an OCI layout in `directory`, tagged `latest`.
    pub fn write(&self, directory: &Path) {
        write_layout(directory, &[self], &self.descriptor());
    }
}

/// An index of several images (one per platform) as an OCI layout, tagged `latest`.
pub fn write_index(directory: &Path, images: &[&Image]) {
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": images.iter().map(|image| image.descriptor()).collect::<Vec<_>>(),
    });
    let bytes = serde_json::to_vec(&index).expect("JSON");
    let descriptor = json!({"mediaType": index["mediaType"], "digest": digest(&bytes), "size": bytes.len()});
    write_layout(directory, images, &descriptor);
    write_blob(directory, &bytes);
}

fn write_layout(directory: &Path, images: &[&Image], top: &Value) {
    fs::create_dir_all(directory.join("blobs/sha256")).expect("our directory");
    for image in images {
        image.blobs().values().for_each(|blob| write_blob(directory, blob));
        write_blob(directory, &image.manifest_bytes());
    }
    let mut top = top.clone();
    top["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let index = json!({"schemaVersion": 2, "manifests": [top]});
    fs::write(directory.join("index.json"), index.to_string()).expect("our directory");
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("our directory");
}

fn write_blob(directory: &Path, bytes: &[u8]) {
    fs::write(directory.join("blobs").join(digest(bytes).replace(':', "/")), bytes).expect("our directory");
}

/// A layer's tar, whose names are written as they are given: `..`, absolute, anything.
#[derive(Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// An empty layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A regular file of mode 0644 that belongs to root.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(name, tar::EntryType::Regular, 0o644, (0, 0), "", content.as_ref())
    }

    /// A directory of mode 0755.
    pub fn directory(self, name: &str) -> Self {
        self.entry(name, tar::EntryType::Directory, 0o755, (0, 0), "", b"")
    }

    /// A symbolic link.
    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name, tar::EntryType::Symlink, 0o777, (0, 0), target, b"")
    }

    /// A hard link.
    pub fn hardlink(self, name: &str, target: &str) -> Self {
        self.entry(name, tar::EntryType::Link, 0o644, (0, 0), target, b"")
    }

    /// A character device.
    pub fn device(mut self, name: &str, major: u32, minor: u32) -> Self {
        let mut header = header(name, tar::EntryType::Char, 0o666, (0, 0), "", 0);
        header.set_device_major(major).expect("a number");
        header.set_device_minor(minor).expect("a number");
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self
    }

    /// Any entry. `owner` is (uid, gid).
    pub fn entry(
        mut self,
        name: &str,
        kind: tar::EntryType,
        mode: u32,
        owner: (u64, u64),
        link: &str,
        content: &[u8],
    ) -> Self {
        if name.len() > 100 || link.len() > 100 {
            let short = |text: &str| text.chars().take(100).collect::<String>();
            let mut records = vec![("path", name)];
            if !link.is_empty() {
                records.push(("linkpath", link));
            }
            return self.pax(&records).entry(&short(name), kind, mode, owner, &short(link), content);
        }
        let header = header(name, kind, mode, owner, link, content.len() as u64);
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// A PAX header for the next entry.
    pub fn pax(self, records: &[(&str, &str)]) -> Self {
        let body: String = records.iter().map(|(key, value)| pax_record(key, value)).collect();
        self.entry("pax", tar::EntryType::XHeader, 0o644, (0, 0), "", body.as_bytes())
    }

    /// The tar with its end mark.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 1024]);
        self.bytes
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn pax_record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length += 1;
    }
    format!("{length} {key}={value}\n")
}

fn header(name: &str, kind: tar::EntryType, mode: u32, owner: (u64, u64), link: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    let fields = header.as_gnu_mut().expect("a GNU header");
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner.0);
    header.set_gid(owner.1);
    header.set_mtime(1_700_000_000);
    header.set_size(size);
    header.set_cksum();
    header
}

#[test]
fn pax_records_count_themselves() {
    assert_eq!(pax_record("path", "x"), "9 path=x\n");
    assert_eq!(pax_record("path", "xy"), "11 path=xy\n");
    assert_eq!(pax_record("k", "12345678"), "14 k=12345678\n");
}

#[test]
fn a_tar_is_readable_by_the_tar_crate() {
    let bytes = Tar::new().directory("d").file("d/../x", "text").finish();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let names: Vec<_> =
        archive.entries().expect("a tar").map(|entry| entry.expect("an entry").path_bytes().into_owned()).collect();
    assert_eq!(names, [b"d".to_vec(), b"d/../x".to_vec()]);
}
