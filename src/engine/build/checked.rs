//! What the checks of a Dockerfile have found.

use std::collections::BTreeSet;

use crate::base::{Error, Result};
use crate::dockerfile::check::Violation;

/// What was found in a Dockerfile.
#[derive(Debug)]
pub struct Checked {
    /// The Dockerfile's name.
    pub name: String,
    /// Its text.
    pub source: String,
    /// The rules that it violates, in the order of their lines.
    pub violations: Vec<Violation>,
    /// `# check=error=true`: a violation is an error.
    pub is_error: bool,
}

impl Checked {
    /// The error of violations, when they are one.
    pub fn failure(&self) -> Result<()> {
        if !self.is_error || self.violations.is_empty() {
            return Ok(());
        }
        let rules: BTreeSet<&str> = self.violations.iter().map(|violation| violation.rule.name).collect();
        let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
        Err(Error::invalid(format!("lint violation found for rules: {rules}")))
    }
}
