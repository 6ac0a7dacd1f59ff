//! Writing credentials: docker's `config.json` and containers-auth.json(5), or the credential helper that such a file
//! names.
//!
//! These files belong to the user and to other tools as well. Only the entry that is meant changes: all other keys keep
//! their place, their order and their formatting. A file appears with mode 0600 in one step, and a symbolic link stays one.
//! Writers of coracle wait for each other; docker and podman know no common lock, so that of two tools that write at the
//! very same moment the last wins, but never half of either.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::credential_helper;
use super::credentials::{self, Credentials, scope_of, server_name};
use crate::base::error::if_absent;
use crate::base::lock::{Lock, Mode};
use crate::base::paths::private_dir;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::oci::reference::DOCKER_HUB;

/// Largest file that is changed, in bytes: no larger one is read.
const FILE_MAX: u64 = 1 << 20;

/// Whose file it is, which decides how entries are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// docker's `config.json`.
    Docker,
    /// containers-auth.json(5).
    Containers,
}

/// A file with credentials, which need not exist.
#[derive(Debug, Clone)]
pub struct AuthFile {
    /// As the user knows it.
    pub path: PathBuf,
    /// Whose it is.
    pub style: Style,
    /// A file to be locked while this one is changed.
    pub lock: PathBuf,
}

/// What was stored, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The credential helper that has it now; none: the file has it, as text.
    pub helper: Option<String>,
    /// What is odd about the file.
    pub notes: Vec<String>,
}

/// What was taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased {
    /// How many servers are forgotten.
    pub servers: usize,
    /// What is odd about the file.
    pub notes: Vec<String>,
}

impl AuthFile {
    /// Stores `user` and `password` for `scope` (`host[:port][/path]`): by the helper that the file names for the host, else
    /// in the file. Helpers have `patience` to answer.
    pub fn store(&self, scope: &str, user: &str, password: &str, patience: Duration) -> Result<Stored> {
        let host = scope.split('/').next().unwrap_or(scope);
        let helper = self.read()?.0.helper(host).map(str::to_owned);
        if let Some(helper) = &helper {
            credential_helper::store(helper, server_name(host), user, password, patience)
                .context(|| format!("cannot store the credentials as `{}` demands", self.path.display()))?;
        }
        let notes = self.change(|auths| {
            auths.0.retain(|(key, _)| scope_of(key) != scope);
            let entry = match (&helper, self.style) {
                (None, _) => Object(vec![("auth".into(), raw_text(&STANDARD.encode(format!("{user}:{password}")))?)]),
                // docker's mark that somebody is logged in there.
                (Some(_), Style::Docker) => Object::default(),
                (Some(_), Style::Containers) => return Ok(()),
            };
            auths.0.push((self.key_of(scope), entry.raw(2)?));
            Ok(())
        })?;
        Ok(Stored { helper, notes })
    }

    /// Forgets the credentials for `scope`.
    pub fn erase(&self, scope: &str, patience: Duration) -> Result<Erased> {
        let host = scope.split('/').next().unwrap_or(scope);
        let (file, _) = self.read()?;
        let asked = file.helper(host).map(|helper| credential_helper::erase(helper, server_name(host), patience));
        let by_helper = asked.transpose()?.unwrap_or(false);
        let mut found = 0;
        let notes = match file.auths.keys().any(|key| scope_of(key) == scope) {
            false => Vec::new(),
            true => self.change(|auths| {
                let before = auths.0.len();
                auths.0.retain(|(key, _)| scope_of(key) != scope);
                found = before - auths.0.len();
                Ok(())
            })?,
        };
        Ok(Erased { servers: usize::from(found > 0 || by_helper), notes })
    }

    /// Forgets all credentials that the file has, and those of helpers that it names for a host.
    pub fn erase_all(&self, patience: Duration) -> Result<Erased> {
        let (file, _) = self.read()?;
        let mut scopes: Vec<String> =
            file.auths.keys().chain(file.cred_helpers.keys()).map(|key| scope_of(key)).collect();
        scopes.sort();
        scopes.dedup();
        let mut erased = Erased::default();
        for scope in scopes {
            let one = self.erase(&scope, patience)?;
            erased.servers += one.servers;
            erased.notes.extend(one.notes);
        }
        erased.notes.dedup();
        Ok(erased)
    }

    /// The name of an entry.
    fn key_of(&self, scope: &str) -> String {
        match self.style {
            Style::Docker if scope == DOCKER_HUB => server_name(scope).to_owned(),
            _ => scope.to_owned(),
        }
    }

    /// What the file says, and its text; both are empty when it is not there.
    fn read(&self) -> Result<(credentials::File, String)> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            fs::File::open(&self.path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = if_absent(read()).at(&self.path, "cannot read the credentials in")?.unwrap_or_default();
        if bytes.len() as u64 > FILE_MAX {
            return Err(Error::invalid(format!("`{}` is larger than 1 MiB", self.path.display())));
        }
        let text = String::from_utf8(bytes).map_err(|_| self.damaged())?;
        if text.trim().is_empty() {
            return Ok((credentials::File::default(), String::new()));
        }
        let file = crate::oci::document::from_slice(text.as_bytes()).map_err(|_| self.damaged())?;
        Ok((file, text))
    }

    /// serde's message could quote a secret.
    fn damaged(&self) -> Error {
        Error::invalid(format!("`{}` is not a JSON file with credentials", self.path.display()))
            .hint("repair it or move it away, then try again: nothing of it was changed")
    }

    /// Changes the entries of the file, and says what is odd about it.
    fn change(&self, change: impl FnOnce(&mut Object) -> Result<()>) -> Result<Vec<String>> {
        let target = real_path(&self.path).at(&self.path, "cannot find")?;
        if let Some(parent) = target.parent() {
            private_dir(parent)?;
        }
        let _lock = Lock::wait(&self.lock, Mode::Exclusive)?;
        let notes = self.oddities(&target)?;
        let (_, text) = self.read()?;
        let changed = edit(&text, change).map_err(|error| match error.kind() {
            Kind::Invalid => self.damaged(),
            _ => error,
        })?;
        if changed != text {
            publish::file(&target, changed.as_bytes(), Durability::Durable)?;
        }
        Ok(notes)
    }

    fn oddities(&self, target: &Path) -> Result<Vec<String>> {
        let Some(metadata) = if_absent(fs::metadata(target)).at(target, "cannot examine")? else {
            return Ok(Vec::new());
        };
        let shown = target.display();
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(Error::new(Kind::Denied, format!("`{shown}` belongs to another user"))
                .hint("credentials are only stored in a file of your own; --authfile names another one"));
        }
        Ok(match metadata.mode() & 0o777 {
            mode if mode & 0o022 != 0 => {
                vec![format!(
                    "others could write to `{shown}` (mode {mode:o}): look whether its entries are yours. It is closed to them now."
                )]
            }
            mode if mode & 0o044 != 0 => {
                vec![format!(
                    "others could read `{shown}` (mode {mode:o}): change the passwords in it. It is closed to them now."
                )]
            }
            _ => Vec::new(),
        })
    }
}

/// Where a file is in the end, whether it is there or not.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => Ok(path.parent().unwrap_or(Path::new("/")).join(target)),
            Err(_) => Ok(path.to_owned()),
        },
        found => found,
    }
}

/// A JSON object whose values are kept as they are written.
#[derive(Debug, Default)]
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// One step of indentation where a file shows none: docker's and podman's.
const INDENT: &str = "\t";

impl Object {
    /// As text, `depth` objects deep.
    fn render(&self, indent: &str, depth: usize) -> Result<String> {
        if self.0.is_empty() {
            return Ok("{}".into());
        }
        let mut members = Vec::new();
        for (key, value) in &self.0 {
            let key = serde_json::to_string(key).context(|| "cannot write a key")?;
            members.push(format!("{}{key}: {}", indent.repeat(depth + 1), value.get()));
        }
        Ok(format!("{{\n{}\n{}}}", members.join(",\n"), indent.repeat(depth)))
    }

    /// As a value of another object.
    fn raw(&self, depth: usize) -> Result<Box<RawValue>> {
        raw(self.render(INDENT, depth)?)
    }
}

fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).context(|| "cannot write a value")
}

fn raw_text(text: &str) -> Result<Box<RawValue>> {
    raw(serde_json::to_string(text).context(|| "cannot write a text")?)
}

/// The text of a file after a change of its `auths`.
fn edit(text: &str, change: impl FnOnce(&mut Object) -> Result<()>) -> Result<String> {
    let parse =
        |text: &str| serde_json::from_str::<Object>(text).map_err(|_| Error::invalid("it is not an object of JSON"));
    let mut top = if text.trim().is_empty() { Object::default() } else { parse(text)? };
    let indent = indentation(text).unwrap_or(INDENT);
    // Go reads keys in any case.
    let at = top.0.iter().position(|(key, _)| key.eq_ignore_ascii_case("auths"));
    let mut auths = match at.map(|at| top.0[at].1.get()) {
        None | Some("null") => Object::default(),
        Some(auths) => parse(auths)?,
    };
    change(&mut auths)?;
    let auths = raw(auths.render(indent, 1)?)?;
    match at {
        Some(at) => top.0[at].1 = auths,
        None => top.0.insert(0, ("auths".into(), auths)),
    }
    let end = if text.ends_with('\n') { "\n" } else { "" };
    Ok(format!("{}{end}", top.render(indent, 0)?))
}

/// What stands before the first key on its line.
fn indentation(text: &str) -> Option<&str> {
    let inside = text.trim_start().strip_prefix('{')?.trim_start_matches([' ', '\r']).strip_prefix('\n')?;
    let width = inside.find(|c| c != ' ' && c != '\t')?;
    Some(&inside[..width]).filter(|indent| !indent.is_empty())
}

/// The user's name; docker's word for it where there is only a token.
pub fn user_of(credentials: &Credentials) -> &str {
    match credentials {
        Credentials::Password { user, .. } => user,
        Credentials::IdentityToken(_) | Credentials::RegistryToken(_) => credential_helper::TOKEN_USER,
    }
}

/// A registry as typed for a login: `host[:port][/path]`, without docker's decoration. `whole_hosts`: docker knows hosts
/// only, and a path is left out.
pub fn scope_of_server(server: &str, whole_hosts: bool) -> Result<String> {
    let scope = scope_of(server.trim());
    let host = scope.split('/').next().unwrap_or_default();
    let plain = scope.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/[]".contains(&b));
    if host.is_empty() || !plain {
        return Err(Error::usage(format!("`{}` is not a registry", text::clean(server)))
            .hint("a registry is HOST[:PORT], as in `quay.io` or `localhost:5000`"));
    }
    Ok(if whole_hosts { host.to_owned() } else { scope })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const PATIENCE: Duration = Duration::from_secs(5);

    fn file(scratch: &Staging, style: Style) -> AuthFile {
        AuthFile { path: scratch.path().join("dir/auth.json"), style, lock: scratch.path().join("lock") }
    }

    fn scratch() -> Staging {
        Staging::new(&std::env::temp_dir()).unwrap()
    }

    #[test]
    fn a_new_file_is_dockers_and_podmans_alike() {
        let scratch = scratch();
        let docker = file(&scratch, Style::Docker);
        docker.store("docker.io", "u", "p", PATIENCE).unwrap();
        let expected =
            "{\n\t\"auths\": {\n\t\t\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"dTpw\"\n\t\t}\n\t}\n}";
        assert_eq!(fs::read_to_string(&docker.path).unwrap(), expected);
        assert_eq!(fs::metadata(&docker.path).unwrap().mode() & 0o777, 0o600);
        let found = credentials::find(&[&docker.path], "docker.io", "library/x", PATIENCE).unwrap();
        assert_eq!(found.credentials, Some(Credentials::Password { user: "u".into(), password: "p".into() }));
        let podman = AuthFile { path: scratch.path().join("dir/other.json"), style: Style::Containers, ..docker };
        podman.store("docker.io", "u", "p", PATIENCE).unwrap();
        assert!(fs::read_to_string(&podman.path).unwrap().contains("\"docker.io\": {"));
    }

    #[test]
    fn what_is_not_meant_keeps_its_place_and_look() {
        let before = "{\n  \"psFormat\": \"table {{.ID}}\\u0041\",\n  \"auths\": {\n    \"quay.io\": {\"auth\":\"eDp5\",   \"email\": null},\n    \"https://index.docker.io/v1/\": {}\n  },\n  \"big\": 12345678901234567890123,\n  \"psFormat\": 2\n}\n";
        let scratch = scratch();
        let file = file(&scratch, Style::Docker);
        fs::create_dir(file.path.parent().unwrap()).unwrap();
        fs::write(&file.path, before).unwrap();
        fs::set_permissions(&file.path, fs::Permissions::from_mode(0o600)).unwrap();
        file.store("h:5000", "u", "p", PATIENCE).unwrap();
        let after = fs::read_to_string(&file.path).unwrap();
        for kept in [
            "  \"psFormat\": \"table {{.ID}}\\u0041\",\n",
            "    \"quay.io\": {\"auth\":\"eDp5\",   \"email\": null},\n",
            "  \"big\": 12345678901234567890123,\n  \"psFormat\": 2\n}\n",
        ] {
            assert!(after.contains(kept), "{after}");
        }
        assert_eq!(file.erase("h:5000", PATIENCE).unwrap().servers, 1);
        assert_eq!(fs::read_to_string(&file.path).unwrap(), before);
        assert_eq!(file.erase("h:5000", PATIENCE).unwrap(), Erased::default());
        assert_eq!(file.erase("docker.io", PATIENCE).unwrap().servers, 1);
        assert_eq!(file.erase_all(PATIENCE).unwrap().servers, 1);
        assert!(fs::read_to_string(&file.path).unwrap().contains("\"auths\": {},\n"));
    }

    #[test]
    fn a_login_replaces_all_names_of_its_server() {
        let text = edit(r#"{"auths":{"http://h/v1/":{},"h":{},"h/x":{}}}"#, |auths| {
            auths.0.retain(|(key, _)| scope_of(key) != "h");
            Ok(())
        });
        assert_eq!(text.unwrap(), "{\n\t\"auths\": {\n\t\t\"h/x\": {}\n\t}\n}");
    }

    #[test]
    fn links_stay_and_foreign_or_open_files_are_told() {
        let scratch = scratch();
        let file = file(&scratch, Style::Containers);
        fs::create_dir(file.path.parent().unwrap()).unwrap();
        symlink("../real.json", &file.path).unwrap();
        // The link leads nowhere yet.
        file.store("h.io", "u", "p", PATIENCE).unwrap();
        let real = scratch.path().join("real.json");
        assert!(fs::symlink_metadata(&file.path).unwrap().is_symlink() && real.exists());
        for (mode, words) in [(0o666, "could write"), (0o644, "could read"), (0o600, "")] {
            fs::set_permissions(&real, fs::Permissions::from_mode(mode)).unwrap();
            let notes = file.store("h.io", "u", &mode.to_string(), PATIENCE).unwrap().notes.join(" ");
            assert!(notes.contains(words) && (words.is_empty() == notes.is_empty()), "{notes}");
            assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o600);
            assert!(fs::symlink_metadata(&file.path).unwrap().is_symlink());
        }
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&real, Some(12345), None).unwrap();
            let error = file.store("h.io", "u", "p", PATIENCE).unwrap_err();
            assert_eq!(error.kind(), Kind::Denied);
        }
    }

    #[test]
    fn a_damaged_file_is_left_alone_and_its_secrets_are_not_shown() {
        let scratch = scratch();
        let file = file(&scratch, Style::Docker);
        fs::create_dir(file.path.parent().unwrap()).unwrap();
        for damaged in ["{\"auths\": {\"h\": {\"auth\": \"c2VjcmV0\"", "[]", "{\"auths\": [\"c2VjcmV0\"]}"] {
            fs::write(&file.path, damaged).unwrap();
            let error = file.store("h.io", "u", "hunter2", PATIENCE).unwrap_err();
            assert!(!error.chain().contains("c2Vj") && !error.chain().contains("hunter2"), "{}", error.chain());
            assert_eq!(fs::read_to_string(&file.path).unwrap(), damaged);
        }
    }

    #[test]
    fn servers_are_normalised() {
        for (typed, whole, expected) in [
            ("docker.io", true, Some("docker.io")),
            ("https://index.docker.io/v1/", false, Some("docker.io")),
            ("registry-1.docker.io", true, Some("docker.io")),
            ("https://quay.io/v2/", false, Some("quay.io")),
            ("localhost:5000/", false, Some("localhost:5000")),
            ("quay.io/team", false, Some("quay.io/team")),
            ("quay.io/team", true, Some("quay.io")),
            ("[::1]:5000", true, Some("[::1]:5000")),
            ("", true, None),
            ("h\u{1b}[31m", true, None),
            ("user:pass@host", true, None),
        ] {
            assert_eq!(scope_of_server(typed, whole).ok().as_deref(), expected, "{typed}");
        }
    }
}
