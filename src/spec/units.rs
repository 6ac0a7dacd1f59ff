//! Numbers as docker shows and reads them: sizes with three significant digits, durations in words.

use jiff::Timestamp;

use crate::base::{Error, Result, text};

/// A size in powers of 1000 with three significant digits: `4.42MB`, `133MB`, `0B`.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let whole_digits = format!("{}", value as u64).len();
    let digits = format!("{value:.*}", 3usize.saturating_sub(whole_digits));
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => &digits,
    };
    format!("{digits}{}", UNITS[unit])
}

/// A size in powers of 1024 with four significant digits, as docker's `stats` shows memory: `3MiB`, `1.944GiB`.
pub fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let whole_digits = format!("{}", value as u64).len();
    let digits = format!("{value:.*}", 4usize.saturating_sub(whole_digits));
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => &digits,
    };
    format!("{digits}{}", UNITS[unit])
}

/// A size as docker's memory options take it, in powers of 1024: `64m`, `1.5g`, `1024`, `2GiB`.
pub fn parse_size(size: &str) -> Result<u64> {
    let invalid = || Error::usage(format!("invalid size: `{}`", text::clean(size)));
    let number_end = size.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(size.len());
    let (number, suffix) = size.split_at(number_end);
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let suffix = suffix.trim_start().to_ascii_lowercase();
    let exponent = match suffix.trim_end_matches('b').trim_end_matches('i') {
        _ if suffix.ends_with("bb") => return Err(invalid()),
        "" if matches!(suffix.as_str(), "" | "b") => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(invalid()),
    };
    let bytes = number * 1024f64.powi(exponent);
    match bytes < i64::MAX as f64 {
        true => Ok(bytes as u64),
        false => Err(invalid()),
    }
}

/// How long ago `then` was, in docker's words; a time in the future counts as now.
pub fn human_duration(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600;
    match seconds {
        0 => return "Less than a second".into(),
        1 => return "1 second".into(),
        2..60 => return format!("{seconds} seconds"),
        _ => {}
    }
    match (minutes, hours) {
        (1, _) => "About a minute".into(),
        (2..60, _) => format!("{minutes} minutes"),
        (_, ..=1) => "About an hour".into(),
        (_, ..48) => format!("{hours} hours"),
        (_, ..336) => format!("{} days", hours / 24),
        (_, ..1440) => format!("{} weeks", hours / 24 / 7),
        (_, ..17520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// `text` cut to `width` characters, the last of them an ellipsis if something is missing.
pub fn ellipsis(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn binary_sizes_have_four_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (3 << 20, "3MiB"),
            (2_087_354_368, "1.944GiB"),
            (1_234_567, "1.177MiB"),
            (100 << 30, "100GiB"),
        ] {
            assert_eq!(binary_size(bytes), text);
        }
    }

    #[test]
    fn sizes_have_three_significant_digits() {
        for (bytes, shown) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (4_424_000, "4.42MB"),
            (4_100_000, "4.1MB"),
            (77_900_000, "77.9MB"),
            (133_000_000, "133MB"),
            (1_123_456_789, "1.12GB"),
        ] {
            assert_eq!(human_size(bytes), shown);
        }
    }

    #[test]
    fn sizes_are_read_in_powers_of_1024() {
        for (size, bytes) in
            [("64m", 64 << 20), ("1.5G", 3 << 29), ("1024", 1024), ("2GiB", 2 << 30), ("10 kb", 10240), ("7b", 7)]
        {
            assert_eq!(parse_size(size).unwrap(), bytes, "{size}");
        }
        for bad in ["", "m", "4zz", "-1", "1mm", "1.2.3k", "1bb", "1ib", "99999999p"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_in_dockers_words() {
        let now = Timestamp::from_second(2_000_000_000).unwrap();
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (180, "3 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (15 * 86400, "2 weeks"),
            (70 * 86400, "2 months"),
            (800 * 86400, "2 years"),
        ] {
            assert_eq!(human_duration(now - Duration::from_secs(seconds), now), words, "{seconds}");
        }
        assert_eq!(human_duration(now + Duration::from_secs(60), now), "Less than a second");
    }

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        assert_eq!(ellipsis("abc", 3), "abc");
        assert_eq!(ellipsis("äbcd", 3), "äb…");
    }
}
