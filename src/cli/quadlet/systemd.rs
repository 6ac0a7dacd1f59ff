//! `generate systemd`: a service for a container that is there already.

use clap::Args;

use super::program;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::units::of_container::{Wanted, service};

/// The command.
pub const VERB: Verb = Verb {
    name: "systemd",
    about: "Make a systemd unit that starts a container",
    usage: "CONTAINER",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: SystemdArguments::augment_args,
    run: |context, matches| generate(context, &typed(matches)?),
};

/// Arguments of `generate systemd`.
#[derive(Debug, Clone, Args)]
struct SystemdArguments {
    /// Start these units before
    #[arg(long, value_name = "UNIT")]
    after: Vec<String>,
    /// What the name of the unit begins with
    #[arg(long, value_name = "PREFIX", default_value = "container")]
    container_prefix: String,
    /// Set a variable in the service
    #[arg(short, long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Write the unit into the working directory, and print its path
    #[arg(short, long)]
    files: bool,
    /// Use the container's name instead of its id
    #[arg(short, long)]
    name: bool,
    /// Have the unit make a new container at each start: refused, that is what Quadlet files are for
    #[arg(long)]
    new: bool,
    /// Leave out the comment with version and time
    #[arg(long)]
    no_header: bool,
    /// Fail if these units are not started
    #[arg(long, value_name = "UNIT")]
    requires: Vec<String>,
    /// When systemd starts it again: no, on-success, on-failure, on-abnormal, on-watchdog, on-abort or always
    #[arg(long, value_name = "POLICY", default_value = "on-failure")]
    restart_policy: String,
    /// Seconds before systemd starts it again
    #[arg(long, value_name = "SECONDS")]
    restart_sec: Option<u64>,
    /// What stands between the prefix and the name
    #[arg(long, value_name = "TEXT", default_value = "-")]
    separator: String,
    /// Seconds that the start may take
    #[arg(long, value_name = "SECONDS")]
    start_timeout: Option<u64>,
    /// Seconds that the container has to stop
    #[arg(short = 't', long, visible_alias = "time", value_name = "SECONDS")]
    stop_timeout: Option<u64>,
    /// Start these units too
    #[arg(long, value_name = "UNIT")]
    wants: Vec<String>,
    /// Name or ID
    #[arg(value_name = "CONTAINER")]
    container: String,
}

fn generate(context: &Context, arguments: &SystemdArguments) -> Result<u8> {
    if arguments.new {
        return Err(Error::unsupported("`generate systemd` makes units for containers that are there")
            .hint("for a new container at each start write a Quadlet file: coracle-quadlet(5)"));
    }
    let containers = context.engine()?.containers();
    let id = containers.find(&arguments.container)?;
    let config = containers.config(&id)?;
    let container = if arguments.name { config.name.to_string() } else { id.to_string() };
    let service_name = format!("{}{}{container}", arguments.container_prefix, arguments.separator);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@');
    if !service_name.chars().all(plain) || service_name.starts_with('.') {
        return Err(Error::usage(format!("`{}` is no name of a unit", text::clean(&service_name))));
    }
    let wanted = Wanted {
        program: program()?.display().to_string(),
        container,
        service: service_name,
        restart: arguments.restart_policy.clone(),
        stop_timeout: arguments.stop_timeout.unwrap_or(10),
        start_timeout: arguments.start_timeout,
        restart_delay: arguments.restart_sec,
        environment: arguments.env.clone(),
        wants: arguments.wants.clone(),
        after: arguments.after.clone(),
        requires: arguments.requires.clone(),
    };
    let unit = service(&wanted)?.text();
    let file = format!("{}.service", wanted.service);
    let header = match arguments.no_header {
        true => String::new(),
        false => format!(
            "# {file}\n# made by coracle {} from the container `{}`\n\n",
            env!("CARGO_PKG_VERSION"),
            config.name
        ),
    };
    if !arguments.files {
        return context.ui.text(&format!("{header}{unit}")).map(|()| 0);
    }
    let path = context.path(&file);
    publish::file(&path, format!("{header}{unit}").as_bytes(), Durability::Durable)?;
    context.ui.line(&text::clean(&path.display().to_string())).map(|()| 0)
}
