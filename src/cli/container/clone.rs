//! `container clone`.

use clap::Args;

use super::options::resources::LimitOptions;
use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::progress;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::clone::{CloneRequest, clone as engine_clone};

/// The command.
pub const VERB: Verb = Verb {
    name: "clone",
    about: "Create a container with the configuration of another one",
    usage: "CONTAINER [NAME] [IMAGE]",
    arity: (1, Some(3)),
    greedy: false,
    codes: Codes::Container,
    arguments: CloneArguments::augment_args,
    run: |context, matches| clone(context, &typed(matches)?),
};

/// Arguments of `container clone`.
#[derive(Debug, Clone, Args)]
struct CloneArguments {
    /// Remove the other container
    #[arg(long)]
    destroy: bool,
    /// Remove it also when it runs; needs --destroy
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    limits: LimitOptions,
    /// Give the new container a name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Put the new container into a pod
    #[arg(long, value_name = "POD")]
    pod: Option<String>,
    /// Start the new container
    #[arg(long)]
    run: bool,
    /// Name or ID, then the new name and another image
    #[arg(value_name = "CONTAINER [NAME] [IMAGE]", num_args = 1..=3)]
    words: Vec<String>,
}

impl CloneArguments {
    fn request(&self) -> Result<CloneRequest> {
        let mut words = self.words.iter();
        let source = words.next().cloned().unwrap_or_default();
        let (second, image) = (words.next(), words.next());
        let name = match (&self.name, second) {
            (Some(_), Some(_)) => {
                return Err(Error::usage("the new name is given twice: with --name, and as an argument"));
            }
            (name, second) => name.as_ref().or(second),
        };
        Ok(CloneRequest {
            source,
            name: name.map(|name| name.parse()).transpose()?,
            image: image.cloned(),
            limits: self.limits.limits()?,
            pod: self.pod.clone(),
            destroy: self.destroy,
            force: self.force,
            run: self.run,
        })
    }
}

fn clone(context: &Context, arguments: &CloneArguments) -> Result<u8> {
    let request = arguments.request()?;
    let engine = context.engine_for_registries(None, None)?;
    let progress = progress::beside_output(context, false);
    let id = engine_clone(&engine, &request, progress.as_ref(), &mut |note| context.ui.warning(note))?;
    context.ui.line(id.as_str()).map(|()| 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_images_are_arguments() {
        let request = |name: Option<&str>, words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            let limits = LimitOptions::default();
            CloneArguments {
                destroy: false,
                force: false,
                limits,
                name: name.map(String::from),
                pod: None,
                run: false,
                words,
            }
            .request()
        };
        let all = request(None, &["web", "other", "busybox"]).unwrap();
        assert_eq!((all.source.as_str(), all.name.unwrap().as_str()), ("web", "other"));
        assert_eq!(all.image.as_deref(), Some("busybox"));
        assert_eq!(request(Some("x"), &["web"]).unwrap().name.unwrap().as_str(), "x");
        assert!(request(Some("x"), &["web", "y"]).is_err() && request(None, &["web", "a/b"]).is_err());
    }
}
