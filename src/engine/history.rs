//! `history`: the steps by which an image was built, the newest first, and what each added.

use jiff::Timestamp;

use super::{Engine, image_name};
use crate::base::{Error, Result, text};
use crate::oci::{Digest, ImageConfig, Platform, Reference};
use crate::store::ImageRecord;

/// A step of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The image, for the newest step; the others were images only where it was built.
    pub id: Option<Digest>,
    /// Names of that image.
    pub names: Vec<Reference>,
    /// When it was done.
    pub created: Option<Timestamp>,
    /// The command.
    pub created_by: String,
    /// Free text.
    pub comment: String,
    /// Bytes in regular files of the step's layer; 0 when it made none.
    pub size: u64,
}

/// The steps of the image `name`, which must be for `platform` if one is given.
pub fn history(engine: &Engine, name: &str, platform: Option<&Platform>) -> Result<Vec<Step>> {
    let store = engine.store()?;
    let image = image_name::lookup(engine, &store, name)?.ok_or_else(|| {
        Error::not_found(format!("no such image: `{}`", text::clean(name)))
            .hint("`coracle images` lists the images there are")
    })?;
    if let Some(wanted) = platform.filter(|wanted| !wanted.matches(&image.platform)) {
        return Err(Error::not_found(format!("the image is for `{}`, not for `{wanted}`", image.platform)));
    }
    let mut sizes = Vec::new();
    for layer in &image.layers {
        sizes.push(store.layer(layer)?.map_or(0, |layer| layer.size));
    }
    let names = store.names_of(&image.id)?.into_iter().filter(|name| name.digest().is_none()).collect();
    Ok(steps(&image, names, &store.image_config(&image)?, &sizes))
}

/// Pairs the steps that made layers with the layers, from the lowest on. Pure. Layers that no step tells of come last, as
/// steps of which nothing is known: tools that squash leave such.
fn steps(image: &ImageRecord, names: Vec<Reference>, config: &ImageConfig, sizes: &[u64]) -> Vec<Step> {
    let mut sizes = sizes.iter().copied();
    let mut steps: Vec<Step> = Vec::new();
    for step in &config.history {
        steps.push(Step {
            id: None,
            names: Vec::new(),
            created: step.created.as_deref().and_then(|created| created.parse().ok()),
            created_by: step.created_by.clone(),
            comment: step.comment.clone(),
            size: if step.empty_layer { 0 } else { sizes.next().unwrap_or(0) },
        });
    }
    steps.extend(sizes.map(|size| Step {
        id: None,
        names: Vec::new(),
        created: None,
        created_by: String::new(),
        comment: String::new(),
        size,
    }));
    steps.reverse();
    if let Some(newest) = steps.first_mut() {
        newest.id = Some(image.id.clone());
        newest.names = names;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::oci::config::History;

    #[test]
    fn steps_get_their_layers_and_the_newest_is_the_image() {
        let (engine, _scratch) = fixtures::engine();
        let image = fixtures::image(&engine, "a", &["app:v1"]);
        let step = |created_by: &str, empty_layer| History {
            created: Some("2026-11-21T09:30:00Z".into()),
            created_by: created_by.into(),
            empty_layer,
            ..History::default()
        };
        let config = ImageConfig {
            history: vec![step("ADD rootfs", false), step("ENV A=1", true), step("RUN make", false)],
            ..ImageConfig::default()
        };
        let shown = |sizes: &[u64]| -> Vec<String> {
            let steps = steps(&image, vec!["app:v1".parse().unwrap()], &config, sizes);
            let show =
                |step: &Step| format!("{} {} {} {}", step.id.is_some(), step.created_by, step.size, step.names.len());
            steps.iter().map(show).collect()
        };
        assert_eq!(shown(&[10, 20]), ["true RUN make 20 1", "false ENV A=1 0 0", "false ADD rootfs 10 0"]);
        assert_eq!(shown(&[10]), ["true RUN make 0 1", "false ENV A=1 0 0", "false ADD rootfs 10 0"]);
        assert_eq!(shown(&[1, 2, 3])[..2], ["true  3 1", "false RUN make 2 0"]);
        assert_eq!(history(&engine, "app:v1", None).unwrap().len(), 1);
        let other: Platform = "linux/mips".parse().unwrap();
        assert!(history(&engine, "app:v1", Some(&other)).is_err() && history(&engine, "absent", None).is_err());
    }
}
