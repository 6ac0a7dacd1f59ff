//! Secrets on disk: the only writer of their records and values.
//!
//! # Format
//!
//! ```text
//! <data>/secrets/ID/secret.json            what it is; immutable
//!                  /value                  its value, mode 0600; immutable
//! <data>/secrets.lock                      alone for who makes or removes secrets
//! <data>/containers/ID/secrets/ID          the value that a container was created with, mode 0600
//! ```
//!
//! # Life
//!
//! A secret is staged with its value and published under its id; under the lock its name is nobody else's. A new value
//! of the name is a new secret, which is published before the old one is discarded: after a kill between the two there
//! are two of the name, of which the one that was updated last counts, and the next change of the name takes the others
//! away. A container has a copy of the values that it was created with, which goes with it: changing or removing a secret
//! changes no container.

use std::fs;
use std::path::PathBuf;

use super::events::Journal;
use super::record::check_format;
use crate::base::error::if_absent;
use crate::base::id::random_hex;
use crate::base::lock::{Lock, Mode};
use crate::base::publish::{self, Durability, Staging};
use crate::base::{ContainerId, Error, Paths, Result, ResultExt, failpoint, paths, text, time};
use crate::spec::container::ContainerConfig;
use crate::spec::events::{Action, Event, Subject};
use crate::spec::secret::{self, FORMAT, Secret, SecretUse, Value};

/// The record of a secret.
const RECORD: &str = "secret.json";
/// Its value.
const VALUE: &str = "value";
/// The values of a container, in its directory.
pub(super) const OF_CONTAINER: &str = "secrets";

/// podman's length of an id.
const ID_LENGTH: usize = 25;

/// The secrets of one user.
#[derive(Debug, Clone)]
pub struct Secrets {
    paths: Paths,
}

/// What to do with a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is an error.
    Refuse,
    /// The secret that is there stays.
    Keep,
    /// It gets the new value.
    Replace,
}

impl Secrets {
    /// The secrets below `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// Makes a secret. The id of what has the name afterwards.
    pub fn create(&self, wanted: Secret, value: &Value, taken: Taken) -> Result<Secret> {
        secret::check_name(&wanted.name)?;
        self.paths.ensure()?;
        let _lock = self.lock()?;
        let old: Vec<Secret> = self.list_all()?.0.into_iter().filter(|secret| secret.name == wanted.name).collect();
        let newest = old.iter().max_by_key(|secret| secret.updated);
        let created = match (newest, taken) {
            (None, _) => wanted.created,
            (Some(secret), Taken::Replace) => secret.created,
            (Some(secret), Taken::Keep) => return Ok(secret.clone()),
            (Some(secret), Taken::Refuse) => {
                return Err(Error::conflict(format!("{}: secret name in use", secret.name))
                    .hint("`--replace` gives it a new value"));
            }
        };
        let made = Secret { created, ..wanted };
        let staging = Staging::new(&self.paths.staging())?;
        publish::file(&staging.path().join(VALUE), value.bytes(), Durability::Durable)?;
        publish::json(&staging.path().join(RECORD), &made, Durability::Durable)?;
        failpoint::here("secret.create.staged")?;
        if staging.publish(&self.directory(&made.id), Durability::Durable)?.is_none() {
            return Err(Error::conflict(format!("a secret with the id {} exists already", made.id)));
        }
        failpoint::here("secret.create.published")?;
        for secret in old {
            self.discard(&secret)?;
        }
        self.tell(Action::Create, &made);
        Ok(made)
    }

    /// A record for a new secret.
    pub fn record(name: &str) -> Result<Secret> {
        let now = time::now();
        let id = random_hex()?.chars().take(ID_LENGTH).collect();
        Ok(Secret { format: FORMAT, id, name: name.to_owned(), created: now, updated: now, labels: Default::default() })
    }

    /// All secrets, one for each name, and what is wrong with those that cannot be read.
    pub fn list(&self) -> Result<(Vec<Secret>, Vec<Error>)> {
        let (mut secrets, broken) = self.list_all()?;
        secrets.sort_by(|a, b| a.name.cmp(&b.name).then(b.updated.cmp(&a.updated)));
        secrets.dedup_by(|later, kept| later.name == kept.name);
        Ok((secrets, broken))
    }

    /// With those that were replaced, should somebody have been killed meanwhile.
    fn list_all(&self) -> Result<(Vec<Secret>, Vec<Error>)> {
        let directory = self.paths.secrets();
        let (mut secrets, mut broken) = (Vec::<Secret>::new(), Vec::new());
        let entries =
            if_absent(fs::read_dir(&directory)).at(&directory, "cannot list")?.into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path().join(RECORD);
            match publish::read_json::<Secret>(&path) {
                Ok(Some(secret)) => {
                    match check_format(secret.format, FORMAT, || format!("secret `{}`", text::clean(&secret.name))) {
                        Ok(()) => secrets.push(secret),
                        Err(error) => broken.push(error),
                    }
                }
                Ok(None) => {}
                Err(error) => broken.push(error),
            }
        }
        Ok((secrets, broken))
    }

    /// The secret of a name, an id or the unambiguous beginning of one.
    pub fn find(&self, given: &str) -> Result<Secret> {
        let (secrets, _) = self.list()?;
        let shown = text::clean(given);
        let exact = |secret: &&Secret| secret.name == given || secret.id == given;
        if let Some(secret) = secrets.iter().filter(exact).max_by_key(|secret| (secret.name == given, secret.updated)) {
            return Ok(secret.clone());
        }
        let mut fitting = secrets.into_iter().filter(|secret| !given.is_empty() && secret.id.starts_with(given));
        match (fitting.next(), fitting.next()) {
            (Some(secret), None) => Ok(secret),
            (Some(_), Some(_)) => Err(Error::usage(format!("more than one result secret with prefix {shown}"))
                .hint("give more digits, or the name")),
            (None, _) => Err(Error::not_found(format!("no secret with name or id \"{shown}\": no such secret"))
                .hint("`coracle secret ls` lists the secrets there are")),
        }
    }

    /// The value of a secret.
    pub fn value(&self, secret: &Secret) -> Result<Value> {
        let path = self.directory(&secret.id).join(VALUE);
        Value::new(fs::read(&path).at(&path, "cannot read")?)
    }

    /// Removes a secret. Containers that were created with it keep it.
    pub fn remove(&self, secret: &Secret) -> Result<()> {
        let _lock = self.lock()?;
        let of_name = self.list_all()?.0.into_iter().filter(|other| other.name == secret.name);
        let mut found = false;
        for other in of_name {
            found |= other.id == secret.id;
            self.discard(&other)?;
        }
        match found {
            true => {
                self.tell(Action::Destroy, secret);
                Ok(())
            }
            false => Err(Error::not_found(format!("no secret with name or id \"{}\": no such secret", secret.id))),
        }
    }

    /// Takes it out of everybody's sight, and its value off the disk.
    fn discard(&self, secret: &Secret) -> Result<()> {
        publish::discard(&self.directory(&secret.id), &self.paths.trash(), Durability::Durable)?;
        failpoint::here("secret.remove.discarded")?;
        // What cannot be removed now (trees of other ids) is not of secrets.
        let _ = publish::empty_trash(&self.paths.trash());
        Ok(())
    }

    fn tell(&self, action: Action, secret: &Secret) {
        let event = Event::new(Subject::Secret, action, &secret.id).with("name", &secret.name);
        Journal::new(&self.paths).record(event);
    }

    fn directory(&self, id: &str) -> PathBuf {
        self.paths.secrets().join(id)
    }

    fn lock(&self) -> Result<Lock> {
        paths::private_dir(&self.paths.secrets())?;
        Lock::wait(&self.paths.secrets().with_extension("lock"), Mode::Exclusive)
    }
}

/// The value that a container was created with.
pub fn of_container(paths: &Paths, id: &ContainerId, used: &SecretUse) -> Result<Value> {
    let path = paths.container(id).join(OF_CONTAINER).join(&used.id);
    let failed = || format!("cannot read the secret `{}` of the container", text::clean(&used.name));
    fs::read(&path).context(failed).and_then(|bytes| Value::new(bytes).context(failed))
}

/// `NAME=value` for each secret that a container has as a variable.
pub fn variables(paths: &Paths, config: &ContainerConfig) -> Result<Vec<String>> {
    let mut variables = Vec::new();
    for used in &config.secrets {
        if matches!(used.exposure, secret::Exposure::Env { .. }) {
            let value = of_container(paths, &config.id, used)?;
            variables.extend(secret::variable(used, value.bytes())?);
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::base::Kind;

    fn secrets() -> (Secrets, Staging) {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let below = |name: &str| scratch.path().join(name);
        let paths = Paths { data: below("d"), runtime: below("r"), config: below("c"), home: below("h") };
        (Secrets::new(&paths), scratch)
    }

    fn value(text: &str) -> Value {
        Value::new(text.as_bytes().to_vec()).unwrap()
    }

    fn create(secrets: &Secrets, name: &str, text: &str, taken: Taken) -> Result<Secret> {
        secrets.create(Secrets::record(name).unwrap(), &value(text), taken)
    }

    #[test]
    fn a_secret_is_found_replaced_and_removed() {
        let (secrets, _scratch) = secrets();
        let first = create(&secrets, "key", "one", Taken::Refuse).unwrap();
        assert_eq!(first.id.len(), ID_LENGTH);
        let path = secrets.directory(&first.id).join(VALUE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(create(&secrets, "key", "two", Taken::Refuse).unwrap_err().kind(), Kind::Conflict);
        assert_eq!(create(&secrets, "key", "two", Taken::Keep).unwrap(), first);
        assert_eq!(secrets.value(&secrets.find("key").unwrap()).unwrap(), value("one"));
        let second = create(&secrets, "key", "two", Taken::Replace).unwrap();
        assert_eq!((second.created, second.id != first.id), (first.created, true));
        assert_eq!(secrets.value(&secrets.find("key").unwrap()).unwrap(), value("two"));
        assert_eq!(secrets.find(&second.id[..4]).unwrap(), second);
        assert!(secrets.find(&first.id).is_err() && !path.exists(), "the old value is gone");
        secrets.remove(&second).unwrap();
        assert_eq!(secrets.remove(&second).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(secrets.find("").unwrap_err().kind(), Kind::NotFound);
        assert_eq!(fs::read_dir(secrets.paths.secrets()).unwrap().count(), 0, "no value is left");
    }

    #[test]
    fn of_two_with_one_name_the_newer_counts_and_both_go() {
        let (secrets, _scratch) = secrets();
        let old = create(&secrets, "key", "one", Taken::Refuse).unwrap();
        let kept = fs::read(secrets.directory(&old.id).join(RECORD)).unwrap();
        let new = create(&secrets, "key", "two", Taken::Replace).unwrap();
        // As after a kill between the two steps.
        fs::create_dir(secrets.directory(&old.id)).unwrap();
        fs::write(secrets.directory(&old.id).join(RECORD), kept).unwrap();
        assert_eq!((secrets.find("key").unwrap(), secrets.list().unwrap().0.len()), (new.clone(), 1));
        secrets.remove(&new).unwrap();
        assert_eq!(secrets.list_all().unwrap().0, []);
        assert_eq!(fs::read_dir(secrets.paths.trash()).unwrap().count(), 0, "no value is left");
    }
}
