//! Pods on disk: the only writer of their records.
//!
//! # Format
//!
//! ```text
//! <data>/pods/NAME/pod.json   what it is; immutable
//! <data>/pods.lock            shared by who is making a container in a pod, alone for who removes a pod
//! ```
//!
//! # Life
//!
//! A pod is staged and published under its name, which makes it unique. Its containers are those whose records name it: a pod
//! has no list of them, so that the two can never differ. Whoever makes a container in a pod shares the lock from the moment
//! that the pod was found until the container's record is there; a pod is removed under the lock alone, and only when no
//! container names it any more. So no container is ever left without its pod.
//!
//! The infra container is in the pod's record in full. Publishing the record is the commit point of `pod create`: if that is
//! interrupted right after it, the next command that needs the infra container makes it.

use std::fs;
use std::path::PathBuf;

use super::Containers;
use super::events::Journal;
use super::record::check_format;
use crate::base::error::if_absent;
use crate::base::id::Name;
use crate::base::lock::{Lock, Mode};
use crate::base::publish::{self, Durability, Staging};
use crate::base::{Error, Paths, Result, ResultExt, failpoint, paths, text};
use crate::spec::container::Container;
use crate::spec::events::{Action, Event, Subject};
use crate::spec::pod::{FORMAT, Pod};

/// The record of a pod.
const RECORD: &str = "pod.json";

/// The pods of one user.
#[derive(Debug, Clone)]
pub struct Pods {
    paths: Paths,
}

impl Pods {
    /// The pods below `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// Keeps pods from being removed until the lock is dropped.
    pub fn hold(&self) -> Result<Lock> {
        self.lock(Mode::Shared)
    }

    /// Makes a pod exist. A conflict when there is one of its name already.
    pub fn create(&self, pod: &Pod) -> Result<()> {
        self.paths.ensure()?;
        paths::private_dir(&self.paths.pods())?;
        let staging = Staging::new(&self.paths.staging())?;
        publish::json(&staging.path().join(RECORD), pod, Durability::Durable)?;
        failpoint::here("pod.create.staged")?;
        match staging.publish(&self.directory(&pod.name), Durability::Durable)? {
            Some(_) => {
                failpoint::pass("pod.create.published");
                self.tell(Action::Create, pod);
                Ok(())
            }
            None => Err(Error::conflict(format!("the pod name `{}` is already in use", pod.name))
                .hint(format!("choose another name, or remove that pod: coracle pod rm {}", pod.name))),
        }
    }

    /// The pod of a name, an id or the unambiguous beginning of one.
    pub fn find(&self, given: &str) -> Result<Pod> {
        if let Ok(name) = given.parse::<Name>()
            && let Some(pod) = self.load(&name)?
        {
            return Ok(pod);
        }
        let is_prefix = !given.is_empty() && given.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut matches = match is_prefix {
            true => self.list()?.0.into_iter().filter(|pod| pod.id.as_str().starts_with(given)).collect(),
            false => Vec::new(),
        };
        match (matches.pop(), matches.len()) {
            (Some(pod), 0) => Ok(pod),
            (Some(_), _) => Err(Error::usage(format!("more than one pod id begins with `{given}`"))
                .hint("give more digits, or the name")),
            (None, _) => Err(Error::not_found(format!("no such pod: `{}`", text::clean(given)))
                .hint("`coracle pod ps` lists the pods there are")),
        }
    }

    fn load(&self, name: &Name) -> Result<Option<Pod>> {
        let path = self.directory(name).join(RECORD);
        let Some(bytes) = if_absent(fs::read(&path)).at(&path, "cannot read")? else { return Ok(None) };
        let pod: Pod = serde_json::from_slice(&bytes).at(&path, "cannot understand the record")?;
        check_format(pod.format, FORMAT, || format!("pod `{name}`"))?;
        Ok(Some(pod))
    }

    /// All pods, oldest first, and what is wrong with those that cannot be read.
    pub fn list(&self) -> Result<(Vec<Pod>, Vec<Error>)> {
        let directory = self.paths.pods();
        let (mut pods, mut broken) = (Vec::new(), Vec::new());
        for entry in if_absent(fs::read_dir(&directory)).at(&directory, "cannot list")?.into_iter().flatten().flatten()
        {
            let Some(name) = entry.file_name().to_str().and_then(|name| name.parse::<Name>().ok()) else { continue };
            match self.load(&name) {
                Ok(pod) => pods.extend(pod),
                Err(error) => broken.push(error),
            }
        }
        pods.sort_by(|a, b| (a.created, a.id.as_str()).cmp(&(b.created, b.id.as_str())));
        Ok((pods, broken))
    }

    /// The containers of a pod, oldest first. One whose record cannot be read may be among them: that is an error.
    pub fn containers(&self, pod: &Pod) -> Result<Vec<Container>> {
        let mut found = Vec::new();
        for container in Containers::new(&self.paths).list()? {
            let container = container.context(|| format!("cannot tell which containers pod `{}` has", pod.name))?;
            if container.config.pod.as_ref().is_some_and(|membership| membership.pod == pod.id) {
                found.push(container);
            }
        }
        found.reverse();
        Ok(found)
    }

    /// Removes a pod that has no container any more. False while it has one.
    pub fn remove(&self, pod: &Pod) -> Result<bool> {
        let _lock = self.lock(Mode::Exclusive)?;
        failpoint::here("pod.remove.locked")?;
        if !self.containers(pod)?.is_empty() {
            return Ok(false);
        }
        // One of the same name that was made meanwhile is not the one that is meant.
        if self.load(&pod.name)?.is_some_and(|now| now.id == pod.id)
            && publish::discard(&self.directory(&pod.name), &self.paths.trash(), Durability::Durable)?
        {
            self.tell(Action::Destroy, pod);
        }
        Ok(true)
    }

    /// Records that something has happened to a pod.
    pub fn tell(&self, action: Action, pod: &Pod) {
        let event = Event::new(Subject::Pod, action, &pod.id).with("name", &pod.name);
        Journal::new(&self.paths).record(Event { labels: pod.labels.clone(), ..event });
    }

    fn directory(&self, name: &Name) -> PathBuf {
        self.paths.pods().join(name.as_str())
    }

    fn lock(&self, mode: Mode) -> Result<Lock> {
        self.paths.ensure()?;
        Lock::wait(&self.paths.pods().with_extension("lock"), mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ContainerId, Kind};

    fn pod(name: &str, digit: &str) -> Pod {
        Pod {
            format: FORMAT,
            id: digit.repeat(64).parse::<ContainerId>().unwrap(),
            name: name.parse().unwrap(),
            created: jiff::Timestamp::UNIX_EPOCH,
            labels: Default::default(),
            share: Vec::new(),
            infra: None,
            exit_policy: Default::default(),
            restart: Default::default(),
        }
    }

    #[test]
    fn a_pod_is_made_once_found_and_removed() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let below = |name: &str| scratch.path().join(name);
        let paths = Paths { data: below("d"), runtime: below("r"), config: below("c"), home: below("h") };
        let pods = Pods::new(&paths);
        assert!(pods.list().unwrap().0.is_empty());
        let (web, db) = (pod("web", "a"), pod("db", "b"));
        pods.create(&web).unwrap();
        pods.create(&db).unwrap();
        assert_eq!(pods.create(&pod("web", "c")).unwrap_err().kind(), Kind::Conflict);
        assert_eq!(pods.find("web").unwrap(), web);
        assert_eq!(pods.find("bbb").unwrap(), db);
        for absent in ["", "nosuch", "../web", "c"] {
            assert_eq!(pods.find(absent).unwrap_err().kind(), Kind::NotFound, "{absent}");
        }
        assert!(pods.remove(&pod("web", "c")).unwrap());
        assert_eq!(pods.find("web").unwrap(), web, "another one of its name stays");
        assert!(pods.remove(&web).unwrap());
        assert_eq!(pods.list().unwrap().0, [db]);
        fs::write(paths.pods().join("db").join(RECORD), "{").unwrap();
        assert_eq!(pods.list().unwrap().1.len(), 1);
    }

    /// What was written once is read for ever.
    #[test]
    fn a_record_of_the_first_format() {
        let text = r#"{"format":1,"id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","name":"web",
            "created":"1970-01-01T00:00:00Z","share":["uts","net"],"exit_policy":"stop","restart":"always"}"#;
        let read: Pod = serde_json::from_str(text).unwrap();
        assert_eq!((read.name.as_str(), read.exit_policy.word(), read.restart.name()), ("web", "stop", "always"));
        assert!(read.share.len() == 2 && read.infra.is_none());
    }
}
