//! Commands about networks.

pub mod change;
pub mod create;
pub mod inspect;
pub mod list;
pub mod remove;

use std::net::IpAddr;

use crate::base::{Error, Result, text};

/// Values of a flag that may be given several times and that takes several at once, separated by commas.
fn separated(values: &[String]) -> impl Iterator<Item = &str> {
    values.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty())
}

/// Addresses of such a flag.
fn addresses(flag: &str, values: &[String]) -> Result<Vec<IpAddr>> {
    separated(values).map(|value| address(flag, value)).collect()
}

fn address<T: std::str::FromStr>(flag: &str, value: &str) -> Result<T> {
    let value = value.trim();
    value.parse().map_err(|_| {
        Error::usage(format!("invalid argument \"{}\" for \"{flag}\" flag: invalid IP address", text::clean(value)))
    })
}
