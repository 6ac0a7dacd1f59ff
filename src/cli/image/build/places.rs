//! Where the files of a build are: the context, the Dockerfile and the list of ignored files.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::arguments::BuildArguments;
use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, publish, text};
use crate::cli::context::{Context, Persona};
use crate::dockerfile::{IGNORE_MAX, MAX_FILE};
use crate::engine::Engine;
use crate::engine::build::{BuildRequest, Files, Remote};

/// Where the files are; what the command line names is read.
pub(super) fn files(
    context: &Context,
    engine: &Engine,
    arguments: &BuildArguments,
    request: &mut BuildRequest,
) -> Result<Files> {
    let from = match (arguments.files.as_deref(), arguments.file.as_deref()) {
        (Some(from), _) => from,
        // podman takes the directory of the command.
        (None, _) if context.persona != Persona::Docker => ".",
        (None, _) => {
            return Err(Error::usage("'docker build' requires 1 argument")
                .hint("name the directory of the build context, often `.`"));
        }
    };
    // A directory of that name is meant when it is there.
    if let Some(remote) = Remote::parse(from).filter(|_| !context.path(from).is_dir()) {
        match arguments.file.as_deref() {
            Some("-") => dockerfile(context, "-", request)?,
            given => request.dockerfile_in_context = given.map(str::to_owned),
        }
        return Ok(Files::Remote(remote));
    }
    if from == "-" {
        if arguments.file.as_deref() == Some("-") {
            return Err(Error::usage("invalid argument: can't use stdin for both build context and dockerfile"));
        }
        request.dockerfile_in_context.clone_from(&arguments.file);
        return standard_input(engine, request);
    }
    let directory = context.path(from);
    if let Some(file) = &arguments.file {
        dockerfile(context, file, request)?;
    }
    Ok(Files::Directory(directory))
}

fn dockerfile(context: &Context, file: &str, request: &mut BuildRequest) -> Result<()> {
    if file == "-" {
        let content = limited(io::stdin().lock(), "standard input", MAX_FILE)?;
        request.dockerfile = Some(("Dockerfile".into(), content));
        return Ok(());
    }
    let path = context.path(file);
    match if_absent(File::open(&path)).at(&path, "cannot open the Dockerfile")? {
        Some(opened) => {
            request.dockerfile = Some((file.to_owned(), limited(opened, file, MAX_FILE)?));
            request.ignored = beside(&path)?;
            Ok(())
        }
        // podman looks in the context as well.
        None => {
            request.dockerfile_in_context = Some(file.to_owned());
            Ok(())
        }
    }
}

/// `<Dockerfile>.dockerignore`.
fn beside(path: &Path) -> Result<Option<String>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".dockerignore");
    let path = PathBuf::from(name);
    match if_absent(File::open(&path)).at(&path, "cannot open")? {
        Some(file) => limited(file, &path.display().to_string(), IGNORE_MAX).map(Some),
        None => Ok(None),
    }
}

pub(super) fn limited(input: impl Read, name: &str, limit: usize) -> Result<String> {
    let mut bytes = Vec::new();
    let name = text::clean(name).into_owned();
    input.take(limit as u64 + 1).read_to_end(&mut bytes).context(|| format!("cannot read `{name}`"))?;
    if bytes.len() > limit {
        return Err(Error::invalid(format!("`{name}` is larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid(format!("`{name}` is not UTF-8")))
}

/// An archive, or a Dockerfile without a context.
fn standard_input(engine: &Engine, request: &mut BuildRequest) -> Result<Files> {
    let mut input = io::stdin().lock();
    let mut head = Vec::new();
    Read::by_ref(&mut input).take(512).read_to_end(&mut head).context(|| "cannot read standard input")?;
    if !is_archive(&head) {
        let content = limited(io::Cursor::new(head).chain(input), "standard input", MAX_FILE)?;
        request.dockerfile = Some(("Dockerfile".into(), content));
        request.dockerfile_in_context = None;
        return Ok(Files::None);
    }
    engine.paths.ensure()?;
    let mut file = publish::nameless(&engine.paths.data)?;
    let copied = file
        .write_all(&head)
        .and_then(|()| io::copy(&mut input, &mut file))
        .and_then(|_| file.seek(SeekFrom::Start(0)));
    copied.context(|| "cannot keep the build context of standard input")?;
    Ok(Files::Archive(file))
}

fn is_archive(head: &[u8]) -> bool {
    let compressed: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    compressed.iter().any(|magic| head.starts_with(magic)) || head.get(257..262) == Some(b"ustar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_dockerfiles() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(is_archive(&tar) && is_archive(b"\x1f\x8b\x08") && !is_archive(b"FROM x\n") && !is_archive(b""));
    }
}
