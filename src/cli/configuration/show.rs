//! `config show` and `config get`.

use clap::Args;
use serde_json::json;

use super::{settings, unset};
use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::table;
use crate::cli::verb::{Codes, Verb, typed};

/// `config show`.
pub const SHOW: Verb = Verb {
    name: "show",
    about: "Show what is configured, and where",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ShowArguments::augment_args,
    run: |context, matches| show(context, &typed(matches)?),
};

/// `config get`.
pub const GET: Verb = Verb {
    name: "get",
    about: "Show the value of a key",
    usage: "KEY",
    arity: (1, Some(1)),
    arguments: GetArguments::augment_args,
    run: |context, matches| get(context, &typed(matches)?),
    ..SHOW
};

/// Arguments of `show`.
#[derive(Debug, Clone, Args)]
struct ShowArguments {
    /// How to show it: 'json' for programs
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Arguments of `get`.
#[derive(Debug, Clone, Args)]
struct GetArguments {
    /// Show where the value comes from
    #[arg(long)]
    origin: bool,
    /// The key, with dots
    #[arg(value_name = "KEY")]
    key: String,
}

fn show(context: &Context, arguments: &ShowArguments) -> Result<u8> {
    let settings = settings(context)?;
    match arguments.format.as_deref() {
        None => {
            let mut lines = String::from("KEY\tVALUE\tORIGIN\n");
            for setting in &settings {
                let value = text::clean(&setting.value.to_string()).replace(['\t', '\n'], " ");
                lines.push_str(&format!("{}\t{value}\t{}\n", text::clean(&setting.key), setting.origin.shown()));
            }
            context.ui.text(&table::align(&lines)).map(|()| 0)
        }
        Some("json") => {
            let entries = settings.iter().map(|setting| {
                json!({ "key": setting.key, "value": as_json(&setting.value), "origin": setting.origin.shown() })
            });
            context.ui.line(&serde_json::Value::Array(entries.collect()).to_string()).map(|()| 0)
        }
        Some(_) => Err(Error::usage("invalid argument for `--format`: only `json` is known")),
    }
}

fn as_json(value: &toml::Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or(serde_json::Value::Null)
}

fn get(context: &Context, arguments: &GetArguments) -> Result<u8> {
    let settings = settings(context)?;
    let setting = settings.iter().find(|setting| setting.key == arguments.key);
    let setting = setting.ok_or_else(|| unset(&arguments.key, &settings))?;
    if arguments.origin {
        return context.ui.line(&setting.origin.shown()).map(|()| 0);
    }
    let shown = match &setting.value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    context.ui.line(&text::clean(&shown)).map(|()| 0)
}
