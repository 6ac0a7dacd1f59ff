//! Images for several platforms under one name: a list that is here, and is pushed as an index.

use super::request::BuildRequest;
use crate::base::Result;
use crate::engine::Engine;
use crate::engine::lists::{self, Look, NewList};
use crate::oci::{Digest, Platform};
use crate::store::ImageRecord;

/// Makes the list of each name when there are several platforms, and adds the images to those of `--manifest`. Returns the
/// digest of the last one.
pub fn put(engine: &Engine, request: &BuildRequest, images: &[(Platform, ImageRecord)]) -> Result<Option<Digest>> {
    let images: Vec<String> = images.iter().map(|(_, image)| image.id.to_string()).collect();
    let mut digest = None;
    if images.len() > 1 {
        for name in &request.names {
            let name = name.to_string();
            // A list of this name is of an earlier build.
            if lists::exists(engine, &name)? {
                lists::delete(engine, &name)?;
            }
            let new = NewList { images: images.clone(), ..NewList::default() };
            digest = Some(lists::create(engine, &name, &new, Look::Here)?.1);
        }
    }
    for name in &request.lists {
        let new = NewList { images: images.clone(), amend: true, ..NewList::default() };
        digest = Some(lists::create(engine, &name.to_string(), &new, Look::Here)?.1);
    }
    Ok(digest)
}
