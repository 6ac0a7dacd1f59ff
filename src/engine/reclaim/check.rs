//! `system check`: verifies what the store promises, and takes away what is damaged or left over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::Engine;
use super::super::rmi::layers_in_use;
use super::super::worker::{self, Given, Job, Place};
use crate::base::Result;
use crate::store::Problem;
use crate::store::Subject;

/// How to check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckRequest {
    /// Leave out the contents of layers.
    pub quick: bool,
    /// Take away what is damaged or left over.
    pub repair: bool,
    /// With `repair`: containers of what is damaged, too.
    pub force: bool,
    /// Layers that nobody needs are left over when they are older.
    pub max: Duration,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The problems, and whether each is gone now.
    pub problems: Vec<(Problem, bool)>,
    /// Layers whose contents cannot be compared with a digest.
    pub unknown: usize,
    /// Images that were removed, by their names, or their id without one: pull them again.
    pub lost: Vec<String>,
}

/// Does it, in the namespace that owns the layers.
pub(in crate::engine) fn job(engine: &Engine, request: CheckRequest) -> Result<CheckReport> {
    worker::call_silently(engine, request)
}

impl Job for CheckRequest {
    const NAME: &'static str = "check";
    // Layers have files that only their owners may read, and those are subordinate ids.
    const PLACE: Place = Place::Outer;
    type Report = CheckReport;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<CheckReport> {
        let store = engine.store()?;
        let mut report = CheckReport::default();
        if !self.quick {
            let (problems, unknown) = store.examine_contents()?;
            report.unknown = unknown;
            report.problems.extend(problems.into_iter().map(|problem| (problem, false)));
        }
        let lock = store.lock_exclusive()?;
        let in_use = layers_in_use(&engine.containers())?;
        let add = |problems: &mut Vec<(Problem, bool)>, found: Vec<Problem>| {
            for problem in found {
                if !problems.iter().any(|(known, _)| known.subject == problem.subject && known.what == problem.what) {
                    problems.push((problem, false));
                }
            }
        };
        add(&mut report.problems, store.examine(&lock, &in_use, self.max)?);
        for layer in &in_use {
            if store.layer(layer)?.is_none() {
                let what = "a container needs it, and it is missing or damaged".to_owned();
                add(&mut report.problems, vec![Problem { subject: Subject::Layer(layer.clone()), what, damage: true }]);
            }
        }
        if !self.repair {
            return Ok(report);
        }
        // What goes may take other things with it: an image without its layer, a name without its image.
        for _ in 0..4 {
            for (problem, mended) in report.problems.iter_mut().filter(|(_, mended)| !mended) {
                if let Subject::Image(id) = &problem.subject {
                    let names: Vec<String> = store
                        .names_of(id)?
                        .iter()
                        .filter(|name| name.digest().is_none())
                        .map(|name| name.familiar())
                        .collect();
                    let gone = store.mend(&lock, &problem.subject, &in_use)?;
                    if gone {
                        report.lost.extend(if names.is_empty() { vec![id.short().to_owned()] } else { names });
                    }
                    *mended = gone;
                } else {
                    *mended = store.mend(&lock, &problem.subject, &in_use)?;
                }
            }
            let known = report.problems.len();
            add(
                &mut report.problems,
                store
                    .examine(&lock, &in_use, self.max)?
                    .into_iter()
                    .filter(|problem| problem.subject != Subject::Leftovers)
                    .collect(),
            );
            if report.problems.len() == known {
                break;
            }
        }
        drop(lock);
        store.sweep()?;
        Ok(report)
    }
}
