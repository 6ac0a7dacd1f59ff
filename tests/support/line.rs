//! Command lines as a user types them: words apart by blanks, quotes as in a shell, nothing expanded.

/// The words of `line`. Panics on an open quote: that is a mistake in the test.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ' | '\n') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    assert!(quote.is_none(), "open quote in: {line}");
    words.extend(word);
    words
}

#[test]
fn words_keep_quoted_blanks_and_empty_words() {
    assert_eq!(words("run  -e 'A=b c' \"x 'y'\" ''"), ["run", "-e", "A=b c", "x 'y'", ""]);
    assert_eq!(words("sh -c 'echo \"$0\"'"), ["sh", "-c", "echo \"$0\""]);
}
