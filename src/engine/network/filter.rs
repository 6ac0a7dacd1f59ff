//! `--filter` of `network ls` and `network prune`.

use jiff::Timestamp;

use super::Known;
use crate::base::{Error, Result, text};
use crate::engine::pattern::Pattern;

/// Which networks are meant. Values of one key are alternatives, but all labels must fit; different keys must all fit.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    drivers: Vec<String>,
    ids: Vec<String>,
    names: Vec<Pattern>,
    labels: Vec<(String, Option<String>)>,
    /// `label!=`.
    others: Vec<(String, Option<String>)>,
    scopes: Vec<String>,
    /// True for those that users made.
    custom: Vec<bool>,
    dangling: Option<bool>,
    until: Option<Timestamp>,
}

impl Filters {
    /// The keys of `network ls`.
    pub const LIST: &[&str] = &["driver", "id", "name", "label", "scope", "type", "dangling", "until"];
    /// The keys of `network prune`.
    pub const PRUNE: &[&str] = &["label", "until"];

    /// Adds one `key=value`, whose key must be among `keys`. `time` reads a point in time.
    pub fn add(&mut self, filter: &str, keys: &[&str], time: &dyn Fn(&str) -> Result<Timestamp>) -> Result<()> {
        let (key, value) = filter.split_once('=').ok_or_else(|| {
            Error::usage(format!("bad format of filter `{}` (expected name=value)", text::clean(filter)))
        })?;
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        let plain = key.strip_suffix('!').filter(|key| *key == "label");
        if !keys.contains(&plain.unwrap_or(&key)) {
            return Err(Error::usage(format!("invalid filter `{}`", text::clean(&key)))
                .hint(format!("known are {}", keys.join(", "))));
        }
        let wrong = || Error::usage(format!("invalid filter `{key}={}`", text::clean(value)));
        let label = || match value.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (value.to_owned(), None),
        };
        match key.as_str() {
            "driver" => self.drivers.push(value.into()),
            "id" => self.ids.push(value.into()),
            "name" => self.names.push(Pattern::parse(value)?),
            "label" => self.labels.push(label()),
            "label!" => self.others.push(label()),
            "scope" => self.scopes.push(value.into()),
            "type" => self.custom.push(match value {
                "custom" => true,
                "builtin" => false,
                _ => return Err(wrong().hint("it is custom or builtin")),
            }),
            "dangling" => {
                self.dangling = Some(match value {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(wrong()),
                });
            }
            "until" => self.until = Some(time(value)?),
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Whether a network is meant; `used` finds out whether any container has it.
    pub fn fit(&self, known: &Known, used: impl FnOnce() -> bool) -> bool {
        let is_labelled = |(name, wanted): &(String, Option<String>)| {
            let value = known.network.as_ref().and_then(|network| network.labels.get(name));
            value.is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
        };
        let any = |values: &[String], fits: &dyn Fn(&String) -> bool| values.is_empty() || values.iter().any(fits);
        any(&self.drivers, &|driver| driver == known.driver)
            && any(&self.ids, &|id| known.id.contains(id.as_str()))
            && any(&self.scopes, &|scope| scope == "local")
            && (self.names.is_empty() || self.names.iter().any(|pattern| pattern.is_in(&known.name)))
            && self.labels.iter().all(is_labelled)
            && !self.others.iter().any(is_labelled)
            && (self.custom.is_empty() || self.custom.contains(&!known.is_builtin()))
            && self.until.is_none_or(|until| known.created < until)
            && self.dangling.is_none_or(|dangling| dangling != (known.is_builtin() || used()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::engine::network::{all, find};
    use crate::net::networks::{Networks, NewNetwork};

    #[test]
    fn filters_are_dockers() {
        let (engine, _scratch) = fixtures::engine();
        let networks = Networks::new(&engine.paths);
        let new = |name: &str, labels: &[(&str, &str)]| NewNetwork {
            labels: labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            ..NewNetwork::named(name.parse().unwrap())
        };
        let front = networks.create(&new("front", &[("app", "shop"), ("tier", "web")])).unwrap();
        networks.create(&new("back", &[("app", "shop")])).unwrap();
        let by_id = format!("id={}", &front.id.as_str()[3..20]);
        let cases: &[(&[&str], &str)] = &[
            (&[], "back bridge front host none"),
            (&["driver=bridge"], "back bridge front"),
            (&["driver=null", "driver=host"], "host none"),
            (&[&by_id], "front"),
            (&["name=^b"], "back bridge"),
            (&["name=front", "name=none"], "front none"),
            (&["label=app"], "back front"),
            (&["label=app", "label=tier=web"], "front"),
            (&["label!=tier"], "back bridge host none"),
            (&["scope=local", "type=custom"], "back front"),
            (&["scope=swarm"], ""),
            (&["type=builtin"], "bridge host none"),
            (&["dangling=true"], "back"),
            (&["dangling=false"], "bridge front host none"),
            (&["until=past"], ""),
            (&["until=future", "type=custom"], "back front"),
        ];
        let time = |when: &str| Ok(if when == "past" { Timestamp::UNIX_EPOCH } else { Timestamp::MAX });
        for (given, expected) in cases {
            let mut filters = Filters::default();
            given.iter().try_for_each(|filter| filters.add(filter, Filters::LIST, &time)).unwrap();
            let mut names: Vec<String> = all(&engine)
                .unwrap()
                .0
                .into_iter()
                .filter(|known| filters.fit(known, || known.name == "front"))
                .map(|known| known.name)
                .collect();
            names.sort();
            assert_eq!(names.join(" "), *expected, "{given:?}");
        }
        for wrong in ["frob=1", "driver", "type=x", "dangling=x", "name=(", "name!=x"] {
            assert!(Filters::default().add(wrong, Filters::LIST, &time).is_err(), "{wrong}");
        }
        assert!(Filters::default().add("driver=bridge", Filters::PRUNE, &time).is_err());
        assert!(Filters::default().add("label!=a", Filters::PRUNE, &time).is_ok());
        assert!(find(&engine, "back").unwrap().network.is_some());
    }
}
