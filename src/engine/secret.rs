//! `secret create`, `ls`, `inspect`, `rm` and `exists`, and the secrets of a new container.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Engine;
use super::request::CreateRequest;
use crate::base::{Error, Kind, Result, text, time};
use crate::spec::filter::{Any, Filter, Keys, Labels};
use crate::spec::pattern::Pattern;
use crate::spec::secret::{self, DRIVER, Exposure, Secret, SecretUse, Source, Value};
use crate::state::secrets::Secrets;

pub use crate::state::secrets::Taken;

/// A secret to make.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// `--driver`; empty for the only one.
    pub driver: String,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// What to do when the name is taken.
    pub taken: Taken,
}

/// Makes a secret, and returns the id of what has the name afterwards.
pub fn create(engine: &Engine, new: &NewSecret) -> Result<String> {
    if !matches!(new.driver.as_str(), "" | DRIVER) {
        return Err(Error::unsupported(format!("invalid driver `{}`", text::clean(&new.driver)))
            .hint("the only driver is file: values lie in files that only you can read"));
    }
    secret::check_name(&new.name)?;
    let record = Secret { labels: new.labels.clone(), ..Secrets::record(&new.name)? };
    Secrets::new(&engine.paths).create(record, &new.value, new.taken).map(|secret| secret.id)
}

/// Which secrets are meant, see [`crate::spec::filter`].
#[derive(Debug, Clone, Default)]
pub struct Filters {
    ids: Any<String>,
    names: Any<Pattern>,
    labels: Labels,
}

impl Filters {
    /// The keys of `secret ls`.
    pub const LIST: Keys = Keys { known: &["id", "label", "name"], excludable: &["label"] };

    /// Adds one `key=value`.
    pub fn add(&mut self, filter: &str) -> Result<()> {
        let filter = Filter::parse(filter, &Self::LIST)?;
        match filter.key {
            "id" => self.ids.push(filter.value),
            "name" => self.names.push(filter.pattern()?),
            "label" => self.labels.add(&filter),
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }

    fn fit(&self, secret: &Secret) -> bool {
        self.ids.fits(|id| secret.id.starts_with(id.as_str()))
            && self.names.are_in(&secret.name)
            && self.labels.fit(&secret.labels)
    }
}

/// A secret in the shape of podman's `secret inspect`, which is docker's with the driver in it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretReport {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    created_at: String,
    updated_at: String,
    spec: Spec,
    /// The value, if it was asked for; what is not UTF-8 in it is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_data: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    name: String,
    driver: Driver,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Driver {
    name: &'static str,
    options: BTreeMap<String, String>,
}

/// The secrets that fit, by name, and what cannot be read.
pub fn list(engine: &Engine, filters: &Filters) -> Result<(Vec<Secret>, Vec<Error>)> {
    let (mut found, broken) = Secrets::new(&engine.paths).list()?;
    found.retain(|secret| filters.fit(secret));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((found, broken))
}

/// One secret, by its name, its id or the beginning of that.
pub fn find(engine: &Engine, name: &str) -> Result<Secret> {
    Secrets::new(&engine.paths).find(name)
}

/// A secret as `inspect` shows it; with `value`, its value too.
pub fn inspect(engine: &Engine, name: &str, value: bool) -> Result<SecretReport> {
    let secret = find(engine, name)?;
    let value = match value {
        true => Some(Secrets::new(&engine.paths).value(&secret)?),
        false => None,
    };
    let path = engine.paths.secrets().display().to_string();
    Ok(SecretReport {
        id: secret.id,
        created_at: time::rfc3339(secret.created),
        updated_at: time::rfc3339(secret.updated),
        spec: Spec {
            name: secret.name,
            driver: Driver { name: DRIVER, options: [("path".to_owned(), path)].into() },
            labels: secret.labels,
        },
        secret_data: value.map(|value| String::from_utf8_lossy(value.bytes()).into_owned()),
    })
}

/// Removes a secret, and returns its id. Containers that have it keep it.
pub fn remove(engine: &Engine, name: &str) -> Result<String> {
    let secret = find(engine, name)?;
    Secrets::new(&engine.paths).remove(&secret)?;
    Ok(secret.id)
}

/// Whether there is such a secret.
pub fn exists(engine: &Engine, name: &str) -> Result<bool> {
    match find(engine, name) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The secrets of a new container, and their values in the same order.
pub(super) fn of_container(engine: &Engine, request: &CreateRequest) -> Result<(Vec<SecretUse>, Vec<Value>)> {
    let stored = Secrets::new(&engine.paths);
    let (mut uses, mut values) = (Vec::new(), Vec::new());
    for wanted in &request.secrets {
        let (record, value) = match &wanted.source {
            Source::Stored(name) => {
                let secret = stored.find(name)?;
                let value = stored.value(&secret)?;
                (secret, value)
            }
            Source::Given(name, value) => (Secrets::record(name)?, value.clone()),
        };
        let used = SecretUse { id: record.id, name: record.name, exposure: wanted.exposure.clone() };
        secret::variable(&used, value.bytes())?;
        if let Exposure::Mount { target, .. } = &used.exposure
            && request.storage.mounts.iter().any(|other| other.mount.target == *target)
        {
            return Err(Error::usage(format!("duplicate mount point: {}", text::clean(target))));
        }
        uses.push(used);
        values.push(value);
    }
    Ok((uses, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::spec::secret::SecretRequest;

    fn new(name: &str, value: &str) -> NewSecret {
        NewSecret {
            name: name.into(),
            value: Value::new(value.into()).unwrap(),
            driver: String::new(),
            labels: [("tier".to_owned(), name.to_owned())].into(),
            taken: Taken::Refuse,
        }
    }

    #[test]
    fn values_are_shown_to_who_asks_for_them_alone() {
        let (engine, _scratch) = fixtures::engine();
        let id = create(&engine, &new("key", "hush")).unwrap();
        let shown = |value| serde_json::to_value(inspect(&engine, "key", value).unwrap()).unwrap();
        assert_eq!((&shown(true)["SecretData"], &shown(true)["ID"]), (&"hush".into(), &id.as_str().into()));
        assert!(!shown(false).to_string().contains("hush"));
        assert_eq!(shown(false)["Spec"]["Driver"]["Name"], "file");
        assert!(exists(&engine, "key").unwrap() && !exists(&engine, "absent").unwrap());
        let other = NewSecret { driver: "pass".into(), ..new("x", "y") };
        assert_eq!(create(&engine, &other).unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(remove(&engine, &id[..6]).unwrap(), id);
        assert_eq!(remove(&engine, "key").unwrap_err().kind(), Kind::NotFound);
    }

    #[test]
    fn filters_select() {
        let (engine, _scratch) = fixtures::engine();
        for name in ["a10", "a2", "b"] {
            create(&engine, &new(name, "x")).unwrap();
        }
        let names = |given: &[&str]| -> Result<String> {
            let mut filters = Filters::default();
            given.iter().try_for_each(|filter| filters.add(filter))?;
            let listed = list(&engine, &filters)?.0;
            Ok(listed.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(names(&[]).unwrap(), "a10 a2 b");
        assert_eq!(names(&["name=a"]).unwrap(), "a10 a2");
        assert_eq!(names(&["label=tier=b"]).unwrap(), "b");
        assert!(names(&["driver=file"]).is_err());
    }

    #[test]
    fn a_container_gets_what_it_asks_for_at_places_that_are_free() {
        let (engine, _scratch) = fixtures::engine();
        create(&engine, &new("key", "hush")).unwrap();
        let wanted = |source| SecretRequest { source, exposure: Exposure::file("key").unwrap() };
        let given = Source::Given("mine".into(), Value::new(b"own".to_vec()).unwrap());
        let of = |source| {
            let request = CreateRequest { secrets: vec![wanted(source)], ..CreateRequest::default() };
            of_container(&engine, &request)
        };
        let (uses, values) = of(Source::Stored("key".into())).unwrap();
        assert_eq!((uses[0].name.as_str(), values[0].bytes()), ("key", &b"hush"[..]));
        assert_eq!(of(given).unwrap().1[0].bytes(), b"own");
        assert_eq!(of(Source::Stored("absent".into())).unwrap_err().kind(), Kind::NotFound);
    }
}
