//! What the work on a project tells while it goes on: docker compose's events of containers, networks, volumes and images.

use crate::engine::build::events::Watcher;
use crate::engine::progress::Progress;

/// How far the work on something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It goes on.
    Working,
    /// It is done.
    Done,
    /// It went otherwise than asked.
    Warning,
    /// It has failed.
    Failed,
}

/// Told what happens, from several threads.
pub trait Report: Sync {
    /// Something has happened to `what` (`Container web-1`): `words` (`Started`).
    fn event(&self, what: &str, stage: Stage, words: &str);
    /// Something that the user should know.
    fn warning(&self, warning: &str);
    /// Shows the pull of an image.
    fn pull(&self) -> Box<dyn Progress + '_>;
    /// Shows the build of an image.
    fn build(&self) -> Box<dyn Watcher + '_>;
}

/// The work on one thing, told as it begins and ends.
pub struct Event<'a> {
    report: &'a dyn Report,
    what: String,
}

impl<'a> Event<'a> {
    /// The work on a container.
    pub fn container(report: &'a dyn Report, name: &str) -> Self {
        Self { report, what: format!("Container {name}") }
    }

    /// The work on anything else: `Network x`.
    pub fn of(report: &'a dyn Report, what: impl Into<String>) -> Self {
        Self { report, what: what.into() }
    }

    /// It goes on.
    pub fn working(&self, words: &str) {
        self.report.event(&self.what, Stage::Working, words);
    }

    /// It is done.
    pub fn done(&self, words: &str) {
        self.report.event(&self.what, Stage::Done, words);
    }

    /// It went otherwise than asked.
    pub fn warning(&self, words: &str) {
        self.report.event(&self.what, Stage::Warning, words);
    }

    /// Tells `begin`, works, and tells `end` or that it failed.
    pub fn around<T>(
        &self,
        begin: &str,
        end: &str,
        work: impl FnOnce() -> crate::base::Result<T>,
    ) -> crate::base::Result<T> {
        self.working(begin);
        let result = work();
        match &result {
            Ok(_) => self.done(end),
            Err(_) => self.report.event(&self.what, Stage::Failed, "Error"),
        }
        result
    }
}
