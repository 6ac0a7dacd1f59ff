//! `info`: containers, images, and the machine they are on.

use std::fmt::Write;

use clap::Args;

use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::template::Format;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::info::{Client, Info, info as engine_info};

/// The command.
pub const VERB: Verb = Verb {
    name: "info",
    about: "Display information about this installation",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: InfoArguments::augment_args,
    run: |context, matches| info(context, &typed(matches)?),
};

/// Arguments of `info`.
#[derive(Debug, Clone, Args)]
struct InfoArguments {
    /// Format with a Go template, or 'json'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
}

fn info(context: &Context, arguments: &InfoArguments) -> Result<u8> {
    let proxy = |name: &str| {
        let found = context.environment.get(name).or_else(|| context.environment.get(&name.to_lowercase()));
        found.unwrap_or_default().to_owned()
    };
    let client = Client {
        version: context.persona.version(),
        debug: context.ui.shows_debug(),
        proxies: ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].map(proxy),
    };
    let info = engine_info(&context.engine()?, &client, context.driver())?;
    let text = match arguments.format.as_deref().filter(|format| !format.is_empty()) {
        Some(format) => Format::parse(format, "")?.render_data(&info)?,
        None => plain(&info, context),
    };
    context.ui.text(&text)?;
    info.warnings.iter().for_each(|warning| context.ui.warning(warning));
    Ok(0)
}

/// docker's layout: two parts, a space for each level.
fn plain(info: &Info, context: &Context) -> String {
    let mut text = format!("Client:\n Version:    {}\n Context:    default\n\nServer:\n", context.persona.version());
    let memory = format!("{:.2}GiB", info.mem_total as f64 / f64::from(1u32 << 30));
    let lines = [
        ("Containers", info.containers.to_string()),
        (" Running", info.containers_running.to_string()),
        (" Paused", info.containers_paused.to_string()),
        (" Stopped", info.containers_stopped.to_string()),
        ("Images", info.images.to_string()),
        ("Server Version", info.server_version.clone()),
        ("Storage Driver", info.driver.into()),
        ("Logging Driver", info.logging_driver.into()),
        ("Cgroup Driver", info.cgroup_driver.into()),
        ("Cgroup Version", info.cgroup_version.into()),
        ("Runtimes", info.runtimes.keys().copied().collect::<Vec<_>>().join(" ")),
        ("Default Runtime", info.default_runtime.into()),
        ("Security Options", info.security_options.iter().map(|option| security_option(option)).collect()),
        ("Kernel Version", info.kernel_version.clone()),
        ("Operating System", info.operating_system.clone()),
        ("OSType", info.os_type.into()),
        ("Architecture", info.architecture.clone()),
        ("CPUs", info.processors.to_string()),
        ("Total Memory", memory),
        ("Name", info.name.clone()),
        ("Docker Root Dir", info.docker_root_dir.clone()),
        ("Run Root", info.run_root.clone()),
    ];
    for (name, value) in lines {
        let _ = match value.starts_with('\n') {
            true => writeln!(text, " {name}:{value}"),
            false => writeln!(text, " {name}: {value}"),
        };
    }
    text
}

/// `name=seccomp,profile=builtin` as docker lists it: the name on a line, and what belongs to it below.
fn security_option(option: &str) -> String {
    let mut lines = String::new();
    for field in option.split(',') {
        let _ = match field.split_once('=') {
            Some(("name", name)) => write!(lines, "\n  {name}"),
            Some(("profile", profile)) => write!(lines, "\n   Profile: {profile}"),
            Some((key, value)) => write!(lines, "\n   {key}: {value}"),
            None => write!(lines, "\n   {field}"),
        };
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_options_have_a_line_each() {
        assert_eq!(security_option("name=seccomp,profile=builtin"), "\n  seccomp\n   Profile: builtin");
        assert_eq!(security_option("name=rootless"), "\n  rootless");
    }
}
