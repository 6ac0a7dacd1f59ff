//! `stop` and `restart`: end containers politely, then less so.

use clap::Args;

use super::chosen::Chosen;
use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::Engine;
use crate::engine::stop::{How, restart, stop};
use crate::spec::container::Status;
use crate::spec::signal;

/// `stop`.
pub const STOP: Verb = Verb {
    name: "stop",
    about: "Stop one or more running containers",
    usage: "CONTAINER [CONTAINER...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: StopArguments::augment_args,
    run: |context, matches| each_of(context, &typed(matches)?, |engine, name, how| stop(engine, name, how).map(drop)),
};

/// `restart`.
pub const RESTART: Verb = Verb {
    name: "restart",
    about: "Restart one or more containers",
    run: |context, matches| {
        each_of(context, &typed(matches)?, |engine, name, how| {
            restart(engine, name, how, &mut |note| context.ui.warning(note)).map(drop)
        })
    },
    ..STOP
};

/// Arguments of both.
#[derive(Debug, Clone, Args)]
struct StopArguments {
    /// The signal to send first
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// Seconds to wait before the container is killed; -1 for ever
    #[arg(short, long, alias = "time", value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<i64>,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    #[command(flatten)]
    chosen: Chosen,
}

impl StopArguments {
    fn how(&self) -> Result<How> {
        let signal = self.signal.as_deref().filter(|signal| !signal.is_empty());
        let signal = signal.map(signal::parse).transpose()?;
        if self.timeout.is_some_and(|seconds| seconds < -1) {
            let given = text::clean(&self.timeout.unwrap_or_default().to_string()).into_owned();
            return Err(Error::usage(format!("invalid argument `{given}` for `--timeout`: less than -1")));
        }
        Ok(How { signal, timeout: self.timeout })
    }
}

fn each_of(
    context: &Context,
    arguments: &StopArguments,
    work: impl Fn(&Engine, &str, How) -> Result<()>,
) -> Result<u8> {
    let how = arguments.how()?;
    let engine = context.engine()?;
    let names = arguments.chosen.names(&engine, &arguments.containers, Status::is_running)?;
    each(context, &names, |name| {
        work(&engine, name, how)?;
        context.ui.line(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_timeouts() {
        let how = |signal: Option<&str>, timeout| {
            let chosen = Chosen::default();
            StopArguments { signal: signal.map(String::from), timeout, containers: Vec::new(), chosen }.how()
        };
        assert_eq!(how(None, None).unwrap(), How::default());
        assert_eq!(how(Some("INT"), Some(-1)).unwrap(), How { signal: Some(libc::SIGINT), timeout: Some(-1) });
        assert!(how(Some("nonsense"), None).is_err());
        assert!(how(None, Some(-2)).is_err());
    }
}
