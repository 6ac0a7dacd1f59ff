//! `system check`: the store is verified, and what is damaged or left over goes. The work is done in [`super::reclaim`]; what
//! is here decides about containers, which can stand in the way of a repair.

use std::collections::HashSet;

use super::Engine;
use super::reclaim::check::job;
pub use super::reclaim::check::{CheckReport, CheckRequest};
use super::remove::{Removal, remove};
use crate::base::Result;
use crate::oci::Digest;
pub use crate::store::Subject;

/// Checks the store.
pub fn check(engine: &Engine, request: &CheckRequest) -> Result<CheckReport> {
    if request.repair {
        engine.containers().sweep()?;
    }
    let look = CheckRequest { repair: false, ..request.clone() };
    let report = job(engine, look)?;
    if !request.repair || report.problems.is_empty() {
        return Ok(report);
    }
    if request.force {
        let damaged: HashSet<&Subject> =
            report.problems.iter().filter(|(problem, _)| problem.damage).map(|(problem, _)| &problem.subject).collect();
        let mut names = Vec::new();
        for container in engine.containers().list()?.into_iter().flatten() {
            let image = &container.config.image;
            let is_of = |text: &String, subject: fn(Digest) -> Subject| {
                text.parse().is_ok_and(|id| damaged.contains(&subject(id)))
            };
            if is_of(&image.id, Subject::Image) || image.layers.iter().any(|layer| is_of(layer, Subject::Layer)) {
                names.push(container.config.id.as_str().to_owned());
            }
        }
        remove(engine, &names, Removal { force: true, ..Removal::default() })
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
    }
    job(engine, request.clone())
}
