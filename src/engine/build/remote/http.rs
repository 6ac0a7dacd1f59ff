//! Files of web servers. What a server said of a file is remembered, so that the next build only asks whether it has
//! changed.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Around, Fetched, Trust, area};
use crate::base::paths::private_dir;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt};
use crate::oci::Digest;
use crate::registry::download::{Download, Downloaded, Validators, download, shown};

/// What is remembered of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    url: String,
    name: String,
    digest: Digest,
    validators: Validators,
}

/// The most files that are remembered.
const KNOWN_MAX: usize = 1000;

/// A file whose digest is known, and that was perhaps not fetched.
#[derive(Debug)]
pub struct Page {
    url: String,
    /// The digest of its content.
    pub digest: Digest,
    /// What the server calls it.
    pub name: String,
    fetched: Option<Fetched>,
}

/// Finds out what a URL is worth now.
pub fn look(around: &Around<'_>, url: &str, checksum: Option<&Digest>) -> Result<Page> {
    let known = read(around, url);
    // The content that is asked for was here, and the server cannot change it.
    if let (Some(wanted), Some(known)) = (checksum, &known)
        && known.digest == *wanted
    {
        let Known { name, digest, .. } = known.clone();
        return Ok(Page { url: url.to_owned(), digest, name, fetched: None });
    }
    let validators = known.as_ref().map(|known| known.validators.clone()).filter(|known| !known.is_empty());
    match (fetch(around, url, validators, checksum)?, known) {
        (Some((downloaded, fetched)), _) => {
            let Downloaded { name, digest, validators, .. } = downloaded;
            remember(around, &Known { url: url.to_owned(), name: name.clone(), digest: digest.clone(), validators })?;
            Ok(Page { url: url.to_owned(), digest, name, fetched: Some(fetched) })
        }
        (None, Some(Known { name, digest, .. })) => {
            verify(url, &digest, checksum)?;
            Ok(Page { url: url.to_owned(), digest, name, fetched: None })
        }
        (None, None) => Err(Error::system("a server said that nothing has changed, unasked")),
    }
}

impl Page {
    /// The file itself.
    pub fn fetched(self, around: &Around<'_>) -> Result<Fetched> {
        if let Some(fetched) = self.fetched {
            return Ok(fetched);
        }
        match fetch(around, &self.url, None, Some(&self.digest)) {
            Ok(Some((_, fetched))) => Ok(fetched),
            Ok(None) => Err(Error::system("a server said that nothing has changed, unasked")),
            Err(error) => Err(error),
        }
    }
}

fn fetch(
    around: &Around<'_>,
    url: &str,
    known: Option<Validators>,
    checksum: Option<&Digest>,
) -> Result<Option<(Downloaded, Fetched)>> {
    let staging = area(around.engine)?;
    let path = staging.path().join("content");
    let mut file = File::create_new(&path).at(&path, "cannot create")?;
    let host = url.split("://").nth(1).unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let wanted = Download {
        url: url.to_owned(),
        authorization: authorization(around, host),
        has_digest: checksum.is_some(),
        outside: around.trust == Trust::File,
        known,
    };
    let Some(downloaded) = download(&around.engine.registry, &wanted, &mut file)? else { return Ok(None) };
    verify(url, &downloaded.digest, checksum)?;
    // As BuildKit has it: readable by root alone, as old as the server says, else as old as time.
    file.set_permissions(fs::Permissions::from_mode(0o600)).at(&path, "cannot set the mode of")?;
    let seconds = u64::try_from(downloaded.modified.unwrap_or(0)).unwrap_or(0);
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_times(FileTimes::new().set_modified(time)).at(&path, "cannot set the time of")?;
    let named = staging.path().join("file");
    fs::create_dir(&named).at(&named, "cannot create")?;
    fs::rename(&path, named.join(&downloaded.name)).at(&path, "cannot rename")?;
    let source = format!("/file/{}", escaped(&downloaded.name));
    Ok(Some((downloaded, Fetched { staging, source, is_file: true })))
}

/// What a server has is what `--checksum` says.
fn verify(url: &str, digest: &Digest, checksum: Option<&Digest>) -> Result<()> {
    match checksum.filter(|expected| *expected != digest) {
        Some(expected) => Err(Error::invalid(format!("digest mismatch {digest}: {expected}"))
            .hint(format!("what `{}` is now is not what --checksum says", shown(url)))),
        None => Ok(()),
    }
}

/// A name in which nothing is a pattern.
fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut escaped, letter| {
        if "*?[\\".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
        escaped
    })
}

fn authorization(around: &Around<'_>, host: &str) -> Option<String> {
    let raw = around.secrets.get(&format!("HTTP_AUTH_HEADER_{host}"));
    let token = around.secrets.get(&format!("HTTP_AUTH_TOKEN_{host}"));
    let text = |value: &Vec<u8>| String::from_utf8_lossy(value).trim_end_matches(['\n', '\r']).to_owned();
    raw.map(text).or_else(|| token.map(|token| format!("Bearer {}", text(token))))
}

fn known_path(around: &Around<'_>, url: &str) -> PathBuf {
    let name = Digest::sha256(url.as_bytes()).hex().to_owned();
    around.engine.paths.data.join("build").join("urls").join(format!("{name}.json"))
}

fn read(around: &Around<'_>, url: &str) -> Option<Known> {
    let known: Known = serde_json::from_slice(&fs::read(known_path(around, url)).ok()?).ok()?;
    Some(known).filter(|known| known.url == url)
}

fn remember(around: &Around<'_>, known: &Known) -> Result<()> {
    let path = known_path(around, &known.url);
    if let Some(directory) = path.parent() {
        private_dir(directory)?;
        // Never without a bound: what is forgotten is fetched again.
        let count = fs::read_dir(directory).at(directory, "cannot list")?.count();
        if count > KNOWN_MAX {
            fs::remove_dir_all(directory).at(directory, "cannot empty")?;
            private_dir(directory)?;
        }
    }
    publish::json(&path, known, Durability::Volatile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_patterns() {
        assert_eq!(escaped("a*b[1]?.tar"), "a\\*b\\[1]\\?.tar");
    }
}
