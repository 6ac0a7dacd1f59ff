//! `tag` and `untag`: names are given to images and taken away. The images stay.

use super::{Engine, image_name};
use crate::base::{Error, Result, text};
use crate::oci::Reference;
use crate::spec::events::Action;
use crate::store::{ImageRecord, Store};

/// Gives the image `name` (a name or an id) further names. All are read before the first is given.
pub fn tag(engine: &Engine, name: &str, targets: &[String]) -> Result<()> {
    let store = engine.store()?;
    let targets = targets.iter().map(|target| target_of(target)).collect::<Result<Vec<_>>>()?;
    // Held from the look at the image until it has the names: nobody removes it meanwhile.
    let lock = store.lock_shared()?;
    let image = image(engine, &store, name)?;
    targets.iter().try_for_each(|target| {
        store.tag(&lock, target, &image)?;
        engine.tell_of_image(Action::Tag, &image.id.to_string(), &target.familiar());
        Ok(())
    })
}

fn target_of(target: &str) -> Result<Reference> {
    let reference: Reference = target.parse()?;
    match reference.digest() {
        Some(_) => Err(Error::usage("refusing to create a tag with a digest reference")),
        None => Ok(reference),
    }
}

/// Takes names away from an image: all when none is given. Returns them.
pub fn untag(engine: &Engine, name: &str, names: &[String]) -> Result<Vec<Reference>> {
    let store = engine.store()?;
    let lock = store.lock_exclusive()?;
    let image = image(engine, &store, name)?;
    let own = store.names_of(&image.id)?;
    let mut wanted = Vec::new();
    for name in names {
        let reference = match image_name::find(engine, &store, name)? {
            Some((found, Some(reference))) if found.id == image.id => reference,
            _ => name.parse()?,
        };
        if !own.contains(&reference) {
            return Err(Error::not_found(format!(
                "`{}` is not a name of the image `{}`",
                reference.familiar(),
                image.id.short()
            )));
        }
        wanted.push(reference);
    }
    let gone = if names.is_empty() { own } else { wanted };
    for reference in &gone {
        store.untag(&lock, reference)?;
        engine.tell_of_image(Action::Untag, &image.id.to_string(), &reference.familiar());
    }
    Ok(gone)
}

fn image(engine: &Engine, store: &Store, name: &str) -> Result<ImageRecord> {
    image_name::lookup(engine, store, name)?.ok_or_else(|| {
        Error::not_found(format!("no such image: `{}`", text::clean(name)))
            .hint("`coracle images` lists the images there are")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Kind;
    use crate::engine::fixtures;

    #[test]
    fn names_come_and_go_and_the_image_stays() {
        let (engine, _scratch) = fixtures::engine();
        let image = fixtures::image(&engine, "one", &["one:latest"]);
        let names = || -> Vec<String> {
            engine.store().unwrap().names_of(&image.id).unwrap().iter().map(Reference::familiar).collect()
        };
        tag(&engine, "one", &["h.io/two:2".into(), "three".into()]).unwrap();
        assert_eq!(names(), ["one:latest", "three:latest", "h.io/two:2"]);
        tag(&engine, image.id.hex(), &["four".into()]).unwrap();
        let digest = format!("five@{}", image.id);
        for bad in [digest.as_str(), "UPPER", ""] {
            assert!(tag(&engine, "one", &["six".into(), bad.into()]).is_err(), "{bad}");
        }
        assert!(!names().contains(&"six:latest".into()), "all or none");
        assert_eq!(tag(&engine, "absent", &["x".into()]).unwrap_err().kind(), Kind::NotFound);

        assert_eq!(untag(&engine, "one", &["three".into()]).unwrap().len(), 1);
        let other = fixtures::image(&engine, "other", &["other:latest"]);
        assert_eq!(untag(&engine, "one", &["other".into()]).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(engine.store().unwrap().names_of(&other.id).unwrap().len(), 1);
        assert_eq!(untag(&engine, "one", &[]).unwrap().len(), 3);
        assert!(names().is_empty());
        assert!(engine.store().unwrap().image(&image.id).unwrap().is_some());
    }

    #[test]
    fn a_tag_that_another_image_had_moves() {
        let (engine, _scratch) = fixtures::engine();
        let old = fixtures::image(&engine, "old", &["app:latest"]);
        let new = fixtures::image(&engine, "new", &["next:latest"]);
        tag(&engine, "next", &["app".into()]).unwrap();
        let store = engine.store().unwrap();
        assert_eq!(store.lookup("app").unwrap().unwrap().id, new.id);
        assert!(store.names_of(&old.id).unwrap().is_empty());
    }
}
