//! The short forms of ports, mounts, devices, secrets and configs of a service.

use super::node::{Map, Node, Value};
use super::shape::Element;

/// The most ports that one range may stand for.
const MAX_PORTS: u32 = 4096;

/// The long forms of an element.
pub fn parse(element: Element, text: &str, at: &Node) -> Result<Vec<Node>, String> {
    let one = |map: Vec<(&str, Value)>| Ok(vec![object(at, map)]);
    match element {
        Element::Port => ports(text, at),
        Element::Volume => volume(text, at).map(|volume| vec![volume]),
        Element::Secret | Element::Config => one(vec![("source", Value::Text(text.to_owned()))]),
        Element::Device => {
            let parts: Vec<&str> = text.split(':').collect();
            let (source, target, permissions) = match parts[..] {
                [source] => (source, source, "rwm"),
                [source, target] => (source, target, "rwm"),
                [source, target, permissions] => (source, target, permissions),
                _ => return Err(format!("confusing device mapping, please use long syntax: {text}")),
            };
            one(vec![
                ("source", Value::Text(source.to_owned())),
                ("target", Value::Text(target.to_owned())),
                ("permissions", Value::Text(permissions.to_owned())),
            ])
        }
    }
}

fn object(at: &Node, entries: Vec<(&str, Value)>) -> Node {
    let map: Map = entries.into_iter().map(|(key, value)| (key.to_owned(), at.with(value))).collect();
    at.with(Value::Map(map))
}

/// The element with what follows from the rest of it.
pub fn completed(element: Element, mut node: Node) -> Node {
    let text = |key: &str| node.text_of(key).map(str::to_owned);
    let added: Vec<(&str, String)> = match element {
        Element::Port => vec![("mode", "ingress".to_owned()), ("protocol", "tcp".to_owned())],
        Element::Secret => {
            text("source").map(|source| ("target", format!("/run/secrets/{source}"))).into_iter().collect()
        }
        Element::Device => {
            let target = text("source").map(|source| ("target", source));
            target.into_iter().chain([("permissions", "rwm".to_owned())]).collect()
        }
        Element::Volume | Element::Config => Vec::new(),
    };
    let at = node.clone();
    if let Some(map) = node.as_map_mut() {
        for (key, value) in added {
            map.entry(key.to_owned()).or_insert_with(|| at.text(value));
        }
    }
    node
}

/// What an element is the only one of: a later one replaces it.
pub fn identity(element: Element, item: &Node) -> Option<String> {
    let text = |key: &str| item.get(key).and_then(Node::scalar);
    match element {
        Element::Port => Some(format!(
            "{}:{}:{}/{}",
            text("host_ip").unwrap_or_else(|| "0.0.0.0".to_owned()),
            text("published").unwrap_or_default(),
            text("target")?,
            text("protocol").unwrap_or_default()
        )),
        Element::Volume | Element::Device => text("target"),
        Element::Secret => text("target"),
        Element::Config => text("target").or_else(|| text("source").map(|source| format!("/{source}"))),
    }
}

/// A port or a range of ports.
fn range(text: &str) -> Option<(u32, u32)> {
    let port = |text: &str| text.parse::<u16>().ok().map(u32::from);
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    (first <= last).then_some((first, last))
}

fn ports(text: &str, at: &Node) -> Result<Vec<Node>, String> {
    let (address, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("Invalid proto: {protocol}"));
    }
    let (front, container) = match address.rsplit_once(':') {
        Some((front, container)) => (Some(front), container),
        None => (None, address),
    };
    let (ip, host) = match front.map(|front| front.rsplit_once(':').unwrap_or(("", front))) {
        None => ("", ""),
        Some((ip, host)) => (ip, host),
    };
    let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("Invalid ip address: {ip}"));
    }
    if container.is_empty() {
        return Err(format!("No port specified: {text}<empty>"));
    }
    let (first, last) = range(container).ok_or_else(|| format!("Invalid containerPort: {container}"))?;
    let count = last - first + 1;
    if count > MAX_PORTS {
        return Err(format!("the range `{text}` has more than {MAX_PORTS} ports"));
    }
    let published = match host {
        "" => None,
        _ => Some(range(host).ok_or_else(|| format!("Invalid hostPort: {host}"))?),
    };
    if let Some((low, high)) = published
        && high - low + 1 != count
        && count != 1
    {
        return Err(format!("Invalid ranges specified for container and host Ports: {container} and {host}"));
    }
    let port = |index: u32| {
        let mut entries = vec![
            ("target", Value::Int(i64::from(first + index))),
            ("protocol", Value::Text(protocol.clone())),
            ("mode", Value::Text("ingress".to_owned())),
        ];
        if !ip.is_empty() {
            entries.push(("host_ip", Value::Text(ip.to_owned())));
        }
        match published {
            Some((low, high)) if count == 1 && high > low => entries.push(("published", Value::Text(host.to_owned()))),
            Some((low, _)) => entries.push(("published", Value::Text((low + index).to_string()))),
            None => {}
        }
        object(at, entries)
    };
    Ok((0..count).map(port).collect())
}

/// Whether a mount's source is a path rather than the name of a volume.
pub fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
}

/// The sections between colons. A single letter before the first colon is a drive of Windows and belongs to the path.
fn sections(text: &str) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for section in text.split(':') {
        match sections.last_mut() {
            Some(drive) if drive.len() == 1 && drive.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                drive.push(':');
                drive.push_str(section);
            }
            _ => sections.push(section.to_owned()),
        }
    }
    sections
}

fn volume(text: &str, at: &Node) -> Result<Node, String> {
    let sections = sections(text);
    if text.is_empty() {
        return Err("invalid empty volume spec".to_owned());
    }
    if sections.iter().any(String::is_empty) {
        return Err(format!("invalid spec: {text}: empty section between colons"));
    }
    let text_of = |text: &str| Value::Text(text.to_owned());
    let (source, target, options) = match &sections[..] {
        [target] => {
            let volume = object(at, Vec::new()).value;
            return Ok(object(
                at,
                vec![("type", text_of("volume")), ("target", text_of(&cleaned(target))), ("volume", volume)],
            ));
        }
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options.as_str()),
        _ => return Err(format!("invalid spec: {text}: too many colons")),
    };
    let is_bind = is_path(source) || sections.first().is_some_and(|first| first.as_bytes().get(1) == Some(&b':'));
    let mut entries = vec![
        ("type", text_of(if is_bind { "bind" } else { "volume" })),
        ("source", text_of(source)),
        ("target", text_of(&cleaned(target))),
    ];
    let mut more = Vec::new();
    if is_bind {
        more.push(("create_host_path", Value::Bool(true)));
    }
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => entries.push(("read_only", Value::Bool(true))),
            "nocopy" if !is_bind => more.push(("nocopy", Value::Bool(true))),
            "z" | "Z" if is_bind => more.push(("selinux", text_of(option))),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" if is_bind => {
                more.push(("propagation", text_of(option)));
            }
            _ => {}
        }
    }
    entries.push((if is_bind { "bind" } else { "volume" }, object(at, more).value));
    Ok(object(at, entries))
}

/// A path without repeated and trailing slashes and dots.
pub fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let is_absolute = path.starts_with('/');
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    match (is_absolute, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::yaml;

    fn shown(element: Element, text: &str) -> String {
        let at = yaml::read("f", "x").unwrap().pop().unwrap();
        let node = |node: &Node| {
            let entry = |(key, value): (&String, &Node)| match &value.value {
                Value::Map(map) => {
                    let inner: Vec<String> = map
                        .iter()
                        .map(|(key, value)| format!("{key}={}", value.scalar().unwrap_or_default()))
                        .collect();
                    format!("{key}=({})", inner.join(" "))
                }
                _ => format!("{key}={}", value.scalar().unwrap_or_default()),
            };
            let skipped = |key: &str| matches!(key, "mode");
            node.as_map().unwrap().iter().filter(|(key, _)| !skipped(key)).map(entry).collect::<Vec<_>>().join(" ")
        };
        match parse(element, text, &at) {
            Ok(nodes) => nodes.iter().map(node).collect::<Vec<_>>().join("; "),
            Err(reason) => format!("! {reason}"),
        }
    }

    #[test]
    fn ports() {
        for (text, expected) in [
            ("3000", "protocol=tcp target=3000"),
            ("3001-3002", "protocol=tcp target=3001; protocol=tcp target=3002"),
            ("[::1]:80:80/UDP", "host_ip=::1 protocol=udp published=80 target=80"),
            ("8000-8001:80", "protocol=tcp published=8000-8001 target=80"),
            ("1-2:3-4", "protocol=tcp published=1 target=3; protocol=tcp published=2 target=4"),
            ("127.0.0.1::80", "host_ip=127.0.0.1 protocol=tcp target=80"),
            ("a:b", "! Invalid containerPort: b"),
            ("99999:80", "! Invalid hostPort: 99999"),
            ("80:", "! No port specified: 80:<empty>"),
            ("1-3:4-5", "! Invalid ranges specified for container and host Ports: 4-5 and 1-3"),
            ("x:1:2", "! Invalid ip address: x"),
            ("1/icmp", "! Invalid proto: icmp"),
            ("1-65535", "! the range `1-65535` has more than 4096 ports"),
        ] {
            assert_eq!(shown(Element::Port, text), expected, "{text}");
        }
    }

    #[test]
    fn volumes() {
        for (text, expected) in [
            ("/anon", "target=/anon type=volume volume=()"),
            ("db:/x/", "source=db target=/x type=volume volume=()"),
            ("db:/x:nocopy,ro", "read_only=true source=db target=/x type=volume volume=(nocopy=true)"),
            ("./a:/b:rshared", "bind=(create_host_path=true propagation=rshared) source=./a target=/b type=bind"),
            ("v:/w:nocopy", "bind=(create_host_path=true) source=v:/w target=nocopy type=bind"),
            (":/x", "! invalid spec: :/x: empty section between colons"),
            ("ab:/b:ro:de", "! invalid spec: ab:/b:ro:de: too many colons"),
            ("", "! invalid empty volume spec"),
        ] {
            assert_eq!(shown(Element::Volume, text), expected, "{text}");
        }
        assert_eq!(shown(Element::Device, "/a:/b:r"), "permissions=r source=/a target=/b");
        assert!(shown(Element::Device, "a:b:c:d").starts_with("! confusing"));
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, expected) in [("/a//b/./c/../d/", "/a/b/d"), ("./a/..", "."), ("/..", "/"), ("../a", "../a")] {
            assert_eq!(cleaned(path), expected);
        }
    }
}
