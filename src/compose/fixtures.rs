//! Projects for tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::Files;
use super::project::{Project, Request, load};
use crate::base::Result;

/// Files that are only in memory.
pub struct Given(pub BTreeMap<PathBuf, String>);

impl Files for Given {
    fn read(&self, path: &Path) -> Result<Option<String>> {
        Ok(self.0.get(path).cloned())
    }

    fn is_directory(&self, _: &Path) -> bool {
        false
    }
}

/// The project `p` of `/p/compose.yaml`.
pub fn project(source: &str) -> Project {
    project_of(source, &[]).unwrap_or_else(|error| panic!("{}", error.chain()))
}

/// The same, with variables.
pub fn project_of(source: &str, variables: &[(&str, &str)]) -> Result<Project> {
    let files = Given(BTreeMap::from([("/p/compose.yaml".into(), source.to_owned())]));
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&Request { cwd: "/p".into(), environment, ..Request::default() }, &files)
}
