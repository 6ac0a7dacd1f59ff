//! Volumes, mounts, networks and user namespaces: keys whose values may name other Quadlet files or paths beside this one.

use super::{CommandLine, Converter};
use crate::base::text;
use crate::spec::csv;
use crate::units::unit_file::Place;
use crate::units::words::{self, Escapes};

impl Converter<'_> {
    /// `Volume=`.
    pub fn volumes(&mut self, line: &mut CommandLine) {
        for entry in self.lines("Volume") {
            let place = entry.place.clone();
            let (source, rest) = match entry.value.split_once(':') {
                Some(("", rest)) => (None, rest),
                Some((source, rest)) => (Some(source), rest),
                None => (None, entry.value.as_str()),
            };
            match source {
                None => line.flag(place, &["-v", rest]),
                Some(source) => {
                    if let Some(source) = self.storage_source(place.clone(), source, &[".volume", ".artifact"]) {
                        line.flag(place, &["-v", &format!("{source}:{rest}")]);
                    }
                }
            }
        }
    }

    /// `Mount=`.
    pub fn mounts(&mut self, line: &mut CommandLine) {
        for (mount, place) in self.words("Mount", Escapes::Read) {
            let fields = match csv::fields(&mount) {
                Ok(fields) => fields,
                Err(error) => {
                    self.wrong(place, error.chain());
                    continue;
                }
            };
            let kind = fields.iter().rev().find_map(|field| field.strip_prefix("type=")).unwrap_or("volume").to_owned();
            if !["volume", "bind", "glob", "image", "artifact"].contains(&kind.as_str()) {
                line.flag(place, &["--mount", &mount]);
                continue;
            }
            let mut whole = vec![format!("type={kind}")];
            let mut resolved = true;
            for field in fields.into_iter().filter(|field| !field.starts_with("type=")) {
                let source = field.strip_prefix("source=").or_else(|| field.strip_prefix("src="));
                match source {
                    None => whole.push(field),
                    Some(source) => {
                        match self.storage_source(place.clone(), source, &[".volume", ".image", ".artifact"]) {
                            Some(source) => whole.push(format!("source={source}")),
                            None => resolved = false,
                        }
                    }
                }
            }
            if kind != "volume" && resolved && !whole.iter().any(|field| field.starts_with("source=")) {
                self.wrong(place.clone(), format!("a mount of type `{}` needs a source=", text::clean(&kind)));
            }
            line.flag(place, &["--mount", &joined(&whole)]);
        }
    }

    /// The source of a mount: a path, a file of Quadlet with one of these endings, or a name.
    fn storage_source(&mut self, place: Option<Place>, source: &str, files: &[&str]) -> Option<String> {
        if source.is_empty() {
            self.wrong(place, "the source of a mount is empty");
            return None;
        }
        if source.starts_with('.') || source.starts_with('/') {
            let source = if source.starts_with('.') { self.absolute(source) } else { source.to_owned() };
            self.unit.add("Unit", "RequiresMountsFor", words::quote(&source));
            return Some(source);
        }
        if files.iter().any(|ending| source.ends_with(ending)) {
            return self.require(place, source);
        }
        Some(source.to_owned())
    }

    /// `Network=`.
    pub fn networks(&mut self, line: &mut CommandLine) {
        for entry in self.lines("Network") {
            let place = entry.place.clone();
            let value = entry.value.as_str();
            let (name, options) = value.split_once(':').map_or((value, None), |(name, rest)| (name, Some(rest)));
            let container = name.ends_with(".container");
            if !container && !name.ends_with(".network") {
                line.flag(place, &["--network", value]);
                continue;
            }
            if container && options.is_some() {
                self.wrong(place, "the network of another container takes no options");
                continue;
            }
            let Some(resource) = self.require(place.clone(), name) else { continue };
            let network = match (container, options) {
                (true, _) => format!("container:{resource}"),
                (false, Some(options)) => format!("{resource}:{options}"),
                (false, None) => resource,
            };
            line.flag(place, &["--network", &network]);
        }
    }

    /// `Image=` of a container or volume: a name, or a `.image` or `.build` file.
    pub fn image_source(&mut self, image: &str) -> Option<String> {
        match image.ends_with(".image") || image.ends_with(".build") {
            true => self.require(self.place("Image"), image),
            false => Some(image.to_owned()),
        }
    }

    /// The deprecated `Remap…` keys. The others about user namespaces are in the table.
    pub fn remapped_users(&mut self, line: &mut CommandLine) {
        let current = ["UserNS", "UIDMap", "GIDMap", "SubUIDMap", "SubGIDMap"];
        let explicit = current.iter().any(|key| self.filled(key).is_some());
        let old = ["RemapUid", "RemapGid", "RemapUsers"].into_iter().find(|key| self.filled(key).is_some());
        if let (true, Some(old)) = (explicit, old) {
            self.wrong(self.place(old), format!("`{old}` and the keys that replace it cannot be used together"));
            return;
        }
        let (uids, gids) = (self.words("RemapUid", Escapes::Keep), self.words("RemapGid", Escapes::Keep));
        let place = self.place("RemapUsers");
        let pair = |name: &str, maps: &[(String, Option<Place>)]| -> Vec<String> {
            maps.iter().map(|(map, _)| format!("{name}={map}")).collect()
        };
        let kind = match self.filled("RemapUsers") {
            None if uids.is_empty() && gids.is_empty() => return,
            None => return self.wrong(self.place("RemapUid").or(self.place("RemapGid")), "RemapUsers= is missing"),
            Some("manual") if line.verb != ["kube", "play"] => {
                uids.iter().for_each(|(map, place)| line.flag(place.clone(), &["--uidmap", map]));
                gids.iter().for_each(|(map, place)| line.flag(place.clone(), &["--gidmap", map]));
                return;
            }
            Some(kind) => kind.to_owned(),
        };
        let options = match kind.as_str() {
            "auto" => {
                let size = self.filled("RemapUidSize").filter(|size| *size != "0").map(|size| format!("size={size}"));
                pair("uidmapping", &uids).into_iter().chain(pair("gidmapping", &gids)).chain(size).collect::<Vec<_>>()
            }
            "keep-id" if uids.len() > 1 || gids.len() > 1 => {
                return self.wrong(place, "RemapUsers=keep-id takes one RemapUid and one RemapGid");
            }
            "keep-id" => [pair("uid", &uids), pair("gid", &gids)].concat(),
            other => return self.wrong(place, format!("unknown RemapUsers `{}`", text::clean(other))),
        };
        let value = if options.is_empty() { kind } else { format!("{kind}:{}", options.join(",")) };
        line.flag(place, &["--userns", &value]);
    }
}

/// Fields of comma-separated values, quoted where a comma or quote would divide them.
fn joined(fields: &[String]) -> String {
    let quoted = |field: &String| match field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.clone(),
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(",")
}
