//! `container prune`: containers that do not run go.

use jiff::Timestamp;

use super::remove::{Removal, remove};
use super::{Engine, usage};
use crate::base::{ContainerId, Kind, Result, ResultExt};
use crate::spec::filter::{Filter, Keys, Labels};
use crate::state::{Container, ContainerConfig};

/// Which containers may go, see [`crate::spec::filter`].
#[derive(Debug, Clone, Default)]
pub struct Filters {
    labels: Labels,
    until: Option<Timestamp>,
}

impl Filters {
    /// The keys of `container prune`.
    pub const PRUNE: Keys = Keys { known: &["label", "until"], excludable: &["label"] };

    /// Adds one `key=value`. `time` reads a point in time.
    pub fn add(&mut self, filter: &str, time: &dyn Fn(&str) -> Result<Timestamp>) -> Result<()> {
        let filter = Filter::parse(filter, &Self::PRUNE)?;
        match filter.key {
            "label" => self.labels.add(&filter),
            "until" => self.until = Some(time(&filter.value)?),
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }

    fn fit(&self, container: &Container) -> bool {
        !container.status.is_running()
            && self.labels.fit(&container.config.labels)
            && self.until.is_none_or(|until| container.config.created < until)
    }
}

/// Removes the containers that do not run and the filters allow. Their volumes stay. Returns their ids, and how many bytes
/// they had written, as far as that could be told.
pub fn prune(engine: &Engine, filters: &Filters) -> Result<(Vec<ContainerId>, u64)> {
    let mut stopped: Vec<Container> = engine.containers().list()?.into_iter().flatten().collect();
    stopped.retain(|container| filters.fit(container));
    let configs: Vec<&ContainerConfig> = stopped.iter().map(|container| &container.config).collect();
    let sizes = usage::sizes(engine, &configs)?;
    let names: Vec<String> = configs.iter().map(|config| config.id.to_string()).collect();
    let (mut removed, mut freed) = (Vec::new(), 0u64);
    for (result, size) in remove(engine, &names, Removal::default()).into_iter().zip(sizes) {
        match result {
            Ok(id) => {
                removed.push(id);
                freed = freed.saturating_add(size.map_or(0, |sizes| sizes.writable));
            }
            // Somebody has started it meanwhile, or removed it.
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => {}
            Err(error) => return Err(error).context(|| "cannot remove all stopped containers"),
        }
    }
    Ok((removed, freed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::state::Status;

    #[test]
    fn only_what_does_not_run_and_fits_goes() {
        let mut labelled = fixtures::container("a", 100, Status::Created);
        labelled.config.labels.insert("keep".into(), String::new());
        let running = fixtures::container("b", 100, Status::Running { started: Timestamp::UNIX_EPOCH, pid: 1 });
        let fits = |filters: &[&str], container: &Container| {
            let mut parsed = Filters::default();
            let time = |_: &str| Timestamp::from_second(200).map_err(|_| crate::base::Error::usage("no time"));
            filters.iter().for_each(|filter| parsed.add(filter, &time).unwrap());
            parsed.fit(container)
        };
        assert!(fits(&[], &labelled) && !fits(&[], &running));
        assert!(fits(&["label=keep"], &labelled) && !fits(&["label!=keep"], &labelled));
        assert!(fits(&["until=then"], &labelled));
        labelled.config.created = Timestamp::from_second(300).unwrap();
        assert!(!fits(&["until=then"], &labelled));
        assert!(Filters::default().add("name=x", &|_| Ok(Timestamp::UNIX_EPOCH)).is_err());
    }
}
