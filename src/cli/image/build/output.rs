//! `--output` of `build`: where the result goes, beside the image that is stored here.

use std::os::fd::AsFd;
use std::str::FromStr;

use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::Context;
use crate::engine::Engine;
use crate::engine::archives::save::{Format, Output, SaveRequest, save};
use crate::engine::build::{BuildReport, BuildRequest, export};
use crate::oci::Reference;
use crate::spec::csv;

/// One output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildOutput {
    /// What is written.
    pub kind: OutputKind,
    dest: Option<String>,
    /// For `oci`: `tar=false` writes a directory.
    tar: bool,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// The image here, which is always done.
    Image,
    /// The image to the registries of its names.
    Registry,
    /// The files into a directory.
    Local,
    /// The files as an archive.
    Tar,
    /// The image as an OCI layout.
    Oci,
    /// The image as docker's archive.
    Docker,
}

impl FromStr for BuildOutput {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let wrong =
            |why: &str| Error::usage(format!("invalid argument `{}` for `--output`: {why}", text::clean(given)));
        let plain = |kind, dest: &str| Self { kind, dest: Some(dest.to_owned()), tar: true };
        match given {
            "-" => return Ok(plain(OutputKind::Tar, "-")),
            path if !path.contains('=') => return Ok(plain(OutputKind::Local, path)),
            _ => {}
        }
        let mut output = Self { kind: OutputKind::Image, dest: None, tar: true };
        let mut push = false;
        for field in csv::fields(given)? {
            match field.split_once('=') {
                Some(("type", "image")) => output.kind = OutputKind::Image,
                Some(("type", "registry")) => output.kind = OutputKind::Registry,
                Some(("type", "local")) => output.kind = OutputKind::Local,
                Some(("type", "tar")) => output.kind = OutputKind::Tar,
                Some(("type", "oci")) => output.kind = OutputKind::Oci,
                Some(("type", "docker")) => output.kind = OutputKind::Docker,
                Some(("type", _)) => return Err(wrong("the types are local, tar, oci, docker, image and registry")),
                Some(("dest", path)) => output.dest = Some(path.to_owned()),
                Some(("tar", "true")) => output.tar = true,
                Some(("tar", "false")) => output.tar = false,
                Some(("push", "true")) => push = true,
                Some(("push", "false")) => push = false,
                Some((name, _)) => return Err(wrong(&format!("unknown key `{}`", text::clean(name)))),
                None => return Err(wrong("it is made of NAME=VALUE")),
            }
        }
        if push && output.kind == OutputKind::Image {
            output.kind = OutputKind::Registry;
        }
        match output.kind {
            OutputKind::Local | OutputKind::Tar if output.dest.is_none() => Err(wrong("it has no dest")),
            OutputKind::Oci if output.dest.is_none() => Err(wrong("it has no dest")),
            OutputKind::Image | OutputKind::Registry if output.dest.is_some() => Err(wrong("this type has no dest")),
            _ => Ok(output),
        }
    }
}

impl BuildOutput {
    /// Writes the files of images for several platforms: a directory for each.
    fn write_several(
        &self,
        context: &Context,
        engine: &Engine,
        report: &BuildReport,
        request: &BuildRequest,
    ) -> Result<()> {
        match (&self.dest, self.kind) {
            (None, _) => Ok(()),
            (Some(dest), OutputKind::Local) => report.images.iter().try_for_each(|(platform, image)| {
                let place = context.path(dest).join(platform.to_string().replace('/', "_"));
                std::fs::create_dir_all(&place).at(&place, "cannot create")?;
                export::directory(engine, image, request.times(), &place)
            }),
            (Some(_), _) => Err(Error::unsupported("this output holds images for one platform only")
                .hint("`--output type=local` makes a directory for each; `--push` sends an index")),
        }
    }

    /// Writes it.
    pub fn write(
        &self,
        context: &Context,
        engine: &Engine,
        report: &BuildReport,
        request: &BuildRequest,
    ) -> Result<()> {
        let image = &report.image;
        if report.images.len() > 1 {
            return self.write_several(context, engine, report, request);
        }
        // Without a destination it is an image that is stored here.
        let Some(dest) = &self.dest else { return Ok(()) };
        let stream = || -> Result<Output> {
            let stdout = std::io::stdout();
            Ok(Output::Stream(stdout.as_fd().try_clone_to_owned().context(|| "cannot keep the output open")?))
        };
        let file = || if dest == "-" { stream() } else { Ok(Output::File(context.path(dest))) };
        let layout = |format, output| {
            let names = request.names.iter().map(Reference::to_string).collect();
            let saved = SaveRequest { images: vec![image.id.to_string()], names, format, ..SaveRequest::default() };
            save(engine, &saved, output)
        };
        match self.kind {
            OutputKind::Image | OutputKind::Registry => Ok(()),
            OutputKind::Local => export::directory(engine, image, request.times(), &context.path(dest)),
            OutputKind::Tar => export::tar(engine, image, request.times(), file()?),
            OutputKind::Docker => layout(Format::DockerArchive, file()?),
            OutputKind::Oci if !self.tar => layout(Format::OciDirectory, Output::Directory(context.path(dest))),
            OutputKind::Oci => layout(Format::OciArchive, file()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read() {
        let read = |given: &str| given.parse::<BuildOutput>().map(|output| (output.kind, output.dest));
        assert_eq!(read("out").unwrap(), (OutputKind::Local, Some("out".into())));
        assert_eq!(read("-").unwrap(), (OutputKind::Tar, Some("-".into())));
        assert_eq!(read("type=oci,dest=a").unwrap(), (OutputKind::Oci, Some("a".into())));
        assert_eq!(read("type=image,push=true").unwrap().0, OutputKind::Registry);
        for wrong in ["type=x", "type=local", "type=oci", "type=image,dest=a", "type=local,dest=a,b=c", "type=tar,x"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
