//! The `WWW-Authenticate` header (RFC 9110, 11.6.1): how a registry says what it wants to be shown.

use std::collections::BTreeMap;

/// Longest header value that is looked at, in bytes.
const HEADER_MAX: usize = 8 << 10;

/// One way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `bearer`, `basic`, …; lower case.
    pub scheme: String,
    /// Names in lower case. Of repeated ones the first counts.
    pub parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// A parameter that is not empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// All challenges of a header value. What cannot be understood is left out: a registry that asks for nothing we know is
/// answered like one that asks for nothing.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut scanner = Scanner { rest: header.get(..HEADER_MAX).unwrap_or(header) };
    if header.len() > HEADER_MAX {
        return Vec::new();
    }
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        scanner.skip(|c| c == ',' || c.is_ascii_whitespace());
        let word = scanner.token();
        if word.is_empty() {
            if scanner.rest.is_empty() {
                return challenges;
            }
            // Not a token where one must be (token68 padding, garbage): go on after it.
            let mut characters = scanner.rest.chars();
            characters.next();
            scanner.rest = characters.as_str();
            continue;
        }
        match (scanner.equals(), challenges.last_mut()) {
            (true, Some(current)) => {
                let value = scanner.value();
                current.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
            }
            (true, None) => drop(scanner.value()),
            (false, _) => {
                challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: BTreeMap::new() });
            }
        }
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(unwanted);
    }

    /// RFC 9110, 5.6.2.
    fn token(&mut self) -> &'a str {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    /// Whether a `=` follows, with or without space before it; it is consumed with the space after it.
    fn equals(&mut self) -> bool {
        match self.rest.trim_start().strip_prefix('=') {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    /// A token or a quoted string.
    fn value(&mut self) -> String {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            // Some registries do not quote URLs and scopes: take everything up to the next separator.
            let end = self.rest.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            return value.to_owned();
        };
        let mut value = String::new();
        let mut characters = quoted.chars();
        loop {
            match characters.next() {
                None | Some('"') => break,
                Some('\\') => value.extend(characters.next()),
                Some(other) => value.push(other),
            }
        }
        self.rest = characters.as_str();
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(header: &str) -> String {
        parse(header)
            .iter()
            .map(|challenge| {
                let parameters: Vec<_> =
                    challenge.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{}({})", challenge.scheme, parameters.join(";"))
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn real_headers_are_understood() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#,
                "bearer(realm=https://auth.docker.io/token;scope=repository:library/alpine:pull;service=registry.docker.io)",
            ),
            (r#"Basic realm="Registry Realm""#, "basic(realm=Registry Realm)"),
            (r#"BASIC realm="a \"b\" c""#, r#"basic(realm=a "b" c)"#),
            (
                r#"Negotiate, Basic realm="x", Bearer realm=https://h/t , service = s"#,
                "negotiate() basic(realm=x) bearer(realm=https://h/t;service=s)",
            ),
            (r#"Bearer realm="a",scope="r:x:pull,push""#, "bearer(realm=a;scope=r:x:pull,push)"),
            (r#"Bearer realm="a",realm="b""#, "bearer(realm=a)"),
            (r#"Bearer realm="unterminated"#, "bearer(realm=unterminated)"),
            ("Basic dXNlcg==", "basic() dxnlcg()"),
            (r#"realm="x""#, ""),
            ("", ""),
            (", ,", ""),
        ] {
            let shown = show(header);
            // The token68 form is not used in challenges by registries: it only must do no harm.
            if header.starts_with("Basic dX") {
                assert!(shown.starts_with("basic("), "{shown}");
            } else {
                assert_eq!(shown, expected, "{header}");
            }
        }
        assert!(parse(&format!("Basic realm=\"{}\"", "x".repeat(HEADER_MAX))).is_empty());
    }

    proptest! {
        #[test]
        fn any_header_ends(header in "\\PC{0,60}|[ ,=\"\\\\a-cA-C]{0,60}") {
            let _ = parse(&header);
        }
    }
}
