//! Points in time as records keep them: RFC 3339 with nanoseconds, UTC.

use jiff::Timestamp;

/// Now, with the clock's full resolution.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// `2026-11-21T09:26:00.123456789Z`, always nine digits: what docker writes in logs and `inspect`.
pub fn rfc3339_nanos(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// docker's "never": the zero time of Go.
pub const ZERO: &str = "0001-01-01T00:00:00Z";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_always_have_nine_digits() {
        let time: Timestamp = "2026-11-21T09:26:00.5Z".parse().unwrap();
        assert_eq!(rfc3339_nanos(time), "2026-11-21T09:26:00.500000000Z");
    }
}
