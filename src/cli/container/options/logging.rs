//! Options about the log.

use super::Around;
use crate::base::Result;
use crate::spec::logging::Logging;

/// Options about the log.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LoggingOptions {
    /// Where the output is kept: json-file, local, k8s-file, journald, none or passthrough
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// Options of the log driver: max-size=SIZE, max-file=NUMBER, path=FILE, tag=TEMPLATE, labels=NAMES, env=NAMES
    #[arg(long, value_name = "KEY=VALUE")]
    pub log_opt: Vec<String>,
}

impl LoggingOptions {
    /// The group these options stand for.
    pub fn group(&self, around: &Around<'_>) -> Result<Logging> {
        Logging::parse(self.log_driver.as_deref().unwrap_or_default(), &self.log_opt, around.cwd)
    }
}
