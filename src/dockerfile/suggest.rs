//! "Did you mean": the word of a list that is nearest to a mistyped one.

use crate::base::text::distance;

/// The nearest of `known` within a distance of 2 changes, letters' case aside; none for a word that equals nothing nearly.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let near = known.into_iter().map(|other| (distance(&word, &other.to_ascii_lowercase()), other));
    near.filter(|(distance, other)| *distance <= 2 && *distance < other.len()).min().map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_understood() {
        let known = ["FROM", "RUN", "COPY", "ENTRYPOINT"];
        for (word, expected) in [("FRMO", Some("FROM")), ("rnu", Some("RUN")), ("ENTRYPONT", Some("ENTRYPOINT"))] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!((nearest("XYZ", known), nearest("", known)), (None, None));
    }
}
