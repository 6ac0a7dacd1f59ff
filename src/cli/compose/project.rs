//! The options between `compose` and its command, which say what project is meant and how its progress is shown.

use clap::{Args, Command, FromArgMatches};

use crate::base::{Error, Kind, Result, text};
use crate::cli::argv;
use crate::cli::context::Context;
use crate::cli::verb::of_clap;
use crate::compose::files::{self, Machine};
use crate::compose::project::{Project, Request, Skip, load, normalized_name};
use crate::compose::up::WIDTH;

/// Options of every command of `compose`.
#[derive(Debug, Clone, Default, Args)]
pub struct ProjectOptions {
    /// Include what no service uses
    #[arg(long)]
    all_resources: bool,
    /// When to use colors and other codes of terminals: never, always or auto
    #[arg(long, value_name = "WHEN")]
    ansi: Option<String>,
    /// Accepted: names are those of docker compose
    #[arg(long, hide = true)]
    compatibility: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Read variables from this file instead of .env
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,
    /// Read this compose file; with several, later ones are merged onto earlier ones; '-' is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Vec<String>,
    /// The most things to do at a time; -1 for as many as there are
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    parallel: Option<i64>,
    /// Enable the services of this profile; '*' enables all
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<String>,
    /// How progress is shown: auto, tty, plain, json or quiet
    #[arg(long, value_name = "WAY")]
    progress: Option<String>,
    /// Directory that relative paths start from (default: that of the first compose file)
    #[arg(long, alias = "workdir", value_name = "DIR")]
    project_directory: Option<String>,
    /// Name of the project (default: the files' `name`, or that of the directory)
    #[arg(short, long, value_name = "NAME")]
    project_name: Option<String>,
}

/// Adds the options to the definition of the noun.
pub fn flags(command: Command) -> Command {
    ProjectOptions::augment_args(command).args_override_self(true)
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A line for each event.
    Plain,
    /// A line for each thing, redrawn.
    Terminal,
    /// An object for each event.
    Json,
    /// Not at all.
    Quiet,
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
    pub fn load(&self, context: &Context, services: &[String], skip: Skip) -> Result<Project> {
        let input = match self.file.iter().any(|file| file == "-") {
            true => Some(files::text(std::io::stdin().lock(), "-")?),
            false => None,
        };
        let request = Request {
            cwd: context.cwd().to_owned(),
            files: self.file.clone(),
            input,
            directory: self.project_directory.clone(),
            name: self.project_name.clone(),
            env_files: self.env_file.clone(),
            profiles: self.profile.clone(),
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

    /// The name of the project, and the project if its files are there: its name alone will do for what is known by labels.
    pub fn load_or_name(&self, context: &Context) -> Result<(String, Option<Project>)> {
        let given = self.project_name.as_deref().or_else(|| context.environment.get("COMPOSE_PROJECT_NAME"));
        match (self.load(context, &[], Skip::default()), given.filter(|name| !name.is_empty())) {
            (Err(error), Some(name))
                if error.kind() == Kind::NotFound && self.file.is_empty() && normalized_name(name) == name =>
            {
                Ok((name.to_owned(), None))
            }
            (project, _) => project.map(|project| (project.name.clone(), Some(project))),
        }
    }

    /// The most things to do at a time.
    pub fn width(&self, context: &Context) -> Result<usize> {
        let variable = context.environment.get("COMPOSE_PARALLEL_LIMIT").filter(|limit| !limit.is_empty());
        let given = match (self.parallel, variable) {
            (Some(given), _) => Some(given),
            (None, Some(limit)) => Some(limit.parse().map_err(|_| {
                Error::usage(format!("COMPOSE_PARALLEL_LIMIT must be an integer (found: {})", text::clean(limit)))
            })?),
            (None, None) => None,
        };
        match given {
            Some(limit) if limit > 0 => Ok(usize::try_from(limit).unwrap_or(WIDTH).min(256)),
            Some(0) => Err(Error::usage("--parallel must be greater than 0, or -1")),
            _ => Ok(WIDTH),
        }
    }

    /// Whether output to a stream has colors.
    pub fn has_colors(&self, context: &Context, is_terminal: bool) -> Result<bool> {
        let when = self.ansi.as_deref().or_else(|| context.environment.get("COMPOSE_ANSI")).unwrap_or("auto");
        match when {
            "auto" | "" => Ok(is_terminal && context.environment.get("NO_COLOR").is_none_or(str::is_empty)),
            "always" => Ok(true),
            "never" => Ok(false),
            other => Err(Error::usage(format!("invalid value for --ansi: {:?}", text::clean(other)))
                .hint("it is never, always or auto")),
        }
    }

    /// How progress is shown.
    pub fn way(&self, context: &Context) -> Result<Way> {
        let way = self.progress.as_deref().or_else(|| context.environment.get("COMPOSE_PROGRESS")).unwrap_or("auto");
        match way {
            "auto" | "" => {
                match self.has_colors(context, context.ui.err_is_terminal())? && context.ui.err_is_terminal() {
                    true => Ok(Way::Terminal),
                    false => Ok(Way::Plain),
                }
            }
            "tty" => Ok(Way::Terminal),
            "plain" => Ok(Way::Plain),
            "json" => Ok(Way::Json),
            "quiet" => Ok(Way::Quiet),
            other => Err(Error::usage(format!("unsupported --progress value {:?}", text::clean(other)))
                .hint("it is auto, tty, plain, json or quiet")),
        }
    }
}
