//! `image trust`: the policy about where images may come from.

use std::sync::Arc;

use clap::Args;
use gotmpl::Value;

use crate::base::{Result, ResultExt};
use crate::cli::container::list::one_line;
use crate::cli::context::Context;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::trust::{Rule, raw, set as engine_set, show as engine_show};

/// `image trust show`.
pub const SHOW: Verb = Verb {
    name: "show",
    about: "Show from which repositories images are taken",
    usage: "[REGISTRY]",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ShowArguments::augment_args,
    run: |context, matches| show(context, &typed(matches)?),
};
/// `image trust set`.
pub const SET: Verb = Verb {
    name: "set",
    about: "Take or reject images of a registry, a repository, or by default; or demand signatures",
    usage: "-t accept|reject|sigstoreSigned REGISTRY",
    arity: (1, Some(1)),
    arguments: SetArguments::augment_args,
    run: |context, matches| {
        let arguments: SetArguments = typed(matches)?;
        let keys: Vec<_> = arguments.pubkeysfile.iter().map(|file| context.path(file)).collect();
        engine_set(&context.engine()?, &arguments.scope, &arguments.kind, &keys).map(|_| 0)
    },
    ..SHOW
};

/// podman's columns, of which those for keys are empty here.
const DEFAULT: &str = r"table {{.Transport}}\t{{.RepoName}}\t{{.Type}}\t{{.GPGId}}\t{{.SignatureStore}}";
const HEADERS: &[(&str, &str)] =
    &[("Transport", "TRANSPORT"), ("RepoName", "NAME"), ("Type", "TYPE"), ("GPGId", "ID"), ("SignatureStore", "STORE")];

/// Arguments of `image trust show`.
#[derive(Debug, Clone, Args)]
struct ShowArguments {
    /// Show JSON
    #[arg(short, long)]
    json: bool,
    /// Leave out the headers
    #[arg(short, long)]
    noheading: bool,
    /// Show the policy file as it is
    #[arg(long)]
    raw: bool,
    /// Only of this registry or repository
    #[arg(value_name = "REGISTRY")]
    scope: Option<String>,
}

/// Arguments of `image trust set`.
#[derive(Debug, Clone, Args)]
struct SetArguments {
    /// File with a public key, for sigstoreSigned: one of them must have signed an image
    #[arg(short = 'f', long, value_name = "FILE")]
    pubkeysfile: Vec<String>,
    /// What happens to its images: accept, reject, or sigstoreSigned, which takes those with a signature
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "accept")]
    kind: String,
    /// A registry, a repository, or `default`
    #[arg(value_name = "REGISTRY", required = true)]
    scope: String,
}

fn show(context: &Context, arguments: &ShowArguments) -> Result<u8> {
    let engine = context.engine()?;
    if arguments.raw {
        return context.ui.text(&raw(&engine)?).map(|()| 0);
    }
    let mut rules = engine_show(&engine)?;
    rules.retain(|rule| arguments.scope.as_ref().is_none_or(|scope| rule.scope == *scope));
    if arguments.json {
        let shown: Vec<_> = rules
            .iter()
            .map(|rule| serde_json::json!({"transport": rule.transport, "name": rule.scope, "repo_name": rule.scope, "type": rule.kind}))
            .collect();
        let text = serde_json::to_string_pretty(&shown).context(|| "cannot show the policy")?;
        return context.ui.line(&text).map(|()| 0);
    }
    let rendered = Format::parse("", DEFAULT)?.render(HEADERS, rules.iter().map(row).collect())?;
    let shown = match arguments.noheading {
        true => rendered.split_once('\n').map_or("", |(_, rest)| rest),
        false => &rendered,
    };
    context.ui.text(shown).map(|()| 0)
}

fn row(rule: &Rule) -> Row {
    let texts = [
        ("Transport", rule.transport.as_str()),
        ("RepoName", &rule.scope),
        ("Type", &rule.kind),
        ("GPGId", ""),
        ("SignatureStore", ""),
    ];
    texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(text).into()))).collect()
}
