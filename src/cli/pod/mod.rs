//! The commands about pods, in podman's words. docker has none.

pub mod act;
pub mod create;
pub mod inspect;
pub mod list;
pub mod watch;

use std::path::Path;

use clap::Args;

use crate::base::{Error, Result, ResultExt};
use crate::cli::context::Context;
use crate::engine::Engine;
use crate::engine::pod::{self, Filters, Outcome};

/// The pods that a command line means, by `--all` and `--latest` or by names.
#[derive(Debug, Clone, Default, Args)]
struct Selection {
    /// All pods
    #[arg(short, long)]
    all: bool,
    /// The pod that was created last
    #[arg(short, long)]
    latest: bool,
    /// Names or IDs
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

/// `--pod-id-file` of commands that read one.
#[derive(Debug, Clone, Default, Args)]
struct IdFiles {
    /// Read a pod's ID from a file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Vec<String>,
}

impl Selection {
    /// The pods as the command shall call them. `files` are further ones.
    fn resolve(&self, context: &Context, engine: &Engine, verb: &str, files: &[String]) -> Result<Vec<String>> {
        let named = !self.pods.is_empty() || !files.is_empty();
        match (named, self.all, self.latest) {
            (true, false, false) => {
                let of_files = files.iter().map(|file| read_id(context, file));
                self.pods.iter().cloned().map(Ok).chain(of_files).collect()
            }
            (false, true, false) => {
                let (pods, broken) = pod::list(engine, &Filters::default())?;
                broken.iter().for_each(|error| context.ui.warning(&error.chain()));
                Ok(pods.into_iter().map(|now| now.pod.id.to_string()).collect())
            }
            (false, false, true) => latest(engine).map(|name| vec![name]),
            (false, false, false) => {
                let program = context.persona.program();
                Err(Error::usage(format!("'{program} pod {verb}' requires at least 1 argument"))
                    .hint("name the pods, or use --all or --latest"))
            }
            _ => Err(Error::usage("either the pods are named, or --all or --latest finds them")),
        }
    }
}

/// The pod that was created last.
fn latest(engine: &Engine) -> Result<String> {
    let (mut pods, _) = pod::list(engine, &Filters::default())?;
    pods.pop().map(|now| now.pod.id.to_string()).ok_or_else(|| Error::not_found("there is no pod"))
}

/// The id in a file that `--pod-id-file` of `pod create` wrote.
pub(in crate::cli) fn read_id(context: &Context, file: &str) -> Result<String> {
    /// Far more than an id has.
    const MOST: usize = 4096;
    use std::io::Read;
    let path = context.path(file);
    let mut text = String::new();
    let opened = std::fs::File::open(&path).at(&path, "cannot open")?;
    opened.take(MOST as u64).read_to_string(&mut text).at(&path, "cannot read")?;
    match text.trim() {
        "" => Err(Error::usage(format!("there is no pod id in `{}`", path.display()))),
        id => Ok(id.to_owned()),
    }
}

/// Prints what became of a pod: `shown`, or what has failed. The exit code is podman's of a failed command if anything has.
fn told(context: &Context, outcome: &Outcome, shown: &str) -> Result<u8> {
    if outcome.failures.is_empty() {
        return context.ui.line(shown).map(|()| 0);
    }
    outcome.failures.iter().for_each(|error| context.ui.error(error));
    Ok(context.persona.failure())
}

/// Fails when a file exists that is to be written.
fn refuse_existing(path: &Path) -> Result<()> {
    match path.exists() {
        true => Err(Error::conflict(format!("the pod ID file `{}` exists already", path.display()))
            .hint("make sure that no other pod uses it, and delete it")),
        false => Ok(()),
    }
}
