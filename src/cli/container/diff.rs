//! `diff`, `container diff` and `image diff`.

use clap::Args;
use serde::Serialize;

use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::files::diff::{self, Change, ChangeKind};

/// `container diff`.
pub const CONTAINER: Verb = Verb {
    name: "diff",
    about: "Show what a container has changed in its files",
    usage: "CONTAINER",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ContainerArguments::augment_args,
    run: |context, matches| {
        let ContainerArguments { format, container } = typed(matches)?;
        show(context, format.as_deref(), |engine| diff::container(engine, &container))
    },
};

/// `diff`: podman's takes images, too.
pub const VERB: Verb = Verb {
    run: |context, matches| {
        let ContainerArguments { format, container } = typed(matches)?;
        show(context, format.as_deref(), |engine| match context.persona {
            Persona::Docker => diff::container(engine, &container),
            _ => diff::either(engine, &container),
        })
    },
    ..CONTAINER
};

/// `image diff`.
pub const IMAGE: Verb = Verb {
    about: "Show what an image changes over another one, or its last layer over those below",
    usage: "IMAGE [IMAGE]",
    arity: (1, Some(2)),
    arguments: ImageArguments::augment_args,
    run: |context, matches| {
        let ImageArguments { format, image, other } = typed(matches)?;
        show(context, format.as_deref(), |engine| diff::image(engine, &image, other.as_deref()))
    },
    ..CONTAINER
};

/// Arguments of `diff`.
#[derive(Debug, Clone, Args)]
struct ContainerArguments {
    /// Format of the list: 'json'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
}

/// Arguments of `image diff`.
#[derive(Debug, Clone, Args)]
struct ImageArguments {
    /// Format of the list: 'json'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Name or ID
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
    /// The image to compare with
    #[arg(value_name = "OTHER")]
    other: Option<String>,
}

fn show(
    context: &Context,
    format: Option<&str>,
    list: impl FnOnce(&crate::engine::Engine) -> Result<Vec<Change>>,
) -> Result<u8> {
    let json = match format {
        None | Some("") => false,
        Some("json") => true,
        Some(_) => return Err(Error::usage("only supported value for '--format' is 'json'")),
    };
    let changes = list(&context.engine()?)?;
    match json {
        true => context.ui.text(&Report::of(&changes).json()?),
        false => context.ui.text(&lines(&changes)),
    }
    .map(|()| 0)
}

/// A name of the container: on a line, it must not begin another.
fn shown(path: &[u8]) -> String {
    text::clean(&String::from_utf8_lossy(path)).into_owned()
}

fn lines(changes: &[Change]) -> String {
    let line = |change: &Change| {
        let kind = match change.kind {
            ChangeKind::Modified => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        format!("{kind} {}\n", shown(&change.path))
    };
    changes.iter().map(line).collect()
}

/// podman's JSON.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    added: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deleted: Vec<String>,
}

impl Report {
    fn of(changes: &[Change]) -> Self {
        let of = |kind| {
            let paths = changes.iter().filter(|change| change.kind == kind);
            paths.map(|change| String::from_utf8_lossy(&change.path).into_owned()).collect()
        };
        Self { changed: of(ChangeKind::Modified), added: of(ChangeKind::Added), deleted: of(ChangeKind::Deleted) }
    }

    fn json(&self) -> Result<String> {
        Ok(format!("{}\n", serde_json::to_string_pretty(self).context(|| "cannot show the changes")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_without_escapes() {
        let change = |path: &[u8], kind| Change { path: path.to_vec(), kind };
        let changes = [
            change(b"/a", ChangeKind::Modified),
            change(b"/a/b\nD /etc", ChangeKind::Added),
            change(b"/a/\x1b[2J", ChangeKind::Deleted),
        ];
        let text = lines(&changes);
        assert_eq!((text.lines().count(), text.contains('\x1b')), (3, false), "{text}");
        assert_eq!(text, "C /a\nA /a/b\\u{a}D /etc\nD /a/\\u{1b}[2J\n");
        let json = serde_json::to_string(&Report::of(&changes[..1])).unwrap();
        assert_eq!(json, r#"{"changed":["/a"]}"#);
    }
}
