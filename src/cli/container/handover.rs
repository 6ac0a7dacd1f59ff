//! What a command hands over to the container's program from its own surroundings: descriptors, the sockets that a service
//! manager has opened (sd_listen_fds(3)), and where that wants to be told (sd_notify(3)).

use std::os::fd::{AsFd, OwnedFd};

use crate::base::{Error, Result, ResultExt};
use crate::cli::context::Context;
use crate::engine::run::HandedOver;
use crate::spec::lifecycle::SdNotify;
use crate::spec::logging::LogDriver;
use crate::sys::process::inherited_fd;

/// The first descriptor behind the standard streams.
const FIRST: i32 = 3;

/// The most descriptors that are handed over, standard streams among them.
const MOST: usize = 60;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// `--preserve-fds`: this many behind the standard streams.
    pub count: u32,
    /// `--preserve-fd`: those of these numbers.
    pub numbers: &'a [String],
    /// Where the output is kept.
    pub driver: LogDriver,
    /// The side that tells the service manager.
    pub sdnotify: SdNotify,
}

/// Takes what is wanted. To be called before the command opens files of its own.
pub fn take(context: &Context, wanted: &Wanted<'_>) -> Result<HandedOver> {
    let mut handed = HandedOver::default();
    let listening = listening(context);
    let mut numbers = numbers(wanted.count.max(listening), wanted.numbers)?;
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() > MOST {
        return Err(Error::usage(format!("at most {MOST} descriptors can be handed over")));
    }
    if wanted.driver == LogDriver::Passthrough {
        handed.handover.streams = true;
        handed.descriptors = streams()?;
    }
    for number in &numbers {
        let fd = inherited_fd(*number)
            .map_err(|error| Error::usage(format!("file descriptor {number} is not available")).caused_by(error))?;
        handed.descriptors.push(fd);
    }
    handed.handover.numbers = numbers;
    if listening > 0 {
        handed.handover.variables = vec![format!("LISTEN_FDS={listening}"), "LISTEN_PID=1".to_owned()];
        let names = context.environment.get("LISTEN_FDNAMES").map(|names| format!("LISTEN_FDNAMES={names}"));
        handed.handover.variables.extend(names);
    }
    if wanted.sdnotify != SdNotify::Ignore {
        let get = |name: &str| context.environment.get(name).filter(|value| !value.is_empty());
        handed.handover.notify = get("NOTIFY_SOCKET").map(String::from);
        handed.handover.watchdog = get("WATCHDOG_USEC").and_then(|time| time.parse().ok());
    }
    Ok(handed)
}

/// How many sockets a service manager has opened for this process.
fn listening(context: &Context) -> u32 {
    let get = |name: &str| context.environment.get(name).and_then(|value| value.parse::<u32>().ok());
    match get("LISTEN_PID") {
        Some(pid) if pid == std::process::id() => get("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}

fn numbers(count: u32, given: &[String]) -> Result<Vec<i32>> {
    let wrong = |number: &str| {
        Error::usage(format!(
            "invalid argument `{}` for `--preserve-fd`: not a number of 3 or more",
            crate::base::text::clean(number)
        ))
    };
    let listed = given.iter().flat_map(|list| list.split(','));
    let listed =
        listed.map(|number| number.parse().ok().filter(|number| *number >= FIRST).ok_or_else(|| wrong(number)));
    let count = i32::try_from(count)
        .ok()
        .filter(|count| *count as usize <= MOST)
        .ok_or_else(|| Error::usage(format!("at most {MOST} descriptors can be handed over")))?;
    (FIRST..FIRST + count).map(Ok).chain(listed).collect()
}

/// The standard streams of this process, for a program that has them itself.
fn streams() -> Result<Vec<OwnedFd>> {
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let all = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    if all.iter().any(|stream| nix::unistd::isatty(stream).unwrap_or(false)) {
        return Err(Error::usage("the '--log-driver passthrough' option cannot be used on a TTY")
            .hint("redirect input and output: a program in a container should not hold your terminal"));
    }
    all.iter().map(|stream| stream.try_clone_to_owned().context(|| "cannot share a standard stream")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_listed_and_counted() {
        let list =
            |count, given: &[&str]| numbers(count, &given.iter().map(|given| (*given).to_owned()).collect::<Vec<_>>());
        assert_eq!(list(2, &[]).unwrap(), [3, 4]);
        assert_eq!(list(0, &["5,7", "9"]).unwrap(), [5, 7, 9]);
        assert!(list(0, &["2"]).is_err() && list(0, &["x"]).is_err() && list(61, &[]).is_err());
    }
}
