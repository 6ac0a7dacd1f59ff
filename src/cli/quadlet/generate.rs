//! `quadlet generate`: the generator. systemd runs it at login and at each `daemon-reload` through a link named
//! `coracle-user-generator`, see systemd.generator(7). Where no administrator has put that link, the service
//! `coracle-quadlet.service` runs it with `--session`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{directories, program, shown};
use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::units::convert::Severity;
use crate::units::{output, sources, systemctl};

/// The name by which systemd's generators call this program.
pub const GENERATOR: &str = "coracle-user-generator";

/// The command.
pub const VERB: Verb = Verb {
    name: "generate",
    about: "Make systemd units of the Quadlet files, as systemd does at login",
    usage: "[DIRECTORY [DIRECTORY DIRECTORY]]",
    arity: (0, Some(3)),
    greedy: false,
    codes: Codes::Plain,
    arguments: GenerateArguments::augment_args,
    run: |context, matches| run(context, &typed(matches)?),
};

/// Arguments of `generate`.
#[derive(Debug, Clone, Args)]
struct GenerateArguments {
    /// Print the units instead of writing them
    #[arg(long)]
    dry_run: bool,
    /// Write the units for this session, have systemd read them, and start what is to be started with the session
    #[arg(long, conflicts_with_all = ["dry_run", "directories"])]
    session: bool,
    /// Where systemd wants the units; the second and third directory, for units of other priorities, are left alone
    #[arg(value_name = "DIRECTORY")]
    directories: Vec<String>,
}

fn run(context: &Context, arguments: &GenerateArguments) -> Result<u8> {
    let (generated, findings) = output::generate(sources::find(&directories(context)?), &program()?);
    for finding in &findings {
        context.ui.warning_line(&shown(finding));
    }
    if arguments.dry_run {
        for unit in generated.iter().filter(|unit| !unit.converted.failed()) {
            context.ui.text(&format!("---{}---\n{}\n", unit.converted.service, unit.converted.unit.text()))?;
            for link in &unit.links {
                let (path, target) = (link.path.display().to_string(), link.target.display().to_string());
                context.ui.line(&format!("link {} -> {}", text::clean(&path), text::clean(&target)))?;
            }
        }
    } else if arguments.session {
        output::replace(&generated, &session_directory(context)?)?;
        systemctl::user(["daemon-reload"])?;
        // As the initrd does it: the target starts what it has come to want.
        systemctl::user(["start", "--no-block", "default.target"])?;
    } else {
        let Some(directory) = arguments.directories.first() else {
            return Err(Error::usage("`quadlet generate` needs a directory, --dry-run or --session"));
        };
        output::write(&generated, &context.path(directory))?;
    }
    Ok(u8::from(findings.iter().any(|finding| finding.severity == Severity::Error)))
}

/// systemd's directory for units of one session.
pub fn session_directory(context: &Context) -> Result<PathBuf> {
    let runtime = context.environment.path("XDG_RUNTIME_DIR");
    let runtime = runtime.ok_or_else(|| {
        Error::system("XDG_RUNTIME_DIR is not set: there is no session of systemd")
            .hint("log in through a terminal, ssh or a desktop, not with `su`")
    })?;
    Ok(Path::new(&runtime).join("systemd/user"))
}
