//! The store's life, its locks, and what it makes of the leftovers of a crash.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::archive::Limits;
use crate::base::Kind;
use crate::base::publish::Staging;
use crate::oci::{Compression, Reference, media};

struct Scratch {
    directory: Staging,
    store: Store,
}

impl Scratch {
    fn new() -> Self {
        let directory = Staging::new(&std::env::temp_dir()).unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        Self { directory, store }
    }

    fn root(&self) -> std::path::PathBuf {
        self.directory.path().join("store")
    }

    fn entries(&self, name: &str) -> usize {
        fs::read_dir(self.root().join(name)).unwrap().count()
    }

    /// Publishes a layer with one file.
    fn layer(&self, contents: &str) -> Layer {
        self.publish(self.staged(contents))
    }

    fn staged(&self, contents: &str) -> (StagedLayer, crate::archive::Unpacked) {
        let staged = self.store.stage_layer().unwrap();
        let unpacked = staged.unpack(&tar(contents)[..], Compression::None, &Limits::default()).unwrap();
        (staged, unpacked)
    }

    fn publish(&self, (staged, unpacked): (StagedLayer, crate::archive::Unpacked)) -> Layer {
        let lock = self.store.lock_shared().unwrap();
        let synced = self.store.sync_layers(vec![staged.finish(&unpacked)]).unwrap();
        synced.publish(&lock).unwrap().remove(0)
    }

    /// Stores an image of these layers, made in `year`.
    fn image(&self, year: u32, layers: &[&Layer]) -> ImageRecord {
        self.try_image(year, layers, "").unwrap()
    }

    fn try_image(&self, year: u32, layers: &[&Layer], annotation: &str) -> Result<ImageRecord> {
        let diff_ids: Vec<&Digest> = layers.iter().map(|layer| &layer.diff_id).collect();
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "created": format!("{year}-01-01T00:00:00Z"),
            "config": {"Cmd": ["true"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        })
        .to_string();
        let descriptor = |digest: &Digest, media_type: &str| serde_json::json!({"mediaType": media_type, "digest": digest, "size": 1});
        let layers: Vec<_> =
            diff_ids.iter().map(|diff_id| descriptor(&blob_of(diff_id), media::OCI_LAYER_GZIP)).collect();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "annotations": {"note": annotation},
            "config": descriptor(&Digest::sha256(config.as_bytes()), media::OCI_CONFIG), "layers": layers,
        })
        .to_string();
        let image = NewImage {
            manifest: manifest.as_bytes(),
            manifest_media_type: media::OCI_MANIFEST,
            config: config.as_bytes(),
        };
        self.store.put_image(&self.store.lock_shared().unwrap(), image)
    }

    fn tag(&self, name: &str, image: &ImageRecord) {
        self.store.tag(&self.store.lock_shared().unwrap(), &reference(name), image).unwrap();
    }

    fn sweep(&self, in_use: &HashSet<Digest>) {
        self.store.resume_removals(|| Ok(in_use.clone())).unwrap();
        self.store.sweep().unwrap();
    }

    fn found(&self, text: &str) -> Option<Digest> {
        self.store.lookup(text).unwrap().map(|image| image.id)
    }
}

fn tar(contents: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(contents.len() as u64);
    header.set_mode(0o644);
    header.set_uid(rustix::process::geteuid().as_raw().into());
    header.set_gid(rustix::process::getegid().as_raw().into());
    builder.append_data(&mut header, "file", contents.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

/// The digest of the blob that stands for a compressed layer in these tests.
fn blob_of(diff_id: &Digest) -> Digest {
    Digest::sha256(diff_id.as_str().as_bytes())
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

#[test]
fn layers_appear_whole_and_are_found_by_both_digests() {
    let scratch = Scratch::new();
    let (staged, unpacked) = scratch.staged("hello");
    assert_eq!(scratch.store.layer(&unpacked.diff_id).unwrap(), None, "not before it is published");
    let layer = scratch.publish((staged, unpacked));
    assert_eq!(fs::read_to_string(layer.tree.join("file")).unwrap(), "hello");
    assert_eq!((layer.size, layer.rebuildable, layer.hides_lower), (5, true, false));
    let mut archive = Vec::new();
    layer.write_tar(&mut archive).unwrap();
    assert!(archive == tar("hello"));
    // The same again gives way.
    let inode = |layer: &Layer| std::os::unix::fs::MetadataExt::ino(&fs::metadata(&layer.tree).unwrap());
    let first = inode(&layer);
    assert_eq!(inode(&scratch.layer("hello")), first);
    assert_eq!((scratch.entries("staging"), scratch.entries("trash")), (0, 0));
}

#[test]
fn an_image_needs_its_layers() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.layer("1"), scratch.layer("22"));
    let image = scratch.image(2020, &[&one, &two]);
    assert_eq!(image.size, 3);
    assert_eq!(scratch.store.image_layers(&image).unwrap(), [one.clone(), two.clone()]);
    assert_eq!(scratch.store.image_config(&image).unwrap().config.cmd.unwrap(), ["true"]);
    assert_eq!(Digest::sha256(&scratch.store.image_manifest_bytes(&image).unwrap()), image.manifest);
    assert_eq!(scratch.image(2020, &[&one, &two]), image, "again is no error");
    let absent = Layer { diff_id: Digest::sha256(b"absent"), ..one };
    let error = scratch.try_image(2020, &[&two, &absent], "").unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let config = format!(r#"{{"rootfs":{{"diff_ids":["{}"]}}}}"#, two.diff_id);
    let manifest = scratch.store.image_manifest_bytes(&image).unwrap();
    let image = NewImage { manifest: &manifest, manifest_media_type: media::OCI_MANIFEST, config: config.as_bytes() };
    let error = scratch.store.put_image(&scratch.store.lock_shared().unwrap(), image).unwrap_err();
    assert_eq!(error.message(), "the image's manifest has 2 layers, its configuration 1");
}

#[test]
fn the_same_image_with_another_manifest_keeps_the_newer() {
    let scratch = Scratch::new();
    let layer = scratch.layer("x");
    let old = scratch.try_image(2020, &[&layer], "gzip").unwrap();
    let new = scratch.try_image(2020, &[&layer], "zstd").unwrap();
    assert_eq!(old.id, new.id);
    assert_ne!(old.manifest, new.manifest);
    assert_eq!(scratch.store.image(&old.id).unwrap().unwrap(), new);
    assert_eq!(scratch.entries("blobs"), 2, "one configuration, one manifest");
}

#[test]
fn names_move_and_images_are_found_as_people_type_them() {
    let scratch = Scratch::new();
    let layer = scratch.layer("x");
    let (old, new) = (scratch.image(2020, &[&layer]), scratch.image(2021, &[&layer]));
    scratch.tag("alpine", &old);
    scratch.tag("alpine", &new);
    scratch.tag("alpine:3", &old);
    scratch.tag("localhost:5000/a/b/c:v1", &new);
    scratch.tag(&format!("alpine@{}", new.manifest), &new);
    for (text, image) in [
        ("alpine", Some(&new)),
        ("docker.io/library/alpine:latest", Some(&new)),
        ("alpine:3", Some(&old)),
        ("alpine:4", None),
        ("localhost:5000/a/b/c:v1", Some(&new)),
        ("localhost:5000/a/b/c", None),
        ("localhost:5000/a/b", None),
        (&format!("alpine@{}", new.manifest), Some(&new)),
        (&format!("alpine:whatever@{}", new.manifest), Some(&new)),
        (&format!("alpine@{}", old.manifest), None),
        (old.id.as_str(), Some(&old)),
        (old.id.hex(), Some(&old)),
        (old.id.short(), Some(&old)),
        (&old.id.as_str()[..20], Some(&old)),
        ("zzz", None),
    ] {
        assert_eq!(scratch.found(text), image.map(|image| image.id.clone()), "{text}");
    }
    // A name goes before an id.
    scratch.tag(&format!("{}:latest", old.id.short()), &new);
    assert_eq!(scratch.found(old.id.short()).unwrap(), new.id);
    assert_eq!(scratch.store.lookup("UPPER").unwrap_err().kind(), Kind::Usage);
    let list = scratch.store.list().unwrap();
    assert_eq!(list.iter().map(|image| &image.record).collect::<Vec<_>>(), [&new, &old], "newest first");
    let names: Vec<String> = list[0].references.iter().map(Reference::familiar).collect();
    assert_eq!(names.len(), 3);
    assert!(names.contains(&"localhost:5000/a/b/c:v1".to_owned()) && names.contains(&"alpine:latest".to_owned()));
    assert_eq!(list[0].digests, [reference(&format!("alpine@{}", new.manifest))]);
    let lock = scratch.store.lock_exclusive().unwrap();
    assert!(scratch.store.untag(&lock, &reference("localhost:5000/a/b/c:v1")).unwrap());
    assert!(!scratch.store.untag(&lock, &reference("localhost:5000/a/b/c:v1")).unwrap());
    assert!(!scratch.root().join("refs/localhost:5000").exists(), "empty directories go, too");
    assert!(scratch.found("alpine").is_some());
}

#[test]
fn an_ambiguous_id_is_an_error() {
    let scratch = Scratch::new();
    let layer = scratch.layer("x");
    let ids: Vec<String> = (0..17).map(|n| scratch.image(2000 + n, &[&layer]).id.hex().to_owned()).collect();
    // Of 17 ids two begin alike.
    let twin = ids.iter().find(|id| ids.iter().filter(|other| other[..1] == id[..1]).count() > 1).unwrap();
    let error = scratch.store.lookup(&twin[..1]).unwrap_err();
    assert!(error.message().contains("images have an id that begins with"), "{}", error.chain());
}

#[test]
fn removal_takes_what_no_other_image_needs() {
    let scratch = Scratch::new();
    let (base, top, other) = (scratch.layer("base"), scratch.layer("top"), scratch.layer("other"));
    let (image, kept) = (scratch.image(2020, &[&base, &top]), scratch.image(2021, &[&base, &other]));
    scratch.tag("a:1", &image);
    scratch.tag("b:2", &image);
    scratch.tag("kept", &kept);
    let removed = {
        let lock = scratch.store.lock_exclusive().unwrap();
        scratch.store.remove_image(&lock, &image, &HashSet::new()).unwrap()
    };
    assert_eq!(removed.references, [reference("a:1"), reference("b:2")]);
    assert_eq!(removed.layers, std::slice::from_ref(&top.diff_id));
    assert_eq!((scratch.found("a:1"), scratch.found(image.id.hex())), (None, None));
    assert!(scratch.store.layer(&top.diff_id).unwrap().is_none());
    assert_eq!(scratch.store.image_layers(&kept).unwrap(), [base, other]);
    assert_eq!((scratch.entries("blobs"), scratch.entries("removing"), scratch.entries("trash")), (2, 0, 1));
    scratch.sweep(&HashSet::new());
    assert_eq!(scratch.entries("trash"), 0);
}

#[test]
fn layers_of_containers_outlive_their_image() {
    let scratch = Scratch::new();
    let (base, top) = (scratch.layer("base"), scratch.layer("top"));
    let image = scratch.image(2020, &[&base, &top]);
    let in_use = HashSet::from([base.diff_id.clone(), top.diff_id.clone()]);
    let removed = scratch.store.remove_image(&scratch.store.lock_exclusive().unwrap(), &image, &in_use).unwrap();
    assert_eq!(removed.layers, []);
    assert_eq!(scratch.store.list().unwrap(), []);
    scratch.sweep(&in_use);
    assert_eq!((scratch.entries("layers"), scratch.entries("removing")), (2, 1));
    // Another image has one of them now; the container goes.
    scratch.image(2021, &[&base]);
    scratch.sweep(&HashSet::new());
    assert_eq!((scratch.entries("layers"), scratch.entries("removing")), (1, 0));
    assert!(scratch.store.layer(&base.diff_id).unwrap().is_some());
    // The same image again while its removal waits for a container.
    let top = scratch.layer("top");
    let image = scratch.image(2020, &[&base, &top]);
    scratch.store.remove_image(&scratch.store.lock_exclusive().unwrap(), &image, &in_use).unwrap();
    scratch.image(2020, &[&base, &top]);
    scratch.sweep(&HashSet::new());
    assert_eq!((scratch.entries("layers"), scratch.entries("removing")), (2, 0));
    assert!(scratch.store.image_config(&image).is_ok());
}

#[test]
fn layers_without_an_image_are_reclaimed_when_they_are_old_and_nobody_adds() {
    let scratch = Scratch::new();
    let (used, kept, unused) = (scratch.layer("used"), scratch.layer("kept"), scratch.layer("unused"));
    scratch.image(2020, &[&used]);
    let in_use = || Ok(HashSet::from([kept.diff_id.clone()]));
    let reclaim = |age| scratch.store.reclaim_layers(Duration::from_secs(age), in_use).unwrap();
    assert_eq!(reclaim(3600), [], "they are new");
    let hours_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
    for layer in [&used, &kept, &unused] {
        let record = fs::File::open(layer.tree.with_file_name("layer.json")).unwrap();
        record.set_modified(hours_ago).unwrap();
    }
    assert_eq!(reclaim(9000), [], "not old enough");
    {
        let (_first, _second) = (scratch.store.begin_adding().unwrap(), scratch.store.begin_adding().unwrap());
        assert_eq!(reclaim(3600), [], "a pull may count on it");
    }
    {
        let _lock = scratch.store.lock_shared().unwrap();
        assert_eq!(reclaim(3600), [], "somebody is about to refer to it");
    }
    assert_eq!(reclaim(3600), std::slice::from_ref(&unused.diff_id));
    assert_eq!(scratch.entries("layers"), 2);
    assert_eq!(reclaim(0), [], "the others are needed");
    // What is damaged has no use for the next try either, and its time is that of its directory.
    let broken = scratch.layer("broken");
    fs::remove_file(broken.tree.with_file_name("layer.json")).unwrap();
    assert_eq!((reclaim(3600).len(), reclaim(0)), (0, vec![broken.diff_id]));
}

#[test]
fn a_layer_that_occurs_twice_is_stacked_once_at_its_highest_place() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.layer("a"), scratch.layer("b"));
    let image = scratch.image(2020, &[&a, &b, &a, &b, &a]);
    assert_eq!((image.layers.len(), image.size), (5, 5), "the image has them all");
    assert_eq!(scratch.store.image_layers(&image).unwrap(), [b.clone(), a.clone()]);
    let opaque = |layer: &Layer| Layer { hides_lower: true, ..layer.clone() };
    assert_eq!(stack(vec![a.clone(), opaque(&b), a.clone()]), [opaque(&b), a.clone()]);
    assert_eq!(stack(vec![opaque(&a), b.clone(), opaque(&a)]), [opaque(&a)]);
    assert_eq!(stack(Vec::new()), []);
}

#[test]
fn publishers_share_and_removal_waits() {
    let scratch = Scratch::new();
    let first = scratch.store.lock_shared().unwrap();
    let second = scratch.store.lock_shared().unwrap();
    let (sender, receiver) = mpsc::channel();
    let store = scratch.store.clone();
    let remover = std::thread::spawn(move || {
        let _lock = store.lock_exclusive().unwrap();
        sender.send(()).unwrap();
    });
    drop(first);
    assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err(), "one shared lock is still held");
    drop(second);
    receiver.recv_timeout(Duration::from_secs(10)).unwrap();
    remover.join().unwrap();
}

#[test]
fn the_leftovers_of_a_crash_are_swept() {
    let scratch = Scratch::new();
    let (layer, shared) = (scratch.layer("x"), scratch.layer("shared"));
    let (image, other) = (scratch.image(2020, &[&shared, &layer]), scratch.image(2021, &[&shared]));
    let root = scratch.root();
    // Killed while unpacking, between rename and the rest of a removal, and while deleting.
    fs::create_dir_all(root.join("staging/dead/tree/usr")).unwrap();
    fs::write(root.join("staging/dead.lock"), "").unwrap();
    let record = format!("{}.json", image.id.hex());
    fs::rename(root.join("images").join(&record), root.join("removing").join(&record)).unwrap();
    fs::write(root.join("removing").join(format!("{}.json", Digest::sha256(b"torn").hex())), "{").unwrap();
    fs::create_dir_all(root.join("trash/1-2-3/tree")).unwrap();
    let living = scratch.staged("y");
    {
        let _busy = scratch.store.lock_shared().unwrap();
        scratch.sweep(&HashSet::new());
        assert_eq!(scratch.entries("removing"), 2, "the lock was not free: next time");
    }
    scratch.sweep(&HashSet::new());
    assert_eq!(scratch.entries("staging"), 2, "the living layer and its lock");
    assert_eq!((scratch.entries("removing"), scratch.entries("trash")), (0, 0));
    assert!(scratch.store.layer(&layer.diff_id).unwrap().is_none());
    assert_eq!(scratch.store.image_layers(&other).unwrap(), [shared]);
    assert_eq!(scratch.entries("blobs"), 2);
    scratch.publish(living);
}

#[test]
fn damage_counts_as_absence_and_heals_with_the_next_pull() {
    let scratch = Scratch::new();
    let layer = scratch.layer("x");
    let image = scratch.image(2020, &[&layer]);
    scratch.tag("web", &image);
    let root = scratch.root();
    // A layer without its record.
    for damage in [None, Some(""), Some("{\"version\":1")] {
        let record = root.join("layers").join(layer.diff_id.hex()).join("layer.json");
        match damage {
            None => fs::remove_file(&record).unwrap(),
            Some(text) => fs::write(&record, text).unwrap(),
        }
        assert_eq!(scratch.store.layer(&layer.diff_id).unwrap(), None);
        let error = scratch.store.image_layers(&image).unwrap_err();
        assert!(error.message().contains("is missing") && error.hints()[0].contains("pull"), "{}", error.chain());
        assert_eq!(scratch.layer("x"), layer, "replaced");
        assert!(scratch.store.image_layers(&image).is_ok());
    }
    // A configuration that was cut.
    fs::write(root.join("blobs").join(image.id.hex()), "{").unwrap();
    assert!(scratch.store.image_config(&image).unwrap_err().message().contains("missing or damaged"));
    assert_eq!(scratch.image(2020, &[&layer]), image);
    assert!(scratch.store.image_config(&image).is_ok());
    // A name whose image is gone, and an empty one.
    fs::remove_file(root.join("images").join(format!("{}.json", image.id.hex()))).unwrap();
    assert_eq!(scratch.found("web"), None);
    assert_eq!(scratch.store.list().unwrap(), []);
    scratch.image(2020, &[&layer]);
    assert_eq!(scratch.found("web"), Some(image.id.clone()));
    fs::write(root.join("refs/docker.io/library/web/_tags/latest"), "").unwrap();
    assert_eq!(scratch.found("web"), None);
    scratch.tag("web", &image);
    assert_eq!(scratch.found("web"), Some(image.id));
}

#[test]
fn two_publishers_of_one_damaged_layer_leave_it_whole() {
    let scratch = Scratch::new();
    let layer = scratch.layer("x");
    for _ in 0..20 {
        fs::remove_file(layer.tree.with_file_name("layer.json")).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(scratch.layer("x"), layer));
            }
        });
        assert_eq!(fs::read_to_string(layer.tree.join("file")).unwrap(), "x");
    }
    assert_eq!(scratch.entries("trash"), 20, "what was damaged, and nothing else");
}

#[test]
fn an_opaque_layer_hides_those_below() {
    let scratch = Scratch::new();
    let (lower, upper) = (scratch.layer("lower"), scratch.layer("upper"));
    let record = upper.tree.with_file_name("layer.json");
    let text = fs::read_to_string(&record).unwrap().replace("\"hides_lower\":false", "\"hides_lower\":true");
    fs::write(&record, text).unwrap();
    let top = scratch.layer("top");
    let image = scratch.image(2020, &[&lower, &upper, &top]);
    let stack: Vec<Digest> =
        scratch.store.image_layers(&image).unwrap().into_iter().map(|layer| layer.diff_id).collect();
    assert_eq!(stack, [upper.diff_id, top.diff_id]);
}

#[test]
fn other_formats_are_refused() {
    let scratch = Scratch::new();
    let meta = scratch.root().join("meta.json");
    let open = |text: &str| {
        fs::write(&meta, text).unwrap();
        Store::open(&scratch.root()).map(|_| ()).unwrap_err()
    };
    let newer = open(r#"{"format":"coracle store","version":2}"#);
    assert_eq!(newer.kind(), Kind::Unsupported);
    assert!(newer.message().contains("has format 2, this version knows 1") && !newer.hints().is_empty());
    assert!(open(r#"{"format":"something else","version":1}"#).message().contains("is not an image store"));
}

#[test]
fn unknown_features_allow_what_they_say() {
    let scratch = Scratch::new();
    let meta = scratch.root().join("meta.json");
    let open = |features: &str| {
        fs::write(&meta, format!(r#"{{"format":"coracle store","version":1,"features":{{{features}}}}}"#)).unwrap();
        Store::open(&scratch.root())
    };
    for known in ["", r#""compatible":["later"]"#, r#""incompatible":[],"read_only_compatible":[]"#] {
        let store = open(known).unwrap();
        assert!(store.lock_exclusive().is_ok() && store.begin_adding().is_ok() && store.stage_layer().is_ok());
    }
    let store = open(r#""read_only_compatible":["later"]"#).unwrap();
    assert!(store.list().is_ok() && store.lookup("web").unwrap().is_none() && store.lock_shared().is_ok());
    let refused = [
        store.lock_exclusive().map(drop).unwrap_err(),
        store.begin_adding().map(drop).unwrap_err(),
        store.stage_layer().map(drop).unwrap_err(),
        store.sweep().unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.message().contains("can be read, but not changed: it has `later`"), "{error}");
    }
    assert!(store.reclaim_layers(Duration::ZERO, || Ok(HashSet::new())).is_err());
    let refused = open(r#""incompatible":["later","\u001b[2J"]"#).unwrap_err();
    assert!(refused.message().contains("cannot be used: it has `later`"), "{refused}");
    assert!(!refused.message().contains('\u{1b}'));
}

/// The format on disk, pinned: whoever changes it needs a new version and a migration.
#[test]
fn format_1_is_still_read() {
    let scratch = Scratch::new();
    let root = scratch.root();
    let (diff_id, id) = ("a".repeat(64), "b".repeat(64));
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("meta.json", "{\"format\":\"coracle store\",\"version\":1}\n");
    write(
        &format!("layers/{diff_id}/layer.json"),
        &format!(
            r#"{{"version":1,"diff_id":"sha256:{diff_id}","size":5,"entries":2,"rebuildable":true,"hides_lower":false}}"#
        ),
    );
    write(
        &format!("images/{id}.json"),
        &format!(
            r#"{{"version":1,"id":"sha256:{id}","manifest":"sha256:{}","manifest_media_type":"m","platform":{{"os":"linux","architecture":"amd64"}},"created":"2020-01-01T00:00:00Z","size":5,"layers":["sha256:{diff_id}"]}}"#,
            "c".repeat(64)
        ),
    );
    write("refs/docker.io/library/web/_tags/1", &format!(r#"{{"version":1,"image":"sha256:{id}"}}"#));
    let store = Store::open(&root).unwrap();
    let image = store.lookup("web:1").unwrap().unwrap();
    assert_eq!(image.id.hex(), id);
    let layers = store.image_layers(&image).unwrap();
    assert_eq!(layers[0].tree, Path::new(&root).join("layers").join(&diff_id).join("tree"));
    assert_eq!(layers[0].size, 5);
}

#[test]
fn a_check_finds_what_is_damaged_or_left_and_repair_takes_it_away() {
    let scratch = Scratch::new();
    let (base, top) = (scratch.layer("base"), scratch.layer("top"));
    let one = scratch.image(2020, &[&base]);
    let two = scratch.image(2021, &[&base, &top]);
    scratch.tag("one", &one);
    scratch.tag("two", &two);
    let none = HashSet::new();
    let found = || {
        let lock = scratch.store.lock_exclusive().unwrap();
        let mut problems = scratch.store.examine(&lock, &none, Duration::ZERO).unwrap();
        problems.extend(scratch.store.examine_contents().unwrap().0);
        problems
    };
    let words = || found().into_iter().map(|problem| (problem.what, problem.damage)).collect::<Vec<_>>();
    let mended = || {
        let lock = scratch.store.lock_exclusive().unwrap();
        found_under(&scratch, &lock).iter().for_each(|problem| {
            assert!(scratch.store.mend(&lock, &problem.subject, &HashSet::new()).unwrap());
        });
    };
    assert_eq!(words(), []);
    // Layers that nobody needs.
    let orphan = scratch.layer("orphan");
    assert!(words()[0].0.starts_with("no image and no container has it") && !words()[0].1);
    let lock = scratch.store.lock_exclusive().unwrap();
    let day = Duration::from_secs(86_400);
    assert_eq!(scratch.store.examine(&lock, &none, day).unwrap(), [], "it may still be wanted");
    assert_eq!(scratch.store.examine(&lock, &[orphan.diff_id.clone()].into(), Duration::ZERO).unwrap(), []);
    drop(lock);
    mended();
    scratch.store.sweep().unwrap();
    assert_eq!(words(), []);
    // Documents and names that lead nowhere.
    fs::write(scratch.root().join("blobs").join(Digest::sha256(b"x").hex()), "x").unwrap();
    fs::remove_file(scratch.root().join("images").join(format!("{}.json", one.id.hex()))).unwrap();
    let all = words();
    assert!(
        all.contains(&("the name `docker.io/library/one:latest` is of an image that is not there".into(), true)),
        "{all:?}"
    );
    assert_eq!(
        all.iter().filter(|(what, damage)| what.starts_with("nothing needs the document") && !damage).count(),
        3
    );
    mended();
    assert_eq!(words(), []);
    // A changed file: the layer goes, then its image, whose names say what to pull again.
    fs::write(top.tree.join("file"), "tip").unwrap();
    assert_eq!(words(), [("its files were changed".to_owned(), true)]);
    let in_use = [top.diff_id.clone()].into();
    let lock = scratch.store.lock_exclusive().unwrap();
    assert!(!scratch.store.mend(&lock, &Subject::Layer(top.diff_id.clone()), &in_use).unwrap(), "a container has it");
    assert!(scratch.store.mend(&lock, &Subject::Layer(top.diff_id.clone()), &none).unwrap());
    drop(lock);
    assert!(words().iter().any(|(what, _)| what.contains("its layer")), "{:?}", words());
    mended();
    mended();
    scratch.store.sweep().unwrap();
    assert_eq!((words(), scratch.store.list().unwrap().len()), (Vec::new(), 0));
    // What killed processes left.
    fs::create_dir(scratch.root().join("staging/dead")).unwrap();
    fs::create_dir(scratch.root().join("trash/old")).unwrap();
    assert_eq!(words().len(), 2);
    scratch.store.sweep().unwrap();
    assert_eq!(words(), []);
}

fn found_under(scratch: &Scratch, lock: &StoreLock<Exclusive>) -> Vec<Problem> {
    scratch.store.examine(lock, &HashSet::new(), Duration::ZERO).unwrap()
}
