//! Text from images, registries and containers, made safe to show: it must not move the cursor, rewrite the line, set
//! the window's title or pretend to be another line.

use std::borrow::Cow;

/// Replaces control characters and invisible direction marks by `\u{..}` escapes.
pub fn clean(text: &str) -> Cow<'_, str> {
    match text.chars().any(is_unsafe) {
        false => Cow::Borrowed(text),
        true => Cow::Owned(
            text.chars().map(|c| if is_unsafe(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect(),
        ),
    }
}

/// [`clean`] for text that may span lines: newlines and tabs stay.
pub fn clean_lines(text: &str) -> String {
    text.split('\n')
        .map(|line| line.split('\t').map(clean).collect::<Vec<_>>().join("\t"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// How many letters must be inserted, deleted, replaced or exchanged with their neighbour to make `b` of `a` (Levenshtein's
/// distance as Damerau has it).
pub fn distance(a: &str, b: &str) -> usize {
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

/// Control characters, the bidirectional overrides (Unicode TR 9) and the zero-width marks.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_counted() {
        for (a, b, count) in
            [("rnu", "run", 1), ("", "ab", 2), ("same", "same", 0), ("psuh", "push", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), count, "{a} {b}");
        }
    }

    #[test]
    fn escapes_lose_their_power_and_words_stay() {
        assert_eq!(clean("nginx:1.27 é"), "nginx:1.27 é");
        assert_eq!(clean("a\x1b[2Jb\r"), "a\\u{1b}[2Jb\\u{d}");
        assert_eq!(clean_lines("a\tb\n\x07c"), "a\tb\n\\u{7}c");
    }
}
