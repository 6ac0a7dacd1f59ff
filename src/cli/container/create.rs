//! `create`: a container that is not started yet.

use clap::Args;

use super::options::CreateOptions;
use super::run::{CidFile, replace_container};
use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::progress;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::create::create as engine_create;

/// The command.
pub const VERB: Verb = Verb {
    name: "create",
    about: "Create a new container",
    usage: "IMAGE [COMMAND] [ARG...]",
    arity: (1, None),
    greedy: true,
    codes: Codes::Container,
    arguments: CreateOptions::augment_args,
    run: |context, matches| create(context, typed(matches)?),
};

fn create(context: &Context, options: CreateOptions) -> Result<u8> {
    let (cidfile, quiet, tls_verify) = (options.cidfile.clone(), options.image.quiet, options.image.tls_verify);
    let replace = options.replace;
    let disable_content_trust = options.image.disable_content_trust;
    let request = options.request(&context.around())?;
    let mut engine = context.engine_for_registries(tls_verify, None)?;
    if let Some(disable) = disable_content_trust {
        engine.registry.demand_signatures = !disable;
    }
    context.tell_of_single_id(&engine)?;
    replace_container(&engine, &request, replace)?;
    let mut cidfile = CidFile::reserve(cidfile.as_deref(), context)?;
    let progress = progress::beside_output(context, quiet);
    let id = engine_create(&engine, &request, progress.as_ref())?;
    cidfile.write(&id)?;
    context.ui.line(id.as_str()).map(|()| 0)
}
