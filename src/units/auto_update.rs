//! `auto-update`: containers that systemd runs are started again when there is a newer image under their image's name.
//!
//! A container takes part if its label `io.containers.autoupdate` says where newer images come from, and its label
//! `PODMAN_SYSTEMD_UNIT` says which unit to start again. Both are written by the units that Quadlet files become. What
//! cannot be started with the newer image is started with the old one, under the name again.

use std::collections::BTreeMap;

use super::systemctl;
use crate::base::{Error, Result};
use crate::engine::Engine;
use crate::engine::progress::Progress;
use crate::engine::ps::{self, Query};
use crate::engine::renew::{self, Source};
use crate::spec::image::ImageOrigin;

/// The label that says where newer images come from.
pub const POLICY: &str = "io.containers.autoupdate";
/// The label, and the variable in the environment of `run`, with the name of the unit.
pub const UNIT: &str = "PODMAN_SYSTEMD_UNIT";

/// A container that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its image.
    pub image: ImageOrigin,
    /// Its policy, as the label says it.
    pub policy: String,
    /// What the policy means.
    pub source: Source,
}

/// What became of a container, in podman's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// There is no newer image.
    False,
    /// It runs with the newer image.
    True,
    /// There is a newer image, and nothing was done: `--dry-run`.
    Pending,
    /// The newer image did not start, and the old one runs.
    RolledBack,
    /// It could not be done.
    Failed,
}

impl Updated {
    /// podman's word.
    pub fn word(self) -> &'static str {
        match self {
            Updated::False => "false",
            Updated::True => "true",
            Updated::Pending => "pending",
            Updated::RolledBack => "rolled back",
            Updated::Failed => "failed",
        }
    }
}

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Only look.
    pub dry_run: bool,
    /// Go back to the old image if the unit does not start with the newer one.
    pub rollback: bool,
}

/// A container and what became of it.
#[derive(Debug)]
pub struct Report {
    /// The container.
    pub candidate: Candidate,
    /// What became of it.
    pub updated: Updated,
}

/// The running containers that take part, the oldest first, and what is wrong with the labels of others.
pub fn candidates(engine: &Engine) -> Result<(Vec<Candidate>, Vec<Error>)> {
    let listing = ps::list(engine, &Query::default())?;
    let (mut candidates, mut errors) = (Vec::new(), listing.broken);
    for container in listing.containers.into_iter().rev() {
        let (labels, name) = (&container.config.labels, container.name.to_string());
        let Some(policy) = labels.get(POLICY) else { continue };
        let source = match Source::parse(policy) {
            Ok(Some(source)) => source,
            Ok(None) => continue,
            Err(error) => {
                errors.push(Error::invalid(format!("cannot update `{name}`")).caused_by(error));
                continue;
            }
        };
        let of_image = renew::own_label(engine, &container.config.image, UNIT).unwrap_or_default();
        let unit = labels.get(UNIT).filter(|unit| is_unit(unit) && Some(*unit) != of_image.as_ref());
        let Some(unit) = unit.cloned() else {
            errors.push(
                Error::invalid(format!("cannot update `{name}`: no unit of systemd runs it"))
                    .hint("make it a service with a Quadlet file: coracle-quadlet(5)"),
            );
            continue;
        };
        let (image, policy, id) = (container.config.image.clone(), policy.clone(), container.config.id.to_string());
        candidates.push(Candidate { id, name, unit, image, policy, source });
    }
    Ok((candidates, errors))
}

/// Whether a label can be the name of a service. An image may bring labels: one that looks like an option of `systemctl`,
/// or like a unit of another kind, is none.
fn is_unit(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':' | '\\');
    name.ends_with(".service") && !name.starts_with(['-', '.']) && name.len() <= 255 && name.chars().all(allowed)
}

/// Updates all of them. Failures are told to `failed`; the others go on.
pub fn update(
    engine: &Engine,
    candidates: Vec<Candidate>,
    how: How,
    progress: &dyn Progress,
    failed: &mut dyn FnMut(&Error),
) -> Vec<Report> {
    // An image is looked for and fetched once, however many containers have it.
    let mut fetched: BTreeMap<(String, String), Result<Option<String>, ()>> = BTreeMap::new();
    let mut restarted: BTreeMap<String, Updated> = BTreeMap::new();
    let mut reports = Vec::new();
    for candidate in candidates {
        let key = (candidate.image.name.clone(), candidate.image.id.clone());
        let new = fetched.entry(key).or_insert_with(|| {
            newer(engine, &candidate, how, progress).map_err(|error| failed(&about(&candidate, error)))
        });
        let updated = match new {
            Err(()) => Updated::Failed,
            Ok(None) => Updated::False,
            Ok(Some(_)) if how.dry_run => Updated::Pending,
            Ok(Some(id)) if *id == candidate.image.id => Updated::False,
            // The unit of a pod runs several containers.
            Ok(Some(_)) => {
                *restarted.entry(candidate.unit.clone()).or_insert_with(|| restart(engine, &candidate, how, failed))
            }
        };
        reports.push(Report { candidate, updated });
    }
    reports
}

fn about(candidate: &Candidate, error: Error) -> Error {
    Error::new(error.kind(), format!("cannot update `{}`", candidate.name)).caused_by(error)
}

/// The id of the newer image, which is here then, unless this is a dry run.
fn newer(engine: &Engine, candidate: &Candidate, how: How, progress: &dyn Progress) -> Result<Option<String>> {
    if !renew::is_newer(engine, &candidate.image, candidate.source)? {
        return Ok(None);
    }
    match how.dry_run {
        true => Ok(Some(String::new())),
        false => renew::fetch(engine, &candidate.image, candidate.source, progress).map(Some),
    }
}

/// Starts the unit again; with the old image if it does not start with the newer one.
fn restart(engine: &Engine, candidate: &Candidate, how: How, failed: &mut dyn FnMut(&Error)) -> Updated {
    let start = || systemctl::user(["restart", "--", candidate.unit.as_str()]);
    let Err(error) = start() else { return Updated::True };
    failed(&about(candidate, error).hint(format!("`journalctl --user -u {}` says why", candidate.unit)));
    if !how.rollback {
        return Updated::Failed;
    }
    match renew::put_back(engine, &candidate.image).and_then(|()| start()) {
        Ok(_) => Updated::RolledBack,
        Err(error) => {
            failed(&about(candidate, error));
            Updated::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_images_are_no_options() {
        for (name, good) in [
            ("web.service", true),
            ("web@1.service", true),
            ("--force.service", false),
            ("default.target", false),
            ("a b.service", false),
            ("../x.service", false),
        ] {
            assert_eq!(is_unit(name), good, "{name}");
        }
    }
}
