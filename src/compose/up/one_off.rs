//! `run`: one more container of a service, for one command.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Making, Up};
use crate::base::id::{Name, random_hex};
use crate::base::{Result, ResultExt};
use crate::compose::container::{self as service, Instance, Other};
use crate::compose::labels::{self, Identity};
use crate::compose::node::Node;
use crate::compose::report::Event;
use crate::engine::request::CreateRequest;

/// What is asked of the container.
#[derive(Debug, Clone, Default)]
pub struct OneOff {
    /// The service, with what the options change of it.
    pub service: String,
    /// `--name`.
    pub name: Option<String>,
    /// It goes with its end.
    pub remove: bool,
    /// It is known by the service's names.
    pub use_aliases: bool,
    /// Its number in docker compose's own words is none: what tells it apart is this.
    pub slug: String,
}

impl Up<'_> {
    /// The request for the container, whose service is `node`. What it needs has been made by [`Up::create`].
    ///
    /// # Errors
    ///
    /// What cannot be done.
    pub fn one_off(
        &self,
        node: &Node,
        one_off: &OneOff,
        image: &str,
    ) -> Result<(CreateRequest, Vec<service::Injected>)> {
        service::refused::check(self.project)?;
        let existing = self.existing()?;
        let (images, files) = (BTreeMap::new(), BTreeMap::new());
        let making = Making { existing: &existing, images: &images, files: &files, made: Mutex::default() };
        let injected = service::injected(self.project, node)?;
        let identity = Identity {
            number: None,
            slug: Some(one_off.slug.clone()),
            image: image.to_owned(),
            files: service::digest(&injected, &super::container::read_file)?,
            replaces: None,
        };
        let short = one_off.slug.get(..12).unwrap_or(&one_off.slug);
        let usual = format!("{}-{}-run-{short}", self.project.name, one_off.service);
        let others = |other: Other<'_>| self.other(&making, other);
        let instance = Instance {
            service: &one_off.service,
            name: one_off.name.clone().unwrap_or(usual).parse::<Name>()?,
            labels: labels::of_container(self.project, &one_off.service, node, &identity),
            has_aliases: one_off.use_aliases,
            remove: one_off.remove,
            others: &others,
            inherited: &[],
            volume_names: &|| random_hex()?.parse(),
            profile: &|file| {
                let path = self.project.directory.join(file);
                std::fs::read_to_string(&path).at(&path, "cannot read the seccomp profile")
            },
        };
        let request = service::request(self.project, node, &instance, self.usual)?;
        Ok((request, injected))
    }

    /// The id of the image of the service, which is pulled or built if it must be.
    ///
    /// # Errors
    ///
    /// When it cannot be had.
    pub fn image_of(&self, service: &str) -> Result<String> {
        let images = self.images(&[service.to_owned()])?;
        Ok(images.get(service).cloned().unwrap_or_default())
    }

    /// Makes the networks and volumes of the project.
    ///
    /// # Errors
    ///
    /// The first that cannot be made.
    pub fn make_resources(&self) -> Result<()> {
        self.resources(&self.existing()?).map(drop)
    }

    /// Tells of the container.
    pub fn event(&self, name: &str) -> Event<'_> {
        Event::container(self.report, name)
    }
}
