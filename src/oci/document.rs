//! JSON documents read as Go's `encoding/json` reads them, because docker, containerd and podman are what the documents
//! in registries were tested with. Every document that comes from a registry is read here.
//!
//! # What is lenient
//!
//! * Keys of a struct match its fields without regard to case, U+017F and U+212A included. Keys of a map stay as they are.
//! * Of fields that occur twice the last counts; two objects are merged.
//! * `null` is absence: a field keeps its default, an element of a list or map is the empty value.
//! * Unknown fields are ignored, whatever they hold.
//! * Bytes that are not UTF-8 and surrogates without a partner become U+FFFD.
//!
//! # What is strict
//!
//! The syntax, and the kind of every known value: a number in quotes is no number, 7.0 and 7e0 are no integers. Digests
//! and sizes are checked by their own types and cannot be defaults: their fields must be there. A document has at most
//! [`VALUES_MAX`] values, 128 levels deep.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::Error;

/// Most values (numbers, strings, lists, objects…) of a document. Real ones have some thousand; a million empty lists
/// in 4 MiB would need a hundred times their size in memory.
const VALUES_MAX: usize = 250_000;

/// Reads a document. The caller has bounded its size.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let text = String::from_utf8_lossy(bytes);
    let text = pair_surrogates(&text);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let value = Reader { left: &Cell::new(VALUES_MAX) }.deserialize(&mut reader)?;
    reader.end()?;
    T::deserialize(value)
}

/// A parsed value. Objects keep the order and the duplicates of their keys.
enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Replaces escaped surrogates that have no partner by an escaped U+FFFD; serde_json refuses them.
fn pair_surrogates(text: &str) -> Cow<'_, str> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    };
    let mut repaired = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(next) = text[at..].find('\\') {
        at += next;
        at += match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                repaired.push_str(&text[copied..at]);
                repaired.push_str("\\ufffd");
                copied = at + 6;
                6
            }
            (Some(_), _) => 6,
            // The escaped character may have several bytes; then the document is malformed, which its parser will say.
            (None, _) => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    repaired.push_str(&text[copied..]);
    Cow::Owned(repaired)
}

/// Builds a [`Json`], and counts.
#[derive(Clone, Copy)]
struct Reader<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(de::Error::custom(format!("it has more than {VALUES_MAX} values"))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        serde_json::Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(key) = entries.next_key()? {
            values.push((key, entries.next_value_seed(self)?));
        }
        Ok(Json::Object(values))
    }
}

/// The entries of an object that are fields of a struct, under the fields' names. What is `null` is left out.
fn fields_of(entries: Vec<(String, Json)>, fields: &'static [&'static str]) -> Vec<(&'static str, Json)> {
    let mut found: Vec<(&'static str, Json)> = Vec::new();
    for (key, value) in entries {
        let exact = fields.iter().find(|field| **field == key);
        let Some(field) = exact.or_else(|| fields.iter().find(|field| is_field(&key, field))) else { continue };
        let earlier = found.iter().position(|(name, _)| name == field);
        match (earlier, value) {
            (None, Json::Null) => {}
            // A list or object is emptied, any other value stays as it is.
            (Some(at), Json::Null) if matches!(found[at].1, Json::Array(_) | Json::Object(_)) => {
                found.swap_remove(at);
            }
            (Some(_), Json::Null) => {}
            (Some(at), value) => match (&mut found[at].1, value) {
                (Json::Object(earlier), Json::Object(later)) => earlier.extend(later),
                (earlier, value) => *earlier = value,
            },
            (None, value) => found.push((field, value)),
        }
    }
    found
}

/// Go's `foldName`: letters are equal in all their simple foldings.
fn is_field(key: &str, field: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(field.chars().map(fold))
}

/// `null` where a value of this kind is expected is the empty value.
macro_rules! empty_when_null {
    ($($method:ident => $visit:ident($empty:expr)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self {
                Self::Null => visitor.$visit($empty),
                value => value.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Json {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(value) => value.deserialize_any(visitor),
            Self::String(value) => visitor.visit_string(value),
            Self::Array(values) => {
                let mut values = SeqDeserializer::new(values.into_iter());
                let value = visitor.visit_seq(&mut values)?;
                values.end().map(|()| value)
            }
            Self::Object(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Json)>())),
            Self::Object(entries) => visitor.visit_map(MapDeserializer::new(fields_of(entries, fields).into_iter())),
            // serde would take its elements for the fields.
            Self::Array(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &visitor)),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => Self::Array(Vec::new()).deserialize_any(visitor),
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => Self::Object(Vec::new()).deserialize_any(visitor),
            value => value.deserialize_any(visitor),
        }
    }

    empty_when_null! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i64(0),
        deserialize_i16 => visit_i64(0),
        deserialize_i32 => visit_i64(0),
        deserialize_i64 => visit_i64(0),
        deserialize_u8 => visit_u64(0),
        deserialize_u16 => visit_u64(0),
        deserialize_u32 => visit_u64(0),
        deserialize_u64 => visit_u64(0),
        deserialize_f32 => visit_f64(0.0),
        deserialize_f64 => visit_f64(0.0),
        deserialize_str => visit_str(""),
        deserialize_string => visit_str(""),
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier }
}

impl<'de> IntoDeserializer<'de, Error> for Json {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Default, serde::Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Sample {
        disk: Option<String>,
        size: u64,
        flag: bool,
        tags: Vec<String>,
        map: BTreeMap<String, String>,
        inner: Inner,
        several: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Default, serde::Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Inner {
        one: i64,
        two: String,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Needed {
        #[allow(dead_code, reason = "its presence is what is tested")]
        size: u64,
    }

    fn read(text: &str) -> Sample {
        from_slice(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn inner(one: i64, two: &str) -> Inner {
        Inner { one, two: two.into() }
    }

    /// Each line was run through Go's `json.Unmarshal` into the same structs.
    #[test]
    fn documents_mean_what_they_mean_to_go() {
        let tags = |tags: &[&str]| Sample { tags: tags.iter().map(|tag| (*tag).into()).collect(), ..Sample::default() };
        let disk = |text: &str| Sample { disk: Some(text.into()), ..Sample::default() };
        for (text, expected) in [
            (r#"{}"#, Sample::default()),
            (r#"null"#, Sample::default()),
            (r#"{"DISK":"x"}"#, disk("x")),
            ("{\"di\u{17f}\u{212a}\":\"x\"}", disk("x")),
            (r#"{"disk":"exact","DISK":"last"}"#, disk("last")),
            (r#"{"disk":"a","disk":"b"}"#, disk("b")),
            (r#"{"inner":{"two":"a","two":null}}"#, Sample { inner: inner(0, "a"), ..Sample::default() }),
            (r#"{"tags":["a"],"tags":null}"#, Sample::default()),
            (r#"{"disk":null,"size":null,"flag":null,"tags":null,"map":null,"inner":null}"#, Sample::default()),
            (r#"{"tags":["a",null,""]}"#, tags(&["a", "", ""])),
            (r#"{"tags":[]}"#, tags(&[])),
            (r#"{"tags":["a","b"],"Tags":["c"]}"#, tags(&["c"])),
            (
                r#"{"several":[{"one":1},null]}"#,
                Sample { several: vec![inner(1, ""), inner(0, "")], ..Sample::default() },
            ),
            (
                r#"{"inner":{"one":1,"two":"a"},"Inner":{"ONE":2}}"#,
                Sample { inner: inner(2, "a"), ..Sample::default() },
            ),
            (r#"{"unknown":{"deep":[1.5e300,{}]},"size":7}"#, Sample { size: 7, ..Sample::default() }),
            (
                r#"{"disk":"\ud83d\ude00 \ud83d \ude00 \\ud83d \ud83dA"}"#,
                disk("\u{1f600} \u{fffd} \u{fffd} \\ud83d \u{fffd}A"),
            ),
            (r#"{"disk":"\uD83D\u0041"}"#, disk("\u{fffd}A")),
            (" {\"disk\" : \"\\u0000\\/\" }\n\t", disk("\0/")),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        let map = read(r#"{"map":{"A":"1","a":"2","n":null,"a":"3"}}"#).map;
        let expected = [("A", "1"), ("a", "3"), ("n", "")];
        assert!(map.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected), "keys of maps are kept");
        assert_eq!(from_slice::<Sample>(b"{\"disk\":\"a\xffb\"}").unwrap(), disk("a\u{fffd}b"));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "",
            "{",
            "{} x",
            "{}{}",
            "[1]",
            "\"text\"",
            "{'disk':1}",
            r#"{"disk":1}"#,
            r#"{"size":"7"}"#,
            r#"{"size":7.0}"#,
            r#"{"size":7e0}"#,
            r#"{"size":-1}"#,
            r#"{"size":18446744073709551616}"#,
            r#"{"size":07}"#,
            r#"{"flag":"true"}"#,
            r#"{"flag":1}"#,
            r#"{"tags":"one"}"#,
            r#"{"tags":{}}"#,
            r#"{"tags":[1]}"#,
            r#"{"map":[]}"#,
            r#"{"map":{"a":1}}"#,
            r#"{"inner":[]}"#,
            r#"{"disk":"\x"}"#,
            "{\"disk\":\"\n\"}",
            "\u{feff}{}",
        ] {
            assert!(from_slice::<Sample>(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["{}", r#"{"size":null}"#] {
            assert!(from_slice::<Needed>(text.as_bytes()).is_err(), "{text}: a size is no default");
        }
    }

    #[test]
    fn values_and_depth_are_bounded() {
        let many = format!("{{\"x\":[{}0]}}", "0,".repeat(VALUES_MAX));
        assert!(from_slice::<Sample>(many.as_bytes()).unwrap_err().to_string().contains("more than 250000 values"));
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(from_slice::<Sample>(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), text in "(\\\\|\\\\u|d8|dc|0|\"|é|\\{|:){0,20}") {
            let _ = from_slice::<Sample>(&bytes);
            let _ = from_slice::<Sample>(text.as_bytes());
            let _ = from_slice::<Sample>(format!("{{\"disk\":\"{text}\"}}").as_bytes());
        }

        #[test]
        fn what_serde_json_reads_is_read_alike(value in "\\PC{0,20}", size in any::<u64>()) {
            let text = serde_json::json!({"disk": value, "size": size}).to_string();
            prop_assert_eq!(from_slice::<Sample>(text.as_bytes()).unwrap(), serde_json::from_str::<Sample>(&text).unwrap());
        }
    }
}
