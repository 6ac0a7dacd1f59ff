//! One line of comma-separated values (RFC 4180), which is what docker's `--mount` takes.

use crate::base::{Error, Result};

/// The fields of `line`. A field in double quotes may hold commas, and `""` for a quote.
pub fn fields(line: &str) -> Result<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = fields.len() - 1;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                fields[last].push('"');
            }
            '"' if quoted => {
                quoted = false;
                if letters.peek().is_some_and(|next| *next != ',') {
                    return Err(Error::usage("text behind a closing quote"));
                }
            }
            '"' if fields[last].is_empty() => quoted = true,
            '"' => return Err(Error::usage("a quote within a field without quotes")),
            ',' if !quoted => fields.push(String::new()),
            letter => fields[last].push(letter),
        }
    }
    match quoted {
        true => Err(Error::usage("a quote is not closed")),
        false => Ok(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_protect_commas() {
        assert_eq!(fields("a,\"b,\"\"c\",").unwrap(), ["a", "b,\"c", ""]);
        for bad in ["\"a", "a\"b", "\"a\"b"] {
            assert!(fields(bad).is_err(), "{bad}");
        }
    }
}
