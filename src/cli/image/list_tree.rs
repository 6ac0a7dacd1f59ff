//! `images --tree`: each image with its names, and below it the platform that is here.

use crate::base::{Result, text};
use crate::engine::Engine;
use crate::engine::images::{NamedImage, content_size};
use crate::spec::units::human_size;

/// An image in the tree.
#[derive(Debug, PartialEq, Eq)]
pub struct Branch {
    /// In docker's short form, each with its tag or digest.
    names: Vec<String>,
    /// The first digits.
    id: String,
    platform: String,
    /// Bytes of the unpacked files.
    size: u64,
    /// Bytes in registries.
    content: Option<u64>,
    /// Whether a container was made from it.
    used: bool,
}

/// Brings rows together that are of one image.
pub fn branches(engine: &Engine, images: &[NamedImage]) -> Result<Vec<Branch>> {
    let mut branches: Vec<(&NamedImage, Branch)> = Vec::new();
    for image in images {
        let record = &image.record;
        let name = image.repository.as_ref().map(|repository| match (&image.tag, &image.digest) {
            (Some(tag), _) => format!("{repository}:{tag}"),
            (None, Some(digest)) => format!("{repository}@{digest}"),
            (None, None) => repository.clone(),
        });
        match branches.iter_mut().find(|(known, _)| known.record.id == record.id) {
            Some((_, branch)) => branch.names.extend(name),
            None => branches.push((
                image,
                Branch {
                    names: name.into_iter().collect(),
                    id: record.id.short().to_owned(),
                    platform: record.platform.to_string(),
                    size: record.size,
                    content: content_size(engine, record)?,
                    used: image.containers > 0,
                },
            )),
        }
    }
    Ok(branches.into_iter().map(|(_, branch)| branch).collect())
}

/// docker's picture. `U` marks images that containers use.
pub fn render(branches: &[Branch]) -> String {
    let mut rows = vec![["IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA"].map(String::from)];
    for branch in branches {
        let content = branch.content.map_or_else(|| "N/A".into(), human_size);
        let details =
            |id: &str, extra: &str| [id.to_owned(), human_size(branch.size), content.clone(), extra.to_owned()];
        let row = |name: &str, [id, size, content, extra]: [String; 4]| [name.to_owned(), id, size, content, extra];
        let names: Vec<String> = branch.names.iter().map(|name| text::clean(name).into_owned()).collect();
        let (last, before) =
            names.split_last().map_or(("<untagged>", &[][..]), |(last, before)| (last.as_str(), before));
        rows.extend(before.iter().map(|name| row(name, Default::default())));
        rows.push(row(last, details(&branch.id, if branch.used { "U" } else { "" })));
        rows.push(row(&format!("└─ {}", text::clean(&branch.platform)), details(&branch.id, "")));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1).max(12), width(2), width(3)];
    let line = |[name, id, size, content, extra]: &[String; 5]| {
        let [a, b, c, d] = widths;
        let line = format!("{name:<a$}   {id:<b$}   {size:>c$}   {content:>d$}   {extra}");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_dockers() {
        let branch = |names: &[&str], used, content| Branch {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            id: "0123456789ab".into(),
            platform: "linux/amd64".into(),
            size: 12_300_000,
            content,
            used,
        };
        let shown = render(&[branch(&["app:one", "app:\u{1b}two"], true, Some(4_000)), branch(&[], false, None)]);
        let expected = "\
IMAGE            ID             DISK USAGE   CONTENT SIZE   EXTRA
app:one
app:\\u{1b}two    0123456789ab       12.3MB            4kB   U
└─ linux/amd64   0123456789ab       12.3MB            4kB
<untagged>       0123456789ab       12.3MB            N/A
└─ linux/amd64   0123456789ab       12.3MB            N/A
";
        assert_eq!(shown, expected);
    }
}
