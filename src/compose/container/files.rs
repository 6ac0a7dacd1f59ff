//! Secrets and configs of a service: files of the host are bound read-only, as docker does; contents, variables, and files
//! that are to have an owner or a mode of their own are copied into the container before it starts.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::host_path;
use crate::base::{Error, Result, text};
use crate::compose::node::Node;
use crate::compose::project::Project;
use crate::compose::read::{placed, text as text_at};
use crate::spec::secret::{self, SecretRequest};

/// Where secrets are, if nothing else is said.
const SECRETS: &str = "/run/secrets/";
/// Where configs are.
const CONFIGS: &str = "/";
/// The mode of what is copied.
const MODE: u32 = 0o444;

/// A file of the host in the container.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed {
    /// On the host.
    pub source: PathBuf,
    /// In the container, absolute.
    pub target: String,
}

/// What a file that is copied into the container has in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This text.
    Text(String),
    /// What is in this file of the host.
    File(PathBuf),
}

/// A file that is copied into the container before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    /// Absolute.
    pub target: String,
    /// The owner, in the container.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The permissions.
    pub mode: u32,
    /// What is in it.
    pub content: Content,
}

/// The kinds: the key of a service and of the project, the directory, and the word in messages.
const KINDS: [(&str, &str, &str); 2] = [("secrets", SECRETS, "secret"), ("configs", CONFIGS, "config")];

/// The files of the host that are bound.
pub fn binds(project: &Project, service: &Node) -> Result<Vec<Placed>> {
    let mut found = Vec::new();
    for_each(project, service, &mut |given, definition, target, _| {
        if let (Some(file), false) = (text_at(definition, "file"), is_copied(given)) {
            found.push(Placed { source: host_path(project, &file), target });
        }
        Ok(())
    })?;
    Ok(found)
}

/// What is copied into the container before it starts.
///
/// # Errors
///
/// When a variable that a secret is made of is not set, or an owner or a mode is none.
pub fn injected(project: &Project, service: &Node) -> Result<Vec<Injected>> {
    let mut found = Vec::new();
    for_each(project, service, &mut |given, definition, target, word| {
        let name = given.text_of("source").unwrap_or_default();
        let content =
            match (text_at(definition, "file"), definition.text_of("content"), text_at(definition, "environment")) {
                (Some(_), ..) if !is_copied(given) => return Ok(()),
                (Some(file), ..) => Content::File(host_path(project, &file)),
                (None, Some(content), _) => Content::Text(content.to_owned()),
                (None, None, Some(variable)) => match project.variables.get(&variable) {
                    Some(value) => Content::Text(value.clone()),
                    None => {
                        return Err(definition.place.invalid(format!(
                            "environment variable {variable:?} required by {word} {name:?} is not set"
                        )));
                    }
                },
                (None, None, None) => return Ok(()),
            };
        let id = |key: &str| -> Result<u32> {
            let Some(given) = text_at(given, key) else { return Ok(0) };
            given.parse().map_err(|_| Error::usage(format!("{key}: `{}` is no number", text::clean(&given))))
        };
        let mode = match text_at(given, "mode") {
            Some(mode) => u32::from_str_radix(mode.trim_start_matches("0o"), 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)
                .ok_or_else(|| Error::usage(format!("mode: `{}` is no mode of a file", text::clean(&mode))))?,
            None => MODE,
        };
        found.push(Injected { target, uid: id("uid")?, gid: id("gid")?, mode, content });
        Ok(())
    })?;
    Ok(found)
}

/// A digest of everything that is copied; none where nothing is. `read` gives the contents of files.
pub fn digest(files: &[Injected], read: &dyn Fn(&std::path::Path) -> Result<Vec<u8>>) -> Result<Option<String>> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    for file in files {
        let content = match &file.content {
            Content::Text(text) => text.clone().into_bytes(),
            Content::File(path) => read(path)?,
        };
        let head = format!("{}\0{}:{}:{:o}:{}\0", file.target, file.uid, file.gid, file.mode, content.len());
        hash.update(head.as_bytes());
        hash.update(&content);
    }
    Ok(Some(crate::base::id::hex(&hash.finalize())))
}

/// The secrets that coracle keeps (`external: true`).
///
/// # Errors
///
/// With the place of what is no secret.
pub fn kept(project: &Project, service: &Node) -> Result<Vec<SecretRequest>> {
    let mut found = Vec::new();
    for given in service.get("secrets").map(Node::items).unwrap_or_default() {
        let definition = given.text_of("source").and_then(|source| project.model.get("secrets")?.get(source));
        let Some(definition) = definition.filter(|definition| definition.is_true("external")) else { continue };
        let source = given.text_of("source").unwrap_or_default();
        let mut words = vec![text_at(definition, "name").unwrap_or_else(|| source.to_owned())];
        words.push(format!("target={}", text_at(given, "target").unwrap_or_else(|| source.to_owned())));
        words.extend(["uid", "gid", "mode"].iter().filter_map(|key| Some(format!("{key}={}", text_at(given, key)?))));
        found.extend(secret::all(&[words.join(",")]).map_err(|error| placed(given, "secrets", &error))?);
    }
    Ok(found)
}

fn is_copied(given: &Node) -> bool {
    ["uid", "gid", "mode"].iter().any(|key| text_at(given, key).is_some())
}

/// Calls `work` for every secret and config of a service with the service's and the project's entry, its place in the container and
/// its kind.
fn for_each(
    project: &Project,
    service: &Node,
    work: &mut dyn FnMut(&Node, &Node, String, &str) -> Result<()>,
) -> Result<()> {
    for (kind, directory, word) in KINDS {
        for given in service.get(kind).map(Node::items).unwrap_or_default() {
            let Some(source) = given.text_of("source") else { continue };
            let Some(definition) = project.model.get(kind).and_then(|all| all.get(source)) else { continue };
            let refuse = |what: &str| definition.place.invalid(format!("{word} `{}`: {what}", text::clean(source)));
            if definition.is_true("external") && kind == "secrets" {
                continue;
            }
            if definition.is_true("external") {
                return Err(refuse(&format!("unsupported external {word}"))
                    .hint("give its content with `file`, `environment` or `content`"));
            }
            for key in ["driver", "driver_opts", "template_driver"] {
                if text_at(definition, key).is_some() {
                    return Err(refuse(&format!("`{key}` is for Swarm")));
                }
            }
            let target = match text_at(given, "target") {
                Some(target) if target.starts_with('/') => target,
                Some(target) => format!("{directory}{target}"),
                None => format!("{directory}{source}"),
            };
            work(given, definition, target, word)?;
        }
    }
    Ok(())
}
