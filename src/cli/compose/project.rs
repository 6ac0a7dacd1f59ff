//! The options between `compose` and its command, which say what project is meant.

use clap::{Args, Command, FromArgMatches};

use crate::base::{Result, text};
use crate::cli::argv;
use crate::cli::context::Context;
use crate::cli::verb::of_clap;
use crate::compose::files::{self, Machine};
use crate::compose::project::{Project, Request, Skip, load};

/// Options of every command of `compose`.
#[derive(Debug, Clone, Default, Args)]
pub struct ProjectOptions {
    /// Include what no service uses
    #[arg(long)]
    all_resources: bool,
    /// Read variables from this file instead of .env
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,
    /// Read this compose file; with several, later ones are merged onto earlier ones; '-' is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Vec<String>,
    /// Enable the services of this profile; '*' enables all
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<String>,
    /// Directory that relative paths start from (default: that of the first compose file)
    #[arg(long, value_name = "DIR")]
    project_directory: Option<String>,
    /// Name of the project (default: the files' `name`, or that of the directory)
    #[arg(short, long, value_name = "NAME")]
    project_name: Option<String>,
}

/// Adds the options to the definition of the noun.
pub fn flags(command: Command) -> Command {
    ProjectOptions::augment_args(command).args_override_self(true)
}

impl ProjectOptions {
    /// The options that were given.
    pub fn given(context: &Context) -> Result<Self> {
        let command = flags(Command::new("compose").disable_help_flag(true));
        let line = argv::read(&command, true, &context.before)?;
        let matches = command.try_get_matches_from(line.for_clap()).map_err(|error| of_clap(&error))?;
        Self::from_arg_matches(&matches).map_err(|error| of_clap(&error))
    }

    /// Reads the project and prints what should be known about it.
    pub fn load(self, context: &Context, services: &[String], skip: Skip) -> Result<Project> {
        let input = match self.file.iter().any(|file| file == "-") {
            true => Some(files::text(std::io::stdin().lock(), "-")?),
            false => None,
        };
        let request = Request {
            cwd: context.cwd().to_owned(),
            files: self.file,
            input,
            directory: self.project_directory,
            name: self.project_name,
            env_files: self.env_file,
            profiles: self.profile,
            environment: context.environment.all().clone(),
            services: services.to_vec(),
            skip: Skip { selection: skip.selection || self.all_resources, ..skip },
        };
        let project = load(&request, &Machine)?;
        for warning in &project.warnings {
            context.ui.warning(&text::clean(warning));
        }
        Ok(project)
    }
}
