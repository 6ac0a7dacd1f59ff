//! Values of the flags of `build`: grammars that need the environment, the working directory or files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use super::arguments::BuildArguments;
use super::places::limited;
use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::Context;
use crate::engine::build::{ImageFormat, NamedContext, Remote};
use crate::oci::{Platform, Reference};
use crate::spec::csv;
use crate::spec::image::PullPolicy;

/// The largest secret, in bytes: BuildKit's limit.
const SECRET_MAX: usize = 500 << 10;

/// The largest file of build arguments, in bytes.
const ARGUMENTS_MAX: usize = 1 << 20;

/// A name of the image.
pub(super) fn tag(name: &str) -> Result<Reference> {
    let reference: Reference = name.parse()?;
    match reference.digest() {
        Some(_) => Err(Error::usage(format!(
            "invalid tag `{}`: a name of an image that is built has no digest",
            text::clean(name)
        ))),
        None => Ok(reference),
    }
}

/// `NAME=VALUE` of an option; nothing is the value without `=`.
pub(super) fn pairs(option: &str, given: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |given: &String| match given.split_once('=') {
        Some(("", _)) => Err(Error::usage(format!("invalid argument `{}` for `{option}`", text::clean(given)))),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Ok((given.clone(), String::new())),
    };
    given.iter().map(pair).collect()
}

/// `--format`.
pub(super) fn format(given: Option<&str>) -> Result<Option<ImageFormat>> {
    match given {
        None => Ok(None),
        Some("oci") => Ok(Some(ImageFormat::Oci)),
        Some("docker") => Ok(Some(ImageFormat::Docker)),
        Some(other) => Err(Error::usage(format!("invalid argument `{}` for `--format`", text::clean(other)))
            .hint("it is `oci` or `docker`")),
    }
}

/// `NAME=WHERE` of `--build-context`.
pub(super) fn named(context: &Context, given: &str) -> Result<(String, NamedContext)> {
    let wrong = || {
        Error::usage(format!("invalid argument `{}` for `--build-context`", text::clean(given)))
            .hint("it is NAME=DIRECTORY, NAME=docker-image://IMAGE, NAME=oci-layout://DIRECTORY[:TAG] or NAME=URL")
    };
    let (name, place) =
        given.split_once('=').filter(|(name, place)| !name.is_empty() && !place.is_empty()).ok_or_else(wrong)?;
    let named = if let Some(image) = place.strip_prefix("docker-image://") {
        NamedContext::Image(image.to_owned())
    } else if let Some(layout) = place.strip_prefix("oci-layout://") {
        let (path, tag) = match (layout.split_once('@'), layout.rsplit_once(':')) {
            (Some((path, digest)), _) => (path, Some(digest)),
            (None, Some((path, tag))) if !tag.contains('/') => (path, Some(tag)),
            _ => (layout, None),
        };
        NamedContext::Layout(context.path(path), tag.map(str::to_owned))
    } else if let Some(remote) = Remote::parse(place) {
        NamedContext::Remote(remote)
    } else if place.contains("://") || place.starts_with("target:") {
        return Err(wrong());
    } else {
        NamedContext::Directory(context.path(place))
    };
    Ok((name.to_owned(), named))
}

/// `id=NAME[,src=FILE|,env=VARIABLE][,type=file|env]`.
pub(super) fn secret(context: &Context, given: &str) -> Result<(String, Vec<u8>)> {
    let wrong = |why: &str| Error::usage(format!("invalid argument `{}` for `--secret`: {why}", text::clean(given)));
    let (mut id, mut source, mut variable, mut kind) = (None, None, None, None);
    for field in csv::fields(given)? {
        match field.split_once('=') {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("src" | "source", value)) => source = Some(value.to_owned()),
            Some(("env", value)) => variable = Some(value.to_owned()),
            Some(("type", value @ ("file" | "env"))) => kind = Some(value.to_owned()),
            _ => return Err(wrong("it is id=NAME[,src=FILE|,env=VARIABLE]")),
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| wrong("it has no id"))?;
    if kind.as_deref() == Some("env") && variable.is_none() {
        variable = source.take();
    }
    // Neither: a variable of that name, or a file.
    if variable.is_none() && source.is_none() {
        match context.environment.get(&id) {
            Some(_) if kind.as_deref() != Some("file") => variable = Some(id.clone()),
            _ => source = Some(id.clone()),
        }
    }
    if let Some(variable) = variable {
        let value = context.environment.get(&variable).ok_or_else(|| wrong("the variable is not set"))?;
        return Ok((id, value.as_bytes().to_vec()));
    }
    let path = context.path(&source.unwrap_or_default());
    let mut content = Vec::new();
    let opened = File::open(&path).and_then(|file| file.take(SECRET_MAX as u64 + 1).read_to_end(&mut content));
    opened.at(&path, "cannot read the secret")?;
    match content.len() > SECRET_MAX {
        true => Err(wrong("the file is larger than 500 KiB")),
        false => Ok((id, content)),
    }
}

/// `default`, `ID` or `ID=SOCKET`.
pub(super) fn ssh(context: &Context, given: &str) -> Result<(String, PathBuf)> {
    use std::os::unix::fs::FileTypeExt;
    let wrong = |why: &str| Error::usage(format!("invalid argument `{}` for `--ssh`: {why}", text::clean(given)));
    let (id, path) = given.split_once('=').map_or((given, None), |(id, path)| (id, Some(path)));
    let path = match path.or_else(|| context.environment.get("SSH_AUTH_SOCK")) {
        Some(path) if !path.is_empty() => context.path(path),
        _ => return Err(wrong("no agent runs: SSH_AUTH_SOCK is not set")),
    };
    match fs::metadata(&path).at(&path, "cannot examine")?.file_type().is_socket() {
        true => Ok((id.to_owned(), path)),
        false => Err(wrong("it is not the socket of an agent").hint("load the key into an agent: ssh-add FILE")),
    }
}

/// `NAME=VALUE`, or the name of a variable of the environment.
pub(super) fn variables(context: &Context, option: &str, given: &[String]) -> Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    for given in given {
        match given.split_once('=') {
            Some(("", _)) => {
                return Err(Error::usage(format!("invalid argument `{}` for `{option}`", text::clean(given))));
            }
            Some((name, value)) => variables.push((name.to_owned(), value.to_owned())),
            None => variables.extend(context.environment.get(given).map(|value| (given.clone(), value.to_owned()))),
        }
    }
    Ok(variables)
}

/// `--build-arg-file`, then `--build-arg`, which wins.
pub(super) fn build_args(context: &Context, arguments: &BuildArguments) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for file in &arguments.build_arg_file {
        let path = context.path(file);
        let opened = File::open(&path).at(&path, "cannot open the file of build arguments")?;
        let content = limited(opened, file, ARGUMENTS_MAX)?;
        let lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        all.extend(variables(context, "--build-arg-file", &lines)?);
    }
    all.extend(variables(context, "--build-arg", &arguments.build_arg)?);
    Ok(all)
}

/// `--platform`, or `--os`, `--arch` and `--variant`, or `DOCKER_DEFAULT_PLATFORM`.
pub(super) fn platforms(context: &Context, arguments: &BuildArguments) -> Result<Vec<Platform>> {
    if let Some(other) = arguments.os.as_deref().filter(|os| !os.eq_ignore_ascii_case("linux")) {
        return Err(Error::unsupported(format!("cannot build for the operating system `{}`", text::clean(other)))
            .hint("steps run on this machine's Linux"));
    }
    let parts = [&arguments.arch, &arguments.variant].into_iter().flatten();
    let parts: Vec<&str> = parts.map(String::as_str).filter(|part| !part.is_empty()).collect();
    if arguments.arch.is_none() && arguments.variant.is_some() {
        return Err(Error::usage("--variant needs --arch"));
    }
    let given = match (parts.is_empty(), arguments.platform.is_empty()) {
        (false, false) => return Err(Error::usage("conflicting options: `--platform` and `--arch`")),
        (false, true) => vec![format!("linux/{}", parts.join("/"))],
        (true, false) => arguments.platform.clone(),
        (true, true) => context.environment.get("DOCKER_DEFAULT_PLATFORM").map(str::to_owned).into_iter().collect(),
    };
    let mut platforms: Vec<Platform> = Vec::new();
    for text in given.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let platform = if text == "local" { Platform::host() } else { text.parse()? };
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(platforms)
}

/// `--pull`.
pub(super) fn pull(given: Option<&str>) -> Result<PullPolicy> {
    match given {
        None | Some("false") => Ok(PullPolicy::Missing),
        Some("true") => Ok(PullPolicy::Always),
        Some(policy) => policy.parse(),
    }
}

/// The time of `--timestamp`, `--source-date-epoch` or `SOURCE_DATE_EPOCH`.
pub(super) fn epoch(
    context: &Context,
    arguments: &BuildArguments,
    build_args: &BTreeMap<String, String>,
) -> Result<Option<i64>> {
    let given = arguments.timestamp.or(arguments.source_date_epoch);
    let of_variable = || {
        let given = build_args.get("SOURCE_DATE_EPOCH").map(String::as_str);
        given.or_else(|| context.environment.get("SOURCE_DATE_EPOCH")).filter(|text| !text.is_empty())
    };
    match (given, of_variable()) {
        (Some(given), _) => Ok(Some(given)),
        (None, Some(text)) => text
            .parse()
            .map(Some)
            .map_err(|_| Error::usage(format!("SOURCE_DATE_EPOCH is no number: `{}`", text::clean(text)))),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        assert!(tag("a:b").is_ok() && tag(&format!("a@sha256:{}", "0".repeat(64))).is_err() && tag("A").is_err());
        assert_eq!(
            pairs("--label", &["a=b=c".into(), "d".into()]).unwrap(),
            [("a".into(), "b=c".into()), ("d".into(), "".into())]
        );
        assert!(pairs("--label", &["=b".into()]).is_err() && format(Some("x")).is_err());
        assert_eq!(pull(Some("true")).unwrap(), PullPolicy::Always);
        assert_eq!((pull(None).unwrap(), pull(Some("never")).unwrap()), (PullPolicy::Missing, PullPolicy::Never));
        assert!(pull(Some("sometimes")).is_err());
    }
}
