//! `secret create`.

use std::fs::File;
use std::io::{IsTerminal, Read};

use clap::Args;

use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::secret::{NewSecret, Taken, create as engine_create};
use crate::spec::secret::{self, Value};
use crate::spec::variables;

/// The command.
pub const VERB: Verb = Verb {
    name: "create",
    about: "Create a secret from a file, from standard input (-) or from a variable",
    usage: "NAME FILE|-",
    arity: (2, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: CreateArguments::augment_args,
    run: |context, matches| create(context, typed(matches)?),
};

/// Arguments of `secret create`.
#[derive(Debug, Clone, Args)]
struct CreateArguments {
    /// Secret driver: only file exists
    #[arg(short, long, value_name = "DRIVER", default_value = "file", hide_default_value = true)]
    driver: String,
    /// Refused: the driver file has no options
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    driver_opts: Vec<String>,
    /// The second argument is the name of an environment variable that holds the value
    #[arg(long)]
    env: bool,
    /// Succeed if a secret of the name exists, and leave it as it is
    #[arg(long, conflicts_with = "replace")]
    ignore: bool,
    /// Set metadata on the secret
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Give a secret of the name that exists the new value; containers that have it keep the old one
    #[arg(long)]
    replace: bool,
    /// Its name
    #[arg(value_name = "NAME", required = true)]
    name: String,
    /// The file that holds the value; - for standard input
    #[arg(value_name = "FILE|-", required = true, allow_hyphen_values = true)]
    file: String,
}

fn create(context: &Context, arguments: CreateArguments) -> Result<u8> {
    if !arguments.driver_opts.is_empty() {
        return Err(Error::unsupported("the secret driver file has no options").hint("leave out --driver-opts"));
    }
    secret::check_name(&arguments.name)?;
    let new = NewSecret {
        value: Value::new(value(context, &arguments)?)?,
        name: arguments.name,
        driver: arguments.driver,
        labels: variables::labels(&[], &arguments.label)?,
        taken: match (arguments.replace, arguments.ignore) {
            (true, _) => Taken::Replace,
            (_, true) => Taken::Keep,
            _ => Taken::Refuse,
        },
    };
    context.ui.line(&engine_create(&context.engine()?, &new)?).map(|()| 0)
}

/// What the second argument stands for. A byte more than fits is read, so that too large values are noticed.
fn value(context: &Context, arguments: &CreateArguments) -> Result<Vec<u8>> {
    let (most, mut bytes) = (secret::MAX as u64, Vec::new());
    if arguments.env {
        let name = &arguments.file;
        let value = context.environment.get(name).ok_or_else(|| {
            Error::usage(format!(
                "cannot create store secret data: environment variable {} is not set",
                text::clean(name)
            ))
        })?;
        return Ok(value.as_bytes().to_vec());
    }
    if arguments.file == "-" {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Error::usage("if `-` is used, data must be passed into stdin"));
        }
        stdin.lock().take(most).read_to_end(&mut bytes).context(|| "cannot read standard input")?;
        return Ok(bytes);
    }
    let path = context.path(&arguments.file);
    let read = File::open(&path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.at(&path, "cannot read").map_err(|error| error.with_kind(Kind::Usage))?;
    Ok(bytes)
}
