//! `--filter` of `network ls` and `network prune`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Known;
use crate::base::Result;
use crate::spec::filter::{Any, Filter, Keys, Labels};
use crate::spec::pattern::Pattern;

/// Which networks are meant, see [`crate::spec::filter`].
#[derive(Debug, Clone, Default)]
pub struct Filters {
    drivers: Any<String>,
    ids: Any<String>,
    names: Any<Pattern>,
    labels: Labels,
    scopes: Any<String>,
    /// True for those that users made.
    custom: Any<bool>,
    dangling: Option<bool>,
    until: Option<Timestamp>,
}

impl Filters {
    /// The keys of `network ls`.
    pub const LIST: Keys = Keys {
        known: &["driver", "id", "name", "label", "scope", "type", "dangling", "until"],
        excludable: &["label"],
    };
    /// The keys of `network prune`.
    pub const PRUNE: Keys = Keys { known: &["label", "until"], excludable: &["label"] };

    /// Adds one `key=value`, whose key must be among `keys`. `time` reads a point in time.
    pub fn add(&mut self, filter: &str, keys: &Keys, time: &dyn Fn(&str) -> Result<Timestamp>) -> Result<()> {
        let filter = Filter::parse(filter, keys)?;
        match filter.key {
            "driver" => self.drivers.push(filter.value),
            "id" => self.ids.push(filter.value),
            "name" => self.names.push(filter.pattern()?),
            "label" => self.labels.add(&filter),
            "scope" => self.scopes.push(filter.value),
            "type" => self.custom.push(match filter.value.as_str() {
                "custom" => true,
                "builtin" => false,
                _ => return Err(filter.wrong().hint("it is custom or builtin")),
            }),
            "dangling" => self.dangling = Some(filter.switch()?),
            "until" => self.until = Some(time(&filter.value)?),
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }

    /// Whether a network is meant; `used` finds out whether any container has it.
    pub fn fit(&self, known: &Known, used: impl FnOnce() -> bool) -> bool {
        let none = BTreeMap::new();
        self.drivers.fits(|driver| *driver == known.driver)
            && self.ids.fits(|id| known.id.contains(id.as_str()))
            && self.scopes.fits(|scope| scope == "local")
            && self.names.are_in(&known.name)
            && self.labels.fit(known.network.as_ref().map_or(&none, |network| &network.labels))
            && self.custom.fits(|custom| *custom != known.is_builtin())
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
            given.iter().try_for_each(|filter| filters.add(filter, &Filters::LIST, &time)).unwrap();
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
            assert!(Filters::default().add(wrong, &Filters::LIST, &time).is_err(), "{wrong}");
        }
        assert!(Filters::default().add("driver=bridge", &Filters::PRUNE, &time).is_err());
        assert!(Filters::default().add("label!=a", &Filters::PRUNE, &time).is_ok());
        assert!(find(&engine, "back").unwrap().network.is_some());
    }
}
