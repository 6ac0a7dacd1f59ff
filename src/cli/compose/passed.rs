//! `compose stats`, `export` and `commit`: commands about containers, which are found by their services.

use clap::Args;

use super::work::Work;
use crate::base::{Error, Result};
use crate::cli::container;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Parsed, Verb, typed};

/// `compose stats`.
pub const STATS: Verb = Verb {
    name: "stats",
    about: "Display what the containers of services use of the machine",
    usage: "[SERVICE]",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: StatsArguments::augment_args,
    run: |context, matches| stats(context, &typed(matches)?),
};

/// `compose export`.
pub const EXPORT: Verb = Verb {
    name: "export",
    about: "Export the files of a container of a service as a tar archive",
    usage: "SERVICE",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ExportArguments::augment_args,
    run: |context, matches| export(context, &typed(matches)?),
};

/// `compose commit`.
pub const COMMIT: Verb = Verb {
    name: "commit",
    about: "Make an image of the changes of a container of a service",
    usage: "SERVICE [REPOSITORY[:TAG]]",
    arity: (1, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: CommitArguments::augment_args,
    run: |context, matches| commit(context, &typed(matches)?),
};

/// Does a command about containers.
fn pass_on(context: &Context, verb: &Verb, words: &[String]) -> Result<u8> {
    let command = verb.command(context.persona.program(), &[verb.name]);
    match verb.parse(&command, verb.name, words) {
        Ok(Parsed::Arguments(matches)) => (verb.run)(context, &matches),
        Ok(Parsed::Help) => Err(Error::system(format!("`{}` was asked for its help", verb.name))),
        Err(wrong) => Err(wrong.error),
    }
}

/// Arguments of `compose stats`.
#[derive(Debug, Clone, Default, Args)]
struct StatsArguments {
    /// Show containers that do not run, too
    #[arg(short, long)]
    all: bool,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Show one sample and end
    #[arg(long)]
    no_stream: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// The service; all when none is named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

fn stats(context: &Context, arguments: &StatsArguments) -> Result<u8> {
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let mut containers = work.existing(&name, project.as_ref(), None).containers(&arguments.services, false)?;
    containers.retain(|container| arguments.all || container.status.is_running());
    if containers.is_empty() {
        return Err(Error::not_found(format!("no container of the project {name:?} runs")));
    }
    let mut words: Vec<String> = Vec::new();
    for (flag, given) in [("--no-stream", arguments.no_stream), ("--no-trunc", arguments.no_trunc)] {
        words.extend(given.then(|| flag.to_owned()));
    }
    words.extend(arguments.format.iter().map(|format| format!("--format={format}")));
    words.extend(containers.iter().map(|container| container.config.id.to_string()));
    pass_on(context, &container::stats::VERB, &words)
}

/// Arguments of `compose export`.
#[derive(Debug, Clone, Default, Args)]
struct ExportArguments {
    /// The number of the container, if the service has several
    #[arg(long, value_name = "NUMBER")]
    index: Option<u32>,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// The service
    #[arg(value_name = "SERVICE", required = true)]
    service: String,
}

fn export(context: &Context, arguments: &ExportArguments) -> Result<u8> {
    let container = Work::new(context)?.container(&arguments.service, arguments.index)?;
    let output = arguments.output.iter().map(|file| format!("--output={file}"));
    let words: Vec<String> = output.chain([container.config.id.to_string()]).collect();
    pass_on(context, &container::export::VERB, &words)
}

/// Arguments of `compose commit`.
#[derive(Debug, Clone, Default, Args)]
struct CommitArguments {
    /// The author
    #[arg(short, long, value_name = "NAME")]
    author: Option<String>,
    /// Apply an instruction of a Dockerfile to the image
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// The number of the container, if the service has several
    #[arg(long, value_name = "NUMBER")]
    index: Option<u32>,
    /// What it is
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Freeze the container meanwhile
    #[arg(short, long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    pause: bool,
    /// The service, and the name of the image
    #[arg(value_name = "SERVICE [REPOSITORY[:TAG]]", num_args = 1..)]
    words: Vec<String>,
}

fn commit(context: &Context, arguments: &CommitArguments) -> Result<u8> {
    let container = Work::new(context)?.container(&arguments.words[0], arguments.index)?;
    let mut words = vec![format!("--pause={}", arguments.pause)];
    words.extend(arguments.author.iter().map(|author| format!("--author={author}")));
    words.extend(arguments.message.iter().map(|message| format!("--message={message}")));
    words.extend(arguments.change.iter().map(|change| format!("--change={change}")));
    words.push(container.config.id.to_string());
    words.extend(arguments.words.get(1).cloned());
    pass_on(context, &container::commit::VERB, &words)
}
