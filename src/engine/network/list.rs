//! `network ls`.

use std::cmp::Ordering;

use super::{Engine, Filters, Known, all, containers};
use crate::base::{Error, Result};

/// The networks that fit, by name, and what cannot be read.
pub fn list(engine: &Engine, filters: &Filters) -> Result<(Vec<Known>, Vec<Error>)> {
    let (mut known, broken) = all(engine)?;
    let containers = containers(engine)?;
    known.retain(|known| filters.fit(known, || containers.iter().any(|container| known.is_of(container))));
    known.sort_by(|a, b| natural(&a.name, &b.name));
    Ok((known, broken))
}

/// The order in which people count: `net2` before `net10`.
pub(in crate::engine) fn natural(a: &str, b: &str) -> Ordering {
    let split = |text: &str| -> Vec<(String, u64)> {
        let mut runs: Vec<(String, String)> = vec![Default::default()];
        for c in text.chars() {
            if let Some((letters, digits)) = runs.last_mut() {
                match (c.is_ascii_digit(), digits.is_empty()) {
                    (true, _) => digits.push(c),
                    (false, true) => letters.push(c),
                    (false, false) => runs.push((c.to_string(), String::new())),
                }
            }
        }
        runs.into_iter().map(|(letters, digits)| (letters, digits.parse().unwrap_or(0))).collect()
    };
    split(a).cmp(&split(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_people_count() {
        let mut names = ["net10", "net9", "bridge", "net", "net09a", "host", "net2-b1"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["bridge", "host", "net", "net2-b1", "net9", "net09a", "net10"]);
    }
}
