//! Whether the store keeps what it promises: every record can be read, everything that is named is there and hashes to its
//! digest, and nothing is there that nobody needs.
//!
//! Looking at records and names takes milliseconds and is done under the exclusive lock, so that no half of a change is
//! seen. Reading layers takes long and is done without a lock: a layer that is gone afterwards was removed meanwhile.
//! [`Store::mend`] takes away what is damaged or left over. It never makes anything up: what was lost has to be pulled again.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::images::{names_in, read_record};
use super::lists::ListRecord;
use super::{Exclusive, Store, StoreLock};
use crate::base::error::if_absent;
use crate::base::lock::Lock;
use crate::base::publish::{self, Durability};
use crate::base::{Result, ResultExt};
use crate::oci::{Digest, DigestHasher, ImageConfig};

/// What a problem is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// A layer, by diff id.
    Layer(Digest),
    /// An image, by id.
    Image(Digest),
    /// A file of the store, relative to it: a name, a record, a blob or a link.
    File(PathBuf),
    /// Removals that were interrupted, and what killed processes left.
    Leftovers,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What it is about.
    pub subject: Subject,
    /// What is wrong with it, for people.
    pub what: String,
    /// Something is lost; otherwise only space is.
    pub damage: bool,
}

impl Problem {
    fn damage(subject: Subject, what: impl Into<String>) -> Self {
        Self { subject, what: what.into(), damage: true }
    }

    fn leftover(subject: Subject, what: impl Into<String>) -> Self {
        Self { subject, what: what.into(), damage: false }
    }
}

impl Store {
    /// Looks at all records, names and documents. `in_use` are the layers of containers; layers that nobody needs are a
    /// problem when they are older than `max`. While somebody adds images those are not looked at.
    pub fn examine(
        &self,
        _lock: &StoreLock<Exclusive>,
        in_use: &HashSet<Digest>,
        max: Duration,
    ) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        let mut needed = in_use.clone();
        let mut blobs = HashSet::new();
        for id in names_in(&self.path("images"))? {
            match self.image(&id)? {
                Some(image) if image.id == id => {
                    problems.extend(
                        self.problem_of_image(&id)?.map(|what| Problem::damage(Subject::Image(id.clone()), what)),
                    );
                    needed.extend(image.layers);
                    blobs.extend([image.id, image.manifest]);
                }
                _ => {
                    let file = PathBuf::from("images").join(format!("{}.json", id.hex()));
                    problems.push(Problem::damage(
                        Subject::File(file),
                        format!("the record of the image `{}` is damaged", id.short()),
                    ));
                }
            }
        }
        let mut pending = false;
        for id in names_in(&self.path("removing"))? {
            let image = read_record(&self.path("removing").join(format!("{}.json", id.hex())))?;
            pending |= image.as_ref().is_none_or(|image| image.layers.iter().all(|layer| !in_use.contains(layer)));
            needed.extend(image.iter().flat_map(|image| image.layers.clone()));
            blobs.extend(image.into_iter().flat_map(|image| [image.id, image.manifest]));
        }
        if pending {
            problems.push(Problem::leftover(Subject::Leftovers, "the removal of an image was interrupted"));
        }
        self.examine_names(Path::new("refs"), &mut problems)?;
        self.examine_names(Path::new("lists"), &mut problems)?;
        self.examine_blobs(&blobs, &mut problems)?;
        self.examine_layers(&needed, max, &mut problems)?;
        self.examine_leftovers(&mut problems)?;
        Ok(problems)
    }

    /// What is wrong with an image that has a record.
    fn problem_of_image(&self, id: &Digest) -> Result<Option<String>> {
        let Some(image) = self.image(id)? else { return Ok(None) };
        let Some(config) = self.blob(&image.id)? else {
            return Ok(Some("its configuration is missing or damaged".into()));
        };
        if ImageConfig::parse(&config).is_ok_and(|config| config.rootfs.diff_ids != image.layers) {
            return Ok(Some("its record has other layers than its configuration".into()));
        }
        if self.blob(&image.manifest)?.is_none() {
            return Ok(Some("its manifest is missing or damaged".into()));
        }
        for layer in &image.layers {
            if self.layer(layer)?.is_none() {
                return Ok(Some(format!("its layer `{}` is missing or damaged", layer.short())));
            }
        }
        Ok(None)
    }

    /// Names of images below `refs`, and of lists below `lists`.
    fn examine_names(&self, below: &Path, problems: &mut Vec<Problem>) -> Result<()> {
        let directory = self.path("").join(below);
        for entry in if_absent(fs::read_dir(&directory)).at(&directory, "cannot list")?.into_iter().flatten() {
            let entry = entry.at(&directory, "cannot list")?;
            let path = below.join(entry.file_name());
            if entry.file_type().at(&entry.path(), "cannot examine")?.is_dir() {
                self.examine_names(&path, problems)?;
                continue;
            }
            // What a killed writer left is counted elsewhere.
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let shown = path
                .strip_prefix("refs")
                .or_else(|_| path.strip_prefix("lists"))
                .unwrap_or(&path)
                .display()
                .to_string();
            let shown = shown.replace("/_tags/", ":").replace("/_digests/", "@");
            if below.starts_with("lists") {
                let bytes = fs::read(entry.path()).at(&entry.path(), "cannot read")?;
                if serde_json::from_slice::<ListRecord>(&bytes).is_err() {
                    problems
                        .push(Problem::damage(Subject::File(path), format!("the list of images `{shown}` is damaged")));
                }
                continue;
            }
            let named = super::names::read_name(&entry.path())?;
            let what = match named {
                None => format!("the name `{shown}` is damaged"),
                Some(id) if self.image(&id)?.is_none() => {
                    format!("the name `{shown}` is of an image that is not there")
                }
                Some(_) => continue,
            };
            problems.push(Problem::damage(Subject::File(path), what));
        }
        Ok(())
    }

    fn examine_blobs(&self, needed: &HashSet<Digest>, problems: &mut Vec<Problem>) -> Result<()> {
        for id in names_in(&self.path("blobs"))?.into_iter().filter(|id| !needed.contains(id)) {
            let file = PathBuf::from("blobs").join(id.hex());
            problems
                .push(Problem::leftover(Subject::File(file), format!("nothing needs the document `{}`", id.short())));
        }
        Ok(())
    }

    fn examine_layers(&self, needed: &HashSet<Digest>, max: Duration, problems: &mut Vec<Problem>) -> Result<()> {
        let adding = Lock::attempt(&self.path("adding"), crate::base::lock::Mode::Exclusive)?;
        for id in self.layer_ids()? {
            let subject = Subject::Layer(id.clone());
            match self.layer(&id)? {
                None => problems.push(Problem::damage(subject, "its record is missing or damaged")),
                Some(layer) if !layer.tree.is_dir() => problems.push(Problem::damage(subject, "its files are missing")),
                Some(layer) if !needed.contains(&id) && adding.is_some() && self.is_older(&id, max) => {
                    let what = format!("no image and no container has it ({} bytes)", layer.size);
                    problems.push(Problem::leftover(subject, what));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn examine_leftovers(&self, problems: &mut Vec<Problem>) -> Result<()> {
        let mut dead = 0;
        for entry in fs::read_dir(self.path("staging")).at(&self.path("staging"), "cannot list")? {
            let entry = entry.at(&self.path("staging"), "cannot list")?;
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            dead += usize::from(is_dir && Lock::attempt_directory(&entry.path())?.is_some());
        }
        if dead > 0 {
            problems.push(Problem::leftover(
                Subject::Leftovers,
                format!("{dead} unfinished layers of processes that died"),
            ));
        }
        let trash = fs::read_dir(self.path("trash")).at(&self.path("trash"), "cannot list")?.count();
        if trash > 0 {
            problems.push(Problem::leftover(
                Subject::Leftovers,
                format!("{trash} things that were removed still take space"),
            ));
        }
        Ok(())
    }

    /// Reads every layer and compares it with its digest. Call it as root of the user namespace that owns the trees. Also
    /// gives how many layers cannot be compared, because their archive is not to be had back.
    pub fn examine_contents(&self) -> Result<(Vec<Problem>, usize)> {
        let (mut problems, mut unknown) = (Vec::new(), 0);
        for id in self.layer_ids()? {
            let Some(layer) = self.layer(&id)? else { continue };
            if !layer.rebuildable {
                unknown += 1;
                continue;
            }
            let mut hasher = Hasher(DigestHasher::new());
            let what = match layer.write_tar(&mut hasher) {
                Ok(()) if hasher.0.finish() == id => continue,
                Ok(()) => "its files were changed".to_owned(),
                Err(error) => format!("its files are damaged: {}", error.chain()),
            };
            if self.layer(&id)?.is_some() {
                problems.push(Problem::damage(Subject::Layer(id), what));
            }
        }
        Ok((problems, unknown))
    }

    /// Takes away what a problem is about, but for images and layers `in_use` by containers: then nothing happens, and the
    /// answer is no. What an image loses by it is the next [`Store::examine`]'s to find.
    pub fn mend(&self, lock: &StoreLock<Exclusive>, subject: &Subject, in_use: &HashSet<Digest>) -> Result<bool> {
        match subject {
            Subject::Layer(id) if in_use.contains(id) => Ok(false),
            Subject::Layer(id) => {
                publish::discard(&self.layer_path(id), &self.path("trash"), Durability::Durable)?;
                Ok(true)
            }
            Subject::Image(id) => match self.image(id)? {
                Some(image) if image.layers.iter().any(|layer| in_use.contains(layer)) => Ok(false),
                Some(image) => self.remove_image(lock, &image, in_use).map(|_| true),
                None => Ok(true),
            },
            Subject::File(path) => {
                let path = self.path("").join(path);
                if_absent(fs::remove_file(&path)).at(&path, "cannot remove")?;
                Ok(true)
            }
            Subject::Leftovers => {
                for id in names_in(&self.path("removing"))? {
                    self.resume_removal(&id, in_use)?;
                }
                Ok(true)
            }
        }
    }
}

/// Hashes what is written.
struct Hasher(DigestHasher);

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
