//! What is there of a project, by its labels.

use super::labels::{self, Known};
use crate::base::Result;
use crate::engine::Engine;
use crate::spec::container::Container;

/// All containers of a project, those of `compose run` among them.
///
/// # Errors
///
/// When the records cannot be listed. A container whose record is broken is nobody's.
pub fn of_project(engine: &Engine, project: &str) -> Result<Vec<Container>> {
    let is_of_it = |container: &Container| Known::of(container).get(labels::PROJECT) == project;
    let mut containers: Vec<Container> = engine.containers().list()?.into_iter().flatten().filter(is_of_it).collect();
    let number = |container: &Container| Known::of(container).number();
    containers.sort_by(|a, b| {
        let service = |container| Known::of(container).service().to_owned();
        (service(a), number(a), &a.name).cmp(&(service(b), number(b), &b.name))
    });
    Ok(containers)
}
