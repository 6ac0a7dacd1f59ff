//! Scalars of compose files: numbers, sizes, durations, permissions, command lines and names.

use super::node::Value;

/// The pattern of `pull_policy`.
pub const PULL_POLICIES: &str = "always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+";

/// Whether this says how often an image is pulled.
pub fn is_pull_policy(text: &str) -> bool {
    const WORDS: &[&str] = &["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"];
    let is_period = |period: &str| {
        let mut rest = period;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            match rest.as_bytes().get(digits) {
                Some(b'w' | b'd' | b'h' | b'm' | b's') if digits > 0 => rest = &rest[digits + 1..],
                _ => return false,
            }
        }
        !period.is_empty()
    };
    WORDS.contains(&text) || text.strip_prefix("every_").is_some_and(is_period)
}

/// The pattern of `container_name`.
pub const CONTAINER_NAMES: &str = "[a-zA-Z0-9][a-zA-Z0-9_.-]+";

/// Whether this can be the name of a container.
pub fn is_container_name(text: &str) -> bool {
    text.len() > 1 && is_name(text) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Whether this can be the name of a service, network, volume, secret, config or model.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// A whole number.
pub fn integer(value: &Value, text: &str) -> Result<i64, String> {
    match value {
        Value::Int(value) => Ok(*value),
        // Exact: the comparison is with a number that has no fraction.
        #[allow(clippy::cast_possible_truncation)]
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Ok(*value as i64),
        _ => text.trim().parse().map_err(|_| format!("invalid integer: {text}")),
    }
}

/// A number, whole if it can be.
pub fn number(value: &Value, text: &str) -> Result<Value, String> {
    if let Value::Int(_) | Value::Float(_) = value {
        return Ok(value.clone());
    }
    let number: f64 = text.trim().parse().map_err(|_| format!("invalid number: {text}"))?;
    match number.is_finite() {
        true => Ok(Value::Float(number)),
        false => Err(format!("invalid number: {text}")),
    }
}

/// `true` or `false` in one of YAML 1.1's spellings.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" | "on" => Ok(true),
        "n" | "no" | "false" | "off" => Ok(false),
        _ => Err(format!("invalid boolean: {text}")),
    }
}

/// A number of bytes: with a suffix `b`, `k`, `m`, `g`, `t` or `p`, a multiple of 1024.
pub fn bytes(text: &str) -> Result<i64, String> {
    let digits =
        text.trim().find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(text.len());
    let (number, suffix) = text.trim().split_at(digits.min(text.trim().len()));
    if suffix.is_empty()
        && let Ok(number) = number.parse::<i64>()
    {
        return Ok(number);
    }
    let number: f64 = number.parse().map_err(|_| format!("invalid size: '{text}'"))?;
    let lower = suffix.trim().to_ascii_lowercase();
    let unit = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return Err(format!("invalid suffix: '{}'", suffix.trim())),
    };
    let bytes = number * f64::from(2u32).powi(shift);
    match (0.0..9e18).contains(&bytes) {
        // In range, as just tested.
        #[allow(clippy::cast_possible_truncation)]
        true => Ok(bytes as i64),
        false => Err(format!("invalid size: '{text}'")),
    }
}

/// Permissions as octal text.
pub fn mode(value: &Value, text: &str) -> Result<String, String> {
    let mode = match value {
        Value::Int(mode) => Some(*mode),
        _ => i64::from_str_radix(text, 8).ok(),
    };
    match mode {
        Some(mode) if (0..=0o7777).contains(&mode) => Ok(format!("0{mode:o}")),
        _ => Err(format!("invalid mode: {text}")),
    }
}

/// A duration in Go's syntax, with days and weeks, as Go prints it.
pub fn duration(text: &str) -> Result<String, String> {
    nanoseconds(text).map(print_duration)
}

/// The nanoseconds of a duration.
pub fn nanoseconds(text: &str) -> Result<i64, String> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(format!("time: invalid duration {text:?}"));
    }
    let mut total = 0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| format!("time: invalid duration {text:?}"))?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "d" => 86400e9,
            "w" => 7.0 * 86400e9,
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            unit => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        total += number * unit;
        rest = &rest[end..];
    }
    if total >= 9.2e18 {
        return Err(format!("time: invalid duration {text:?}"));
    }
    // In range, as just tested.
    #[allow(clippy::cast_possible_truncation)]
    let total = total.round() as i64;
    Ok(if negative { -total } else { total })
}

/// As Go's `Duration.String`: `1h0m0s`, `1m30s`, `500ms`, `0s`.
fn print_duration(nanoseconds: i64) -> String {
    let fraction = |value: u64, unit: u64| {
        let (whole, part) = (value / unit, value % unit);
        match part {
            0 => whole.to_string(),
            _ => {
                let digits = unit.ilog10() as usize;
                format!("{whole}.{part:0digits$}").trim_end_matches('0').to_owned()
            }
        }
    };
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let n = nanoseconds.unsigned_abs();
    let text = match n {
        0 => "0s".to_owned(),
        1..=999 => format!("{n}ns"),
        1_000..=999_999 => format!("{}µs", fraction(n, 1_000)),
        1_000_000..=999_999_999 => format!("{}ms", fraction(n, 1_000_000)),
        _ => {
            let minutes = n / 60_000_000_000;
            let seconds = fraction(n % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

/// The words of a command line, with a shell's quotes and backslashes. Nothing is expanded, and what a shell would take for
/// the end of the command ends it.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let (mut word, mut has_word) = (String::new(), false);
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => {
                let next = characters.next().ok_or("invalid command line string")?;
                word.push(next);
                has_word = true;
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                has_word = true;
            }
            (None, ' ' | '\t' | '\r' | '\n') => {
                if has_word {
                    words.push(std::mem::take(&mut word));
                    has_word = false;
                }
            }
            (None, ';' | '&' | '|' | '<' | '>') => break,
            (None, c) => {
                word.push(c);
                has_word = true;
            }
        }
    }
    if quote.is_some() {
        return Err("invalid command line string".to_owned());
    }
    if has_word {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        for (text, expected) in [
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("500ms", "500ms"),
            ("0s", "0s"),
            ("1.5s", "1.5s"),
            ("1d", "24h0m0s"),
            ("1w", "168h0m0s"),
            ("2us", "2µs"),
            ("1m0.5s", "1m0.5s"),
            ("100ns", "100ns"),
        ] {
            assert_eq!(duration(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(duration("5q").unwrap_err(), "time: unknown unit \"q\" in duration \"5q\"");
        assert!(duration("").is_err() && duration("5").is_err() && duration("999999999999w").is_err());
    }

    #[test]
    fn sizes_have_suffixes() {
        for (text, expected) in [
            ("1g", 1 << 30),
            ("512m", 512 << 20),
            ("-1", -1),
            ("5", 5),
            ("1.5k", 1536),
            ("2GB", 2 << 30),
            ("1 kib", 1024),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        assert_eq!(bytes("5x").unwrap_err(), "invalid suffix: 'x'");
        assert!(bytes("").is_err() && bytes("g").is_err() && bytes("1e30p").is_err());
    }

    #[test]
    fn command_lines_are_split() {
        for (line, expected) in [
            ("echo \"hello world\" $HOME", &["echo", "hello world", "$HOME"][..]),
            ("a 'b \"c' d\\ e", &["a", "b \"c", "d e"]),
            ("", &[]),
            ("a \"\" b", &["a", "", "b"]),
            ("a\nb", &["a", "b"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
        assert!(words("a \"b").is_err() && words("a\\").is_err());
    }

    #[test]
    fn modes_and_policies() {
        assert_eq!(mode(&Value::Int(292), "292").as_deref(), Ok("0444"));
        assert_eq!(mode(&Value::Text("0440".into()), "0440").as_deref(), Ok("0440"));
        assert!(mode(&Value::Text("99".into()), "99").is_err() && mode(&Value::Int(-1), "-1").is_err());
        assert!(
            is_pull_policy("every_1d12h")
                && !is_pull_policy("every_")
                && !is_pull_policy("every_5")
                && !is_pull_policy("x")
        );
        assert!(is_name("a.B_-1") && !is_name("a b") && !is_name(""));
    }
}
