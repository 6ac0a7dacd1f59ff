//! `load` and `import`: images from archives.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};

use clap::Args;

use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::{Context, Persona};
use crate::cli::progress;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::archives::import::{ImportRequest, import as engine_import};
use crate::engine::archives::load::{LoadRequest, Loaded, load as engine_load};
use crate::oci::Platform;

/// `load`.
pub const VERB: Verb = Verb {
    name: "load",
    about: "Load images from an archive that `save` wrote",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: LoadArguments::augment_args,
    run: |context, matches| load(context, &typed(matches)?),
};

/// `import`.
pub const IMPORT: Verb = Verb {
    name: "import",
    about: "Make an image of an archive of files",
    usage: "FILE|- [REPOSITORY[:TAG]]",
    arity: (1, Some(2)),
    arguments: ImportArguments::augment_args,
    run: |context, matches| import(context, &typed(matches)?),
    ..VERB
};

/// Arguments of `load`.
#[derive(Debug, Clone, Args)]
struct LoadArguments {
    /// Read from a file or directory, instead of standard input
    #[arg(short, long, value_name = "PATH")]
    input: Option<String>,
    /// Load only images for this platform: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// Arguments of `import`.
#[derive(Debug, Clone, Args)]
struct ImportArguments {
    /// The architecture of the image
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Apply a line of a Dockerfile to the image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL,
    /// USER, VOLUME or WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// The comment in the history of the image
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// The operating system of the image
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// The platform of the image: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM", conflicts_with_all = ["arch", "os", "variant"])]
    platform: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// The variant of the image's architecture
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
    /// A tar archive, also a compressed one; - for standard input
    #[arg(value_name = "FILE", required = true)]
    file: String,
    /// The name of the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

fn load(context: &Context, arguments: &LoadArguments) -> Result<u8> {
    let platform: Option<Platform> = arguments.platform.as_deref().map(str::parse).transpose()?;
    let input = input(context, arguments.input.as_deref())?;
    let engine = context.engine()?;
    context.tell_of_single_id(&engine)?;
    let shown = progress::loading(context, arguments.quiet);
    let loaded = engine_load(&engine, &LoadRequest { platform }, input, shown.as_ref())?;
    drop(shown);
    loaded.iter().flat_map(|loaded| lines(loaded, context.persona)).try_for_each(|line| context.ui.line(&line))?;
    Ok(0)
}

/// docker's and podman's words about an image.
pub(super) fn lines(loaded: &Loaded, persona: Persona) -> Vec<String> {
    let id = &loaded.image.id;
    let taken = loaded.taken.iter().filter(|_| persona != Persona::Podman).map(|(name, before)| {
        format!("The image {} already exists, renaming the old one with ID {before} to empty string", name.familiar())
    });
    let names = loaded.names.iter().map(|name| match persona {
        Persona::Podman => format!("Loaded image: {name}"),
        Persona::Docker | Persona::Coracle => format!("Loaded image: {}", name.familiar()),
    });
    let nameless = loaded.names.is_empty().then(|| match persona {
        Persona::Podman => format!("Loaded image: {id}"),
        Persona::Docker | Persona::Coracle => format!("Loaded image ID: {id}"),
    });
    taken.chain(names).chain(nameless).collect()
}

fn import(context: &Context, arguments: &ImportArguments) -> Result<u8> {
    let file = &arguments.file;
    if file.starts_with("http://") || file.starts_with("https://") {
        return Err(Error::unsupported("coracle does not download archives").hint(format!(
            "let another program do it: curl -fL {} | coracle import - {}",
            text::clean(file),
            text::clean(arguments.name.as_deref().unwrap_or_default())
        )));
    }
    let request = ImportRequest {
        name: arguments.name.clone(),
        changes: arguments.change.clone(),
        message: arguments.message.clone(),
        platform: arguments.platform()?,
        origin: file.clone(),
    };
    let input = input(context, Some(file.as_str()).filter(|file| *file != "-"))?;
    let engine = context.engine()?;
    context.tell_of_single_id(&engine)?;
    let shown = progress::loading(context, arguments.quiet);
    let image = engine_import(&engine, &request, input, shown.as_ref())?;
    drop(shown);
    context.ui.line(&image.id.to_string()).map(|()| 0)
}

impl ImportArguments {
    fn platform(&self) -> Result<Option<Platform>> {
        if let Some(platform) = &self.platform {
            return platform.parse().map(Some);
        }
        if self.arch.is_none() && self.os.is_none() && self.variant.is_none() {
            return Ok(None);
        }
        let host = Platform::host();
        let os = self.os.as_deref().unwrap_or(&host.os);
        let architecture = self.arch.as_deref().unwrap_or(&host.architecture);
        Ok(Some(Platform::new(os, architecture, self.variant.as_deref())))
    }
}

/// The archive: a file or directory, or standard input.
fn input(context: &Context, path: Option<&str>) -> Result<OwnedFd> {
    match path {
        Some(path) => {
            let path = context.path(path);
            File::open(&path).at(&path, "cannot open").map(OwnedFd::from)
        }
        None if std::io::stdin().is_terminal() => Err(Error::usage("cannot read an archive from the terminal")
            .hint("name the file, or send it to standard input: coracle load < FILE")),
        None => {
            let stdin = std::io::stdin();
            stdin.as_fd().try_clone_to_owned().context(|| "cannot keep the input open")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn the_words_are_dockers_and_podmans() {
        let (engine, _scratch) = fixtures::engine();
        let image = fixtures::image(&engine, "x", &[]);
        let id = image.id.clone();
        let mut loaded = Loaded { names: vec!["busybox".parse().unwrap()], image, taken: Vec::new() };
        assert_eq!(lines(&loaded, Persona::Docker), ["Loaded image: busybox:latest"]);
        assert_eq!(lines(&loaded, Persona::Podman), ["Loaded image: docker.io/library/busybox:latest"]);
        loaded.taken.push(("busybox".parse().unwrap(), id.clone()));
        let taken =
            format!("The image busybox:latest already exists, renaming the old one with ID {id} to empty string");
        assert_eq!(lines(&loaded, Persona::Coracle)[0], taken);
        assert_eq!(lines(&loaded, Persona::Podman).len(), 1);
        let nameless = Loaded { names: Vec::new(), taken: Vec::new(), ..loaded };
        assert_eq!(lines(&nameless, Persona::Docker), [format!("Loaded image ID: {id}")]);
        assert_eq!(lines(&nameless, Persona::Podman), [format!("Loaded image: {id}")]);
    }
}
