//! One entry of a log as a line of a file, and back.

use std::collections::BTreeMap;

use super::place::Format;
use crate::spec::logs::{Entry, Stream};

/// Appends one entry, whose text is all `pieces` together, to `out`. `attributes` are those of [`attributes`].
pub(super) fn encode(
    out: &mut Vec<u8>,
    format: Format,
    attributes: &[u8],
    stream: Stream,
    pieces: &[&[u8]],
    stamp: &str,
) {
    match format {
        Format::Json => json(out, attributes, stream, pieces, stamp),
        Format::K8s => {
            let last = pieces.iter().rev().find(|piece| !piece.is_empty());
            let complete = last.is_some_and(|piece| piece.ends_with(b"\n"));
            for word in [stamp, " ", stream.word(), if complete { " F " } else { " P " }] {
                out.extend_from_slice(word.as_bytes());
            }
            pieces.iter().for_each(|piece| out.extend_from_slice(piece));
            if !complete {
                out.push(b'\n');
            }
        }
    }
}

fn json(out: &mut Vec<u8>, attributes: &[u8], stream: Stream, pieces: &[&[u8]], stamp: &str) {
    out.extend_from_slice(b"{\"log\":\"");
    match pieces {
        [[], rest @ ..] => rest.iter().for_each(|piece| escape(out, piece)),
        [only] => escape(out, only),
        // A character may lie across two pieces.
        pieces => escape(out, &pieces.concat()),
    }
    out.extend_from_slice(b"\",\"stream\":\"");
    out.extend_from_slice(stream.word().as_bytes());
    out.push(b'"');
    out.extend_from_slice(attributes);
    out.extend_from_slice(b",\"time\":\"");
    out.extend_from_slice(stamp.as_bytes());
    out.extend_from_slice(b"\"}\n");
}

/// What stands in every line of JSON between the stream and the time.
pub(super) fn attributes(attributes: &BTreeMap<String, String>) -> Vec<u8> {
    if attributes.is_empty() {
        return Vec::new();
    }
    let mut out = b",\"attrs\":{".to_vec();
    for (at, (key, value)) in attributes.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",\"" } else { b"\"" });
        escape(&mut out, key.as_bytes());
        out.extend_from_slice(b"\":\"");
        escape(&mut out, value.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
    out
}

/// The entry of a line, without its newline; none for what no writer has written.
pub(super) fn decode(format: Format, line: &[u8]) -> Option<Entry> {
    match format {
        Format::Json => serde_json::from_slice(line).ok(),
        Format::K8s => {
            let mut words = line.splitn(4, |byte| *byte == b' ');
            let time = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
            let stream = match words.next()? {
                b"stdout" => Stream::Stdout,
                b"stderr" => Stream::Stderr,
                _ => return None,
            };
            let end = match words.next()? {
                b"F" => "\n",
                b"P" => "",
                _ => return None,
            };
            Some(Entry { time, stream, text: as_text(words.next()?) + end, attributes: BTreeMap::new() })
        }
    }
}

/// Go's idea of text: one U+FFFD for each byte that is not UTF-8.
pub(super) fn as_text(bytes: &[u8]) -> String {
    let text = |chunk: std::str::Utf8Chunk<'_>| chunk.valid().to_owned() + &"\u{fffd}".repeat(chunk.invalid().len());
    bytes.utf8_chunks().map(text).collect()
}

/// The inside of a JSON string. Beyond what JSON needs, `<`, `>`, `&` and the line separators are escaped, as Go does.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            let escape: &[u8] = match c {
                '"' => b"\\\"",
                '\\' => b"\\\\",
                '\n' => b"\\n",
                '\r' => b"\\r",
                '\t' => b"\\t",
                '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => b"",
                _ => continue,
            };
            out.extend_from_slice(&text.as_bytes()[plain..at]);
            match escape {
                b"" => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
                escape => out.extend_from_slice(escape),
            }
            plain = at + c.len_utf8();
        }
        out.extend_from_slice(&text.as_bytes()[plain..]);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_kubernetes_are_whole_or_parts() {
        let mut out = Vec::new();
        let stamp = "2026-11-21T09:26:00.5Z";
        for pieces in [&[&b"hel"[..], b"lo w\n"][..], &[b"part"], &[b"\n"], &[b"a\xff\n", b""]] {
            encode(&mut out, Format::K8s, b"", Stream::Stderr, pieces, stamp);
        }
        let line = |rest: &str| [stamp.as_bytes(), b" stderr ", rest.as_bytes(), b"\n"].concat();
        let expected =
            [line("F hello w"), line("P part"), line("F "), [stamp.as_bytes(), b" stderr F a\xff\n"].concat()];
        assert_eq!(out, expected.concat());
        let texts: Vec<String> = out
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| decode(Format::K8s, &line[..line.len() - 1]).unwrap().text)
            .collect();
        assert_eq!(texts, ["hello w\n", "part", "\n", "a\u{fffd}\n"]);
        for wrong in
            ["", "x", "2026-11-21T09:26:00Z stdout", "2026-11-21T09:26:00Z frob F x", "2026-11-21T09:26:00Z stdout Q x"]
        {
            assert!(decode(Format::K8s, wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn attributes_are_in_each_line_of_json() {
        let all = BTreeMap::from([("a".to_owned(), "1\"".to_owned()), ("tag".to_owned(), "web".to_owned())]);
        let mut out = Vec::new();
        encode(&mut out, Format::Json, &attributes(&all), Stream::Stdout, &[b"x\n"], "2026-11-21T09:26:00Z");
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""stream":"stdout","attrs":{"a":"1\"","tag":"web"},"time":"#), "{text}");
        let entry = decode(Format::Json, text.trim_end().as_bytes()).unwrap();
        assert_eq!((entry.attributes, entry.text.as_str()), (all, "x\n"));
        assert!(attributes(&BTreeMap::new()).is_empty());
    }
}
