//! Signals by name or number, as people and images write them.

use std::str::FromStr;

use nix::sys::signal::Signal;

use crate::base::{Error, Result, text};

/// `SIGTERM`, `TERM`, `term`, `15`, `SIGRTMIN+3`: the number of the signal on this machine.
pub fn parse(text: &str) -> Result<i32> {
    let upper = text.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = match name.parse::<i32>() {
        Ok(number) => Some(number).filter(|number| (1..=64).contains(number)),
        Err(_) => named(name),
    };
    number.ok_or_else(|| {
        Error::usage(format!("invalid signal: `{}`", text::clean(text)))
            .hint("use a name such as SIGTERM or a number from 1 to 64")
    })
}

fn named(name: &str) -> Option<i32> {
    // glibc keeps the first two real-time signals for itself: signal(7).
    let offset = |rest: &str, sign: char| match rest {
        "" => Some(0),
        rest => rest.strip_prefix(sign)?.parse::<i32>().ok(),
    };
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return offset(rest, '+').map(|n| 34 + n).filter(|n| (34..=64).contains(n));
    }
    if let Some(rest) = name.strip_prefix("RTMAX") {
        return offset(rest, '-').map(|n| 64 - n).filter(|n| (34..=64).contains(n));
    }
    match name {
        "POLL" => Some(libc::SIGIO),
        "CLD" => Some(libc::SIGCHLD),
        "IOT" => Some(libc::SIGABRT),
        name => Signal::from_str(&format!("SIG{name}")).ok().map(|signal| signal as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in
            [("SIGTERM", 15), ("term", 15), ("9", 9), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("SIGWINCH", 28), ("IOT", 6)]
        {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        for bad in ["", "0", "65", "-1", "SIG", "NOPE", "RTMIN+31"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
