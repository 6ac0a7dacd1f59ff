//! `pull`: an image from a registry.

use clap::Args;

use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::progress;
use crate::cli::registry_options::RegistryOptions;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::Engine;
use crate::engine::pull::{PullReport, PullRequest, pull as engine_pull};
use crate::engine::push::has_suffix;
use crate::engine::search::tags;
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
    /// Pull all tags of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// The architecture of the image, if it has several
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Pull images for which the policy demands no signature, too; that is so unless DOCKER_CONTENT_TRUST is 1
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<bool>,
    /// The operating system of the image: coracle runs linux
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// The platform of the image, if it has several: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM", conflicts_with_all = ["arch", "os", "variant"])]
    platform: Option<String>,
    /// When to ask the registry: always, missing, newer or never
    #[arg(long, value_name = "POLICY", default_value = "always")]
    policy: String,
    /// Show no progress, print the name only
    #[arg(short, long)]
    quiet: bool,
    /// The variant of the architecture of the image
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
    /// Names of images
    #[arg(value_name = "IMAGE", required = true)]
    names: Vec<String>,
}

impl PullArguments {
    /// The platform, of `--platform` or its parts, else of docker's variable.
    fn platform(&self, usual: Option<&str>) -> Result<Option<Platform>> {
        if self.arch.is_some() || self.os.is_some() || self.variant.is_some() {
            let host = Platform::host();
            let architecture = self.arch.as_deref().unwrap_or(&host.architecture);
            let os = self.os.as_deref().unwrap_or(&host.os);
            let parts = [os, architecture].into_iter().chain(self.variant.as_deref());
            return parts.collect::<Vec<_>>().join("/").parse().map(Some);
        }
        let platform = self.platform.as_deref().or(usual);
        platform.filter(|text| !text.is_empty()).map(str::parse).transpose()
    }
}

fn pull(context: &Context, arguments: &PullArguments) -> Result<u8> {
    let platform = arguments.platform(context.environment.get("DOCKER_DEFAULT_PLATFORM"))?;
    let policy: PullPolicy = arguments.policy.parse()?;
    if let Some(tagged) = arguments.names.iter().find(|name| arguments.all_tags && has_suffix(name)) {
        return Err(Error::usage("tag can't be used with --all-tags/-a")
            .hint(format!("`{}` has a tag or digest: leave it out", text::clean(tagged))));
    }
    let mut engine = arguments.registry.engine(context)?;
    if let Some(disable) = arguments.disable_content_trust {
        engine.registry.demand_signatures = !disable;
    }
    context.tell_of_single_id(&engine)?;
    let one = |name: &str| {
        let request = PullRequest { image: name.to_owned(), platform: platform.clone(), policy };
        one(context, &engine, &request, arguments.quiet)
    };
    each(context, &arguments.names, |name| match arguments.all_tags {
        false => one(name),
        true => {
            let (repository, tags) = tags(&engine, name, usize::MAX)?;
            if tags.is_empty() {
                return Err(Error::not_found(format!(
                    "the repository `{}` has no tags",
                    repository.familiar_repository()
                )));
            }
            // Those of a repository that cannot be pulled keep none of the others from it.
            let mut failed: Option<Error> = None;
            for tag in &tags {
                if let Err(error) = one(&format!("docker://{}:{tag}", repository.name())) {
                    failed = Some(match failed {
                        None => error,
                        Some(first) => first.hint(format!("also: {}", error.chain())),
                    });
                }
            }
            failed.map_or(Ok(()), Err)
        }
    })
}

fn one(context: &Context, engine: &Engine, request: &PullRequest, quiet: bool) -> Result<()> {
    let progress = progress::as_output(context, quiet);
    let report = engine_pull(engine, request, progress.as_ref())?;
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
    fn a_platform_may_come_in_parts() {
        use clap::{Command, FromArgMatches};
        let platform = |line: &str| {
            let command = PullArguments::augment_args(Command::new("pull"));
            let matches = command.try_get_matches_from(format!("pull {line} x").split_whitespace()).unwrap();
            let arguments = PullArguments::from_arg_matches(&matches).unwrap();
            arguments.platform(Some("linux/s390x")).unwrap().map(|platform| platform.to_string())
        };
        for (line, expected) in [
            ("", "linux/s390x"),
            ("--platform linux/arm/v6", "linux/arm/v6"),
            ("--arch arm --variant v5", "linux/arm/v5"),
            ("--arch x86_64", "linux/amd64"),
        ] {
            assert_eq!(platform(line).as_deref(), Some(expected), "{line}");
        }
    }

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
