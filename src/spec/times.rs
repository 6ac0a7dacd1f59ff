//! Points in time as `--since`, `--until` and filters take them: RFC 3339 and parts of it, seconds since 1970, or a Go
//! duration that counts back from now.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use crate::base::{Error, Result, text};

/// Reads `when`. Without a zone, times are local.
pub fn parse(when: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp> {
    let instant = duration(when)
        .map(|(duration, negative)| if negative { now + duration } else { now - duration })
        .or_else(|| seconds(when))
        .or_else(|| when.parse().ok())
        .or_else(|| civil(when)?.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp()));
    instant.ok_or_else(|| {
        Error::usage(format!("invalid time: `{}`", text::clean(when)))
            .hint("give a duration such as `10m`, a time such as `2026-11-21T09:30:00Z`, a date, or seconds since 1970")
    })
}

/// `1732180000` or `1732180000.5`.
fn seconds(when: &str) -> Option<Timestamp> {
    let (whole, fraction) = when.split_once('.').unwrap_or((when, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(whole.parse().ok()?, nanos).ok()
}

/// A date, or a date and time without a zone; seconds may be missing.
fn civil(when: &str) -> Option<civil::DateTime> {
    let date_time = when.parse::<civil::DateTime>().ok();
    date_time.or_else(|| when.parse::<civil::Date>().ok().map(|date| date.at(0, 0, 0, 0)))
}

/// A Go duration: `1h30m`, `10s`, `1.5h`, `300ms`, `-5m`; true when it is negative. A bare number is none.
pub fn duration(text: &str) -> Option<(Duration, bool)> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let unit_start = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(unit_start);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()?)?;
        rest = after;
    }
    (total < Duration::from_secs(3600 * 24 * 365 * 290)).then_some((total, negative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_time() {
        let now: Timestamp = "2026-11-21T09:30:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (when, expected) in [
            ("10m", "2026-11-21T09:20:00Z"),
            ("1h30m", "2026-11-21T08:00:00Z"),
            ("1.5s", "2026-11-21T09:29:58.5Z"),
            ("-10m", "2026-11-21T09:40:00Z"),
            ("2026-11-21T09:30:00.25Z", "2026-11-21T09:30:00.25Z"),
            ("2026-11-21T09:30:00+02:00", "2026-11-21T07:30:00Z"),
            ("2026-11-21T09:30:00", "2026-11-21T08:30:00Z"),
            ("2026-11-21T09:30", "2026-11-21T08:30:00Z"),
            ("2026-11-21", "2026-11-20T23:00:00Z"),
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("1700000000.5", "2023-11-14T22:13:20.5Z"),
            ("0", "1970-01-01T00:00:00Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(parse(when, now, &zone).unwrap(), expected, "{when}");
        }
        for bad in ["", "yesterday", "10x", "m", "1.2.3", "--5m", "2026-13-01", "9999999999999h", "-"] {
            assert!(parse(bad, now, &zone).is_err(), "{bad}");
        }
    }
}
