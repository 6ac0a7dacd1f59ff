//! `pull`: an image from a registry.

use clap::Args;

use crate::base::{Result, text};
use crate::cli::context::Context;
use crate::cli::progress;
use crate::cli::registry_options::RegistryOptions;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::Engine;
use crate::engine::pull::{PullReport, PullRequest, pull as engine_pull};
use crate::oci::Platform;
use crate::spec::image::PullPolicy;

/// The command.
pub const VERB: Verb = Verb {
    name: "pull",
    about: "Download an image from a registry",
    usage: "NAME[:TAG|@DIGEST] [NAME...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: PullArguments::augment_args,
    run: |context, matches| pull(context, &typed(matches)?),
};

/// Arguments of `pull`.
#[derive(Debug, Clone, Args)]
struct PullArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    /// The platform of the image, if it has several: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Show no progress, print the name only
    #[arg(short, long)]
    quiet: bool,
    /// Names of images
    #[arg(value_name = "IMAGE", required = true)]
    names: Vec<String>,
}

fn pull(context: &Context, arguments: &PullArguments) -> Result<u8> {
    let platform = arguments.platform.as_deref().or_else(|| context.environment.get("DOCKER_DEFAULT_PLATFORM"));
    let platform: Option<Platform> = platform.filter(|text| !text.is_empty()).map(str::parse).transpose()?;
    let engine = arguments.registry.engine(context)?;
    context.tell_of_single_id(&engine)?;
    each(context, &arguments.names, |name| one(context, &engine, name, platform.clone(), arguments.quiet))
}

fn one(context: &Context, engine: &Engine, name: &str, platform: Option<Platform>, quiet: bool) -> Result<()> {
    let progress = progress::as_output(context, quiet);
    let request = PullRequest { image: name.to_owned(), platform, policy: PullPolicy::Always };
    let report = engine_pull(engine, &request, progress.as_ref())?;
    drop(progress);
    if let Some(foreign) = &report.foreign {
        context.ui.warning(&format!(
            "The image is for {foreign}, this machine is {}: its programs may not run.",
            Platform::host()
        ));
    }
    for line in last_lines(&report, quiet) {
        context.ui.line(&line)?;
    }
    Ok(())
}

/// docker's last lines.
fn last_lines(report: &PullReport, quiet: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !quiet {
        lines.extend(progress::status(report));
    }
    lines.push(text::clean(&report.reference.to_string()).into_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::engine::pull::Outcome;
    use crate::oci::Digest;

    #[test]
    fn the_last_lines_are_dockers() {
        let (engine, _scratch) = fixtures::engine();
        let image = fixtures::image(&engine, "x", &[]);
        let digest = Digest::sha256(b"x");
        let mut report = PullReport {
            reference: "busybox".parse().unwrap(),
            image,
            digest: Some(digest.clone()),
            outcome: Outcome::Fetched,
            foreign: None,
        };
        let expected = format!(
            "Digest: {digest}\nStatus: Downloaded newer image for busybox:latest\ndocker.io/library/busybox:latest"
        );
        assert_eq!(last_lines(&report, false).join("\n"), expected);
        assert_eq!(last_lines(&report, true), ["docker.io/library/busybox:latest"]);
        report.outcome = Outcome::UpToDate;
        assert_eq!(last_lines(&report, false)[1], "Status: Image is up to date for busybox:latest");
    }
}
