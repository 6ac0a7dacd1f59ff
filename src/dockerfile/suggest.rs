//! "Did you mean": the word of a list that is nearest to a mistyped one.

/// The nearest of `known` within a distance of 2 changes, letters' case aside; none for a word that equals nothing nearly.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let near = known.into_iter().map(|other| (distance(&word, &other.to_ascii_lowercase()), other));
    near.filter(|(distance, other)| *distance <= 2 && *distance < other.len()).min().map(|(_, other)| other)
}

/// Levenshtein's distance, with exchanged neighbours as one change.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => {
                    let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut least = changed.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(rows[i - 2][j - 2] + 1);
                    }
                    least
                }
            };
        }
    }
    rows[a.len()][b.len()]
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
