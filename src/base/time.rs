//! Points in time as records keep them: RFC 3339 with nanoseconds, UTC.

use jiff::Timestamp;

/// Now, with the clock's full resolution.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// `2026-11-21T09:26:00.123456789Z`, always nine digits: what docker writes in logs.
pub fn rfc3339_nanos(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// `2026-11-21T09:26:00.5Z`, without the zeros at the end of the fraction: what docker's JSON has for moments.
pub fn rfc3339(time: Timestamp) -> String {
    time.to_string()
}

/// `2026-11-21T09:26:00Z`, without a fraction: when docker's volumes were made.
pub fn rfc3339_seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// docker's "never": the zero time of Go.
pub const ZERO: &str = "0001-01-01T00:00:00Z";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_docker_writes_them() {
        let time: Timestamp = "2026-11-21T09:26:00.5Z".parse().unwrap();
        assert_eq!(rfc3339_nanos(time), "2026-11-21T09:26:00.500000000Z");
        assert_eq!(rfc3339(time), "2026-11-21T09:26:00.5Z");
        assert_eq!(rfc3339("2026-11-21T09:26:00.120Z".parse().unwrap()), "2026-11-21T09:26:00.12Z");
        assert_eq!(rfc3339("2026-11-21T09:26:10Z".parse().unwrap()), "2026-11-21T09:26:10Z");
    }
}
