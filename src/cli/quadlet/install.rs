//! `quadlet install`: copies Quadlet files into the directory that systemd's generator reads, after a check.
//!
//! What belongs together is remembered as podman does it: the files of a directory in `.NAME.app`, the other files of one
//! Quadlet file in `.NAME.container.asset`, one name on a line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{own_directory, shown};
use crate::base::error::if_absent;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::units::convert::Severity;
use crate::units::keys::FileType;
use crate::units::{sources, systemctl};

/// The command.
pub const VERB: Verb = Verb {
    name: "install",
    about: "Install Quadlet files for the user",
    usage: "FILE|DIRECTORY [FILE...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: InstallArguments::augment_args,
    run: |context, matches| install(context, &typed(matches)?),
};

/// Largest file beside the Quadlet files, in bytes: a configuration, not an image.
const ASSET_MAX: u64 = 16 << 20;
/// Most files at a time.
const FILES_MAX: usize = 1_000;

/// Arguments of `install`.
#[derive(Debug, Clone, Args)]
struct InstallArguments {
    /// Have systemd read the files
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    reload_systemd: bool,
    /// Replace files of the same name
    #[arg(short, long)]
    replace: bool,
    /// The Quadlet file, or a directory of files that belong together; and files that a Quadlet file needs
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

/// A file that is to be installed.
struct New {
    name: String,
    content: Vec<u8>,
}

fn install(context: &Context, arguments: &InstallArguments) -> Result<u8> {
    let directory = own_directory(context)?;
    let given: Vec<PathBuf> = arguments.paths.iter().map(|path| context.path(path)).collect();
    let first = &given[0];
    if let Some(url) = arguments.paths.iter().find(|path| path.contains("://")) {
        return Err(Error::unsupported(format!("`{}` is no file of this machine", text::clean(url)))
            .hint("fetch it first, and look at it: its lines decide what runs as you"));
    }
    let (files, list) = match first.is_dir() {
        true => {
            let name = file_name(&first.canonicalize().at(first, "cannot read")?)?;
            (of_directory(first)?, Some(format!(".{name}.app")))
        }
        false => {
            let files: Vec<New> = given.iter().map(|path| read(path)).collect::<Result<_>>()?;
            let bundle = files[0].name.ends_with(".quadlets");
            match (bundle, files.len()) {
                (true, _) => (unbundled(files)?, None),
                (false, 1) => (files, None),
                (false, _) => {
                    let list = format!(".{}.asset", files[0].name);
                    (files, Some(list))
                }
            }
        }
    };
    check(context, &files, &directory)?;
    fs::create_dir_all(&directory).at(&directory, "cannot create the directory")?;
    for file in &files {
        let path = directory.join(&file.name);
        if !arguments.replace && path.symlink_metadata().is_ok() {
            return Err(Error::conflict(format!("`{}` is there already", text::clean(&path.display().to_string())))
                .hint("--replace puts the new one in its place"));
        }
    }
    if let Some(list) = list {
        let owned = files.iter().filter(|file| list.ends_with(".app") || FileType::of(&file.name).is_none());
        let names: String = owned.map(|file| format!("{}\n", file.name)).collect();
        publish::file(&directory.join(list), names.as_bytes(), Durability::Durable)?;
    }
    for file in &files {
        let path = directory.join(&file.name);
        publish::file(&path, &file.content, Durability::Durable)?;
        if FileType::of(&file.name).is_some() {
            context.ui.line(&text::clean(&path.display().to_string()))?;
        }
    }
    if arguments.reload_systemd {
        reload(context);
    }
    Ok(0)
}

/// Has systemd read the files, or says that this is left to do.
pub fn reload(context: &Context) {
    if let Err(error) = systemctl::user(["daemon-reload"]) {
        context.ui.warning(&format!("systemd has not read the files yet: {}", error.chain()));
    }
}

/// Refuses files that no service can be made of. What they need may be installed already.
fn check(context: &Context, files: &[New], directory: &Path) -> Result<()> {
    let mut found = sources::find(&[directory.to_owned()]);
    found.errors.clear();
    let new = |name: &str| files.iter().any(|file| file.name == name);
    found.sources.retain(|source| !new(&source.name));
    if !files.iter().any(|file| FileType::of(&file.name).is_some()) {
        return Err(Error::invalid("there is no Quadlet file among these")
            .hint("their names end with .container, .pod, .volume, .network, .kube, .image, .build or .artifact"));
    }
    for file in files.iter().filter(|file| FileType::of(&file.name).is_some()) {
        let content = std::str::from_utf8(&file.content)
            .map_err(|_| Error::invalid(format!("`{}` is not UTF-8", text::clean(&file.name))))?;
        found.sources.push(sources::Source::parse(&directory.join(&file.name), content)?);
    }
    let findings = super::check::findings(found)?;
    let ours = findings.iter().filter(|finding| {
        let file = finding.place.as_ref().map_or(&finding.file, |place| &place.file);
        file.file_name().is_some_and(|name| new(&name.to_string_lossy()))
    });
    let mut failed = false;
    for finding in ours {
        context.ui.warning_line(&shown(finding));
        failed |= finding.severity == Severity::Error;
    }
    match failed {
        true => Err(Error::invalid("nothing was installed: these files have errors")),
        false => Ok(()),
    }
}

/// The regular files of a directory; what is below it belongs to no application.
fn of_directory(directory: &Path) -> Result<Vec<New>> {
    let entries = fs::read_dir(directory).at(directory, "cannot read")?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).take(FILES_MAX + 1).collect();
    if paths.len() > FILES_MAX {
        let shown = text::clean(&directory.display().to_string()).into_owned();
        return Err(Error::invalid(format!("`{shown}` has more than {FILES_MAX} files")));
    }
    paths.sort();
    let hidden = |path: &PathBuf| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    paths.iter().filter(|path| path.is_file() && !hidden(path)).map(|path| read(path)).collect()
}

fn file_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'));
    let shown = || text::clean(&path.display().to_string()).into_owned();
    name.map(String::from).ok_or_else(|| Error::invalid(format!("`{}` has no name that can be used", shown())))
}

fn read(path: &Path) -> Result<New> {
    let name = file_name(path)?;
    if FileType::of(&name).is_some() || name.ends_with(".quadlets") {
        return Ok(New { name, content: sources::read_file(path)?.into_bytes() });
    }
    let metadata = fs::metadata(path).at(path, "cannot read")?;
    if !metadata.is_file() || metadata.len() > ASSET_MAX {
        let shown = text::clean(&path.display().to_string()).into_owned();
        return Err(Error::invalid(format!("`{shown}` is no regular file of at most 16 MiB")));
    }
    Ok(New { name, content: fs::read(path).at(path, "cannot read")? })
}

/// The files of a `.quadlets` file: divided by lines of `---`, each with a comment `# FileName=NAME`.
fn unbundled(mut files: Vec<New>) -> Result<Vec<New>> {
    let bundle = files.remove(0);
    let content = String::from_utf8(bundle.content).map_err(|_| Error::invalid("the file is not UTF-8"))?;
    let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
    for line in content.lines() {
        match (line.trim_end() == "---", parts.last_mut()) {
            (false, Some(part)) => part.push(line),
            _ => parts.push(Vec::new()),
        }
    }
    for (number, part) in parts.iter().enumerate().filter(|(_, part)| part.iter().any(|line| !line.trim().is_empty())) {
        let named = part.iter().find_map(|line| line.trim().strip_prefix('#')?.trim().strip_prefix("FileName="));
        let section =
            |file_type: &FileType| part.iter().any(|line| line.trim() == format!("[{}]", file_type.section()));
        let file_type = FileType::ALL.iter().find(|file_type| section(file_type));
        let (Some(name), Some(file_type)) = (named.map(str::trim), file_type) else {
            return Err(Error::invalid(format!("part {} of `{}` has no name or no section", number + 1, bundle.name))
                .hint("each part has a line `# FileName=NAME` and a section like [Container]"));
        };
        let path = PathBuf::from(format!("{name}.{}", file_type.extension()));
        if file_name(&path)? != path.display().to_string() {
            return Err(Error::invalid(format!("`{}` is no file name", text::clean(name))));
        }
        files.push(New { name: file_name(&path)?, content: (part.join("\n") + "\n").into_bytes() });
    }
    Ok(files)
}

/// The lists of a directory: what was installed together. `.NAME.app` and `.FILE.asset`.
pub fn applications(directory: &Path) -> BTreeMap<String, Vec<String>> {
    lists(directory, ".app")
}

/// The files that belong to one Quadlet file.
pub fn assets(directory: &Path, name: &str) -> Vec<String> {
    lists(directory, ".asset").remove(&format!(".{name}.asset")).unwrap_or_default()
}

fn lists(directory: &Path, ending: &str) -> BTreeMap<String, Vec<String>> {
    let mut lists = BTreeMap::new();
    let Ok(Some(entries)) = if_absent(fs::read_dir(directory)) else { return lists };
    for entry in entries.flatten().take(FILES_MAX) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.')
            && name.ends_with(ending)
            && let Ok(content) = sources::read_file(&entry.path())
        {
            // Names only: a list that was edited must not lead elsewhere.
            let plain = |line: &&str| !line.is_empty() && !line.contains('/') && *line != "." && *line != "..";
            lists.insert(name, content.lines().map(str::trim).filter(plain).map(String::from).collect());
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(content: &str) -> Result<Vec<String>> {
        let files = unbundled(vec![New { name: "x.quadlets".into(), content: content.into() }])?;
        Ok(files.iter().map(|file| format!("{}:{}", file.name, file.content.len())).collect())
    }

    #[test]
    fn bundles_are_divided() {
        let two = "# FileName=web\n[Container]\nImage=i\n---\n#FileName=db\n[Volume]\n---\n\n";
        assert_eq!(bundle(two).unwrap(), ["web.container:35", "db.volume:22"]);
        assert!(bundle("[Container]\nImage=i\n").is_err());
        assert!(bundle("# FileName=../x\n[Container]\n").is_err());
        assert!(bundle("# FileName=.x\n[Container]\n").is_err());
    }
}
