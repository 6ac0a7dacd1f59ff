//! Paths of a compose file, made absolute.

use super::elements::cleaned;
use super::node::{Node, Value};

/// Where relative paths of a file begin.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The project's directory, or that of the file which a service was taken from.
    pub directory: &'a str,
    /// The user's home directory, for `~`.
    pub home: Option<&'a str>,
}

impl Base<'_> {
    /// The absolute form of a path.
    pub fn absolute(self, path: &str) -> String {
        let after_home = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (after_home, self.home) {
            (Some(rest), Some(home)) => cleaned(&format!("{home}{rest}")),
            _ if path.starts_with('/') => cleaned(path),
            _ => cleaned(&format!("{}/{path}", self.directory)),
        }
    }

    fn resolve(self, node: Option<&mut Node>) {
        if let Some(Node { value: Value::Text(text), .. }) = node
            && !text.is_empty()
        {
            *text = self.absolute(text);
        }
    }

    fn resolve_context(self, node: Option<&mut Node>) {
        if let Some(node) = node.filter(|node| node.as_text().is_some_and(|text| !is_remote(text))) {
            self.resolve(Some(node));
        }
    }
}

/// Whether a build context is not a directory of this machine.
pub fn is_remote(context: &str) -> bool {
    const PREFIXES: &[&str] = &["https://", "http://", "git://", "ssh://", "github.com/", "git@", "service:"];
    PREFIXES.iter().any(|prefix| context.starts_with(prefix)) || context.contains("://")
}

fn child<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    node.as_map_mut()?.get_mut(key)
}

fn items<'a>(node: &'a mut Node, key: &str) -> impl Iterator<Item = &'a mut Node> {
    let items = child(node, key).and_then(|node| match &mut node.value {
        Value::List(items) => Some(items),
        _ => None,
    });
    items.into_iter().flatten()
}

fn values<'a>(node: &'a mut Node, key: &str) -> impl Iterator<Item = &'a mut Node> {
    child(node, key).and_then(Node::as_map_mut).into_iter().flat_map(|map| map.values_mut())
}

/// Makes the paths of a service absolute.
pub fn service(node: &mut Node, base: Base<'_>) {
    if let Some(build) = child(node, "build") {
        base.resolve_context(child(build, "context"));
        values(build, "additional_contexts").for_each(|context| base.resolve_context(Some(context)));
    }
    items(node, "env_file").for_each(|file| base.resolve(child(file, "path")));
    items(node, "label_file").for_each(|file| base.resolve(Some(file)));
    if let Some(develop) = child(node, "develop") {
        items(develop, "watch").for_each(|watch| base.resolve(child(watch, "path")));
    }
    for mount in items(node, "volumes").filter(|mount| mount.text_of("type") == Some("bind")) {
        let is_drive = |source: &str| source.as_bytes().get(1) == Some(&b':');
        if !mount.text_of("source").is_some_and(is_drive) {
            base.resolve(child(mount, "source"));
        }
    }
}

/// Makes all paths of a file absolute.
pub fn project(node: &mut Node, base: Base<'_>) {
    values(node, "services").for_each(|node| service(node, base));
    for kind in ["configs", "secrets"] {
        values(node, kind).for_each(|node| base.resolve(child(node, "file")));
    }
    for volume in values(node, "volumes") {
        let is_local = matches!(volume.text_of("driver"), None | Some("local"));
        let Some(options) = child(volume, "driver_opts").filter(|_| is_local) else { continue };
        let is_bind = options.text_of("o").is_some_and(|o| o.split(',').any(|option| option == "bind"));
        if is_bind {
            base.resolve(child(options, "device"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::yaml;

    #[test]
    fn paths_of_every_kind_become_absolute() {
        let source = concat!(
            "services: {a: {build: {context: ./c, additional_contexts: {d: ../d, i: 'docker-image://x'}},",
            " env_file: [{path: e}], volumes: [{type: bind, source: ~/h}, {type: volume, source: v}]}}\n",
            "secrets: {s: {file: f}}\nvolumes: {v: {driver_opts: {o: bind, device: q}}, w: {driver_opts: {device: q}}}\n",
        );
        let mut node = yaml::read("f", source).unwrap().pop().unwrap();
        project(&mut node, Base { directory: "/p", home: Some("/home/u") });
        let shown = format!("{node:?}");
        for expected in
            ["\"/p/c\"", "\"/d\"", "\"docker-image://x\"", "\"/p/e\"", "\"/home/u/h\"", "\"/p/f\"", "\"/p/q\""]
        {
            assert!(shown.contains(&format!("Text({expected})")), "{expected}");
        }
        assert!(shown.contains("Text(\"v\")") && shown.contains("Text(\"q\")"));
    }
}
