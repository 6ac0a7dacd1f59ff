//! `stop` and `restart`: end containers politely, then less so.

use clap::Args;

use super::selection::{Among, Found, Selection};
use crate::base::{Error, Kind, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::stop::{How, restart as engine_restart, stop as engine_stop};
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
    run: |context, matches| stop(context, &typed(matches)?),
};

/// `restart`.
pub const RESTART: Verb = Verb {
    name: "restart",
    about: "Restart one or more containers",
    arguments: RestartArguments::augment_args,
    run: |context, matches| restart(context, &typed(matches)?),
    ..STOP
};

/// Arguments of both.
#[derive(Debug, Clone, Args)]
struct HowArguments {
    /// The signal to send first
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// Seconds to wait before the container is killed; -1 for ever
    #[arg(short, long, alias = "time", value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<i64>,
    #[command(flatten)]
    found: Found,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Arguments of `stop`.
#[derive(Debug, Clone, Args)]
struct StopArguments {
    /// Stop all running containers
    #[arg(short, long)]
    all: bool,
    /// Stop those running containers that a filter of `ps` finds
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// It does not matter that a container is missing
    #[arg(short, long)]
    ignore: bool,
    #[command(flatten)]
    how: HowArguments,
}

/// Arguments of `restart`.
#[derive(Debug, Clone, Args)]
struct RestartArguments {
    /// Restart all containers, running or not
    #[arg(short, long)]
    all: bool,
    /// Restart those containers that a filter of `ps` finds
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Restart all running containers, or, of those that --filter finds, the running ones
    #[arg(long)]
    running: bool,
    #[command(flatten)]
    how: HowArguments,
}

impl HowArguments {
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

fn stop(context: &Context, arguments: &StopArguments) -> Result<u8> {
    let StopArguments { all, filter, ignore, how: HowArguments { found, containers, .. } } = arguments;
    let (how, engine) = (arguments.how.how()?, context.engine()?);
    let selection = Selection {
        verb: "stop",
        named: containers,
        all: *all,
        filters: filter,
        found,
        ignore: *ignore,
        among: Among::Running,
    };
    each(context, &selection.resolve(context, &engine)?, |name| match engine_stop(&engine, name, how) {
        Err(error) if *ignore && error.kind() == Kind::NotFound => Ok(()),
        stopped => stopped.and_then(|_| context.ui.line(name)),
    })
}

fn restart(context: &Context, arguments: &RestartArguments) -> Result<u8> {
    let RestartArguments { all, filter, running, how: HowArguments { found, containers, .. } } = arguments;
    let (how, engine) = (arguments.how.how()?, context.engine()?);
    let selection = Selection {
        verb: "restart",
        named: containers,
        all: *all || *running,
        filters: filter,
        found,
        ignore: false,
        among: if *running { Among::Running } else { Among::All },
    };
    each(context, &selection.resolve(context, &engine)?, |name| {
        engine_restart(&engine, name, how, &mut |note| context.ui.warning(note))?;
        context.ui.line(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_timeouts() {
        let how = |signal: Option<&str>, timeout| {
            let found = Found::default();
            HowArguments { signal: signal.map(String::from), timeout, found, containers: Vec::new() }.how()
        };
        assert_eq!(how(None, None).unwrap(), How::default());
        assert_eq!(how(Some("INT"), Some(-1)).unwrap(), How { signal: Some(libc::SIGINT), timeout: Some(-1) });
        assert!(how(Some("nonsense"), None).is_err());
        assert!(how(None, Some(-2)).is_err());
    }
}
