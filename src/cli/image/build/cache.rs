//! `--cache-from` and `--cache-to`.

use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::engine::build::{CachePlace, CacheTarget};
use crate::spec::csv;

/// What the fields of either flag say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields {
    kind: String,
    reference: Option<String>,
    directory: Option<String>,
    all: bool,
    may_fail: bool,
}

fn fields(option: &str, given: &str) -> Result<Fields> {
    let wrong = |why: &str| Error::usage(format!("invalid argument `{}` for `{option}`: {why}", text::clean(given)));
    if !given.contains('=') {
        return Ok(Fields { kind: "registry".into(), reference: Some(given.to_owned()), ..Fields::default() });
    }
    let mut found = Fields::default();
    for field in csv::fields(given)? {
        match field.split_once('=') {
            Some(("type", kind)) => found.kind = kind.to_owned(),
            Some(("ref", name)) => found.reference = Some(name.to_owned()),
            Some(("src" | "dest", path)) => found.directory = Some(path.to_owned()),
            Some(("mode", "max")) => found.all = true,
            Some(("mode", "min")) => found.all = false,
            Some(("ignore-error", value)) => found.may_fail = value == "true",
            // How caches are written here anyway.
            Some(("oci-mediatypes" | "image-manifest", "true") | ("compression", "gzip")) => {}
            Some((name, _)) => return Err(wrong(&format!("`{}` is not supported", text::clean(name)))),
            None => return Err(wrong("it is made of NAME=VALUE")),
        }
    }
    if found.kind.is_empty() {
        return Err(wrong("it has no type"));
    }
    Ok(found)
}

fn place(context: &Context, option: &str, given: &str, fields: &Fields) -> Result<CachePlace> {
    let wrong = |why: &str| Error::usage(format!("invalid argument `{}` for `{option}`: {why}", text::clean(given)));
    match fields.kind.as_str() {
        "registry" => {
            let name = fields.reference.as_deref().ok_or_else(|| wrong("it has no ref"))?;
            Ok(CachePlace::Registry(name.parse()?))
        }
        "local" => {
            let directory = fields.directory.as_deref().ok_or_else(|| wrong("it has no directory (src or dest)"))?;
            Ok(CachePlace::Local(context.path(directory)))
        }
        "inline" if option == "--cache-to" => Ok(CachePlace::Inline),
        other => Err(Error::unsupported(format!("{option} type={} is not supported", text::clean(other)))
            .hint("the types are registry, local and, for --cache-to, inline")),
    }
}

/// `--cache-from`.
pub(super) fn from(context: &Context, given: &str) -> Result<CachePlace> {
    place(context, "--cache-from", given, &fields("--cache-from", given)?)
}

/// `--cache-to`.
pub(super) fn to(context: &Context, given: &str) -> Result<CacheTarget> {
    let fields = fields("--cache-to", given)?;
    let place = place(context, "--cache-to", given, &fields)?;
    Ok(CacheTarget { place, all: fields.all, may_fail: fields.may_fail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let read = |given: &str| fields("--cache-to", given);
        let named = read("user/app:cache").unwrap();
        assert_eq!((named.kind.as_str(), named.reference.as_deref()), ("registry", Some("user/app:cache")));
        let local = read("type=local,dest=dir,mode=max,ignore-error=true").unwrap();
        assert_eq!((local.directory.as_deref(), local.all, local.may_fail), (Some("dir"), true, true));
        for wrong in ["ref=x", "type=local,dest", "type=registry,ref=x,compression=estargz", "type=local,mode=some"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
