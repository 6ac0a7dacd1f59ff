//! `push`: an image into a registry.

use clap::{Args, ValueEnum};

use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::{Context, Persona};
use crate::cli::push_progress;
use crate::cli::registry_options::RegistryOptions;
use crate::cli::ui::Answer;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::push::{Format, Packing, PrivateKey, PushReport, PushRequest, has_suffix, push as engine_push};
use crate::oci::Compression;

/// The command.
pub const VERB: Verb = Verb {
    name: "push",
    about: "Upload an image to a registry",
    usage: "NAME[:TAG] [DESTINATION]",
    arity: (1, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PushArguments::augment_args,
    run: |context, matches| push(context, &typed(matches)?),
};

/// `--compression-format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressionName {
    /// Every registry and tool knows it
    Gzip,
    /// Faster to unpack
    Zstd,
}

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// The OCI image specification's
    Oci,
    /// docker's schema 2
    #[value(alias = "docker", alias = "v2")]
    V2s2,
}

/// Arguments of `push`.
#[derive(Debug, Clone, Args)]
struct PushArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    /// Push all tags that are here of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Compress all layers in this way; those that are already are not compressed again
    #[arg(long, value_name = "FORMAT")]
    compression_format: Option<CompressionName>,
    /// Compress all layers again, with this level: gzip has 1 to 9, zstd 1 to 20
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    compression_level: Option<i32>,
    /// Write the digest of what was pushed to this file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<String>,
    /// Push without a signature; that is so unless DOCKER_CONTENT_TRUST is 1
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<bool>,
    /// Use no layers in the registry that are compressed otherwise: gzip, or what --compression-format says
    #[arg(long)]
    force_compression: bool,
    /// Format of the manifest, if it shall be another: oci or v2s2
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// Refuse the image if it is for another platform: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Push no signatures: coracle never does, as it keeps none
    #[arg(long)]
    remove_signatures: bool,
    /// Sign the image with the key in this file, as cosign and skopeo make them; the signature goes to the registry
    #[arg(long, value_name = "FILE")]
    sign_by_sigstore_private_key: Option<String>,
    /// File with the passphrase of that key, which is asked for otherwise
    #[arg(long, value_name = "FILE", requires = "sign_by_sigstore_private_key")]
    sign_passphrase_file: Option<String>,
    /// The image, and where to push it if not to where its name says
    #[arg(value_name = "IMAGE", required = true)]
    names: Vec<String>,
}

fn push(context: &Context, arguments: &PushArguments) -> Result<u8> {
    let signed = arguments.disable_content_trust.map_or_else(|| context.demands_signatures(), |disable| !disable);
    if signed && arguments.sign_by_sigstore_private_key.is_none() {
        return Err(Error::usage("content trust demands that the image is signed, and no key is given").hint(
            "sign it with --sign-by-sigstore-private-key KEY, or leave it unsigned with --disable-content-trust",
        ));
    }
    let engine = arguments.registry.engine(context)?;
    let request = PushRequest { sign: signing_key(context, arguments)?, ..request(arguments)? };
    context.tell_of_single_id(&engine)?;
    if !arguments.quiet && !arguments.all_tags && context.persona != Persona::Podman {
        tell_default_tag(context, &arguments.names)?;
    }
    let progress = push_progress::of_push(context, arguments.quiet);
    let reports = engine_push(&engine, &request, progress.as_ref());
    drop(progress);
    let reports = reports?;
    for report in &reports {
        tell(context, report, arguments.quiet)?;
    }
    if let (Some(file), Some(last)) = (&arguments.digestfile, reports.last()) {
        let path = context.path(file);
        std::fs::write(&path, last.digest.as_str()).at(&path, "cannot write the digest to")?;
    }
    Ok(0)
}

/// `--sign-by-sigstore-private-key`, opened.
fn signing_key(context: &Context, arguments: &PushArguments) -> Result<Option<PrivateKey>> {
    let Some(file) = &arguments.sign_by_sigstore_private_key else { return Ok(None) };
    let path = context.path(file);
    let pem = small_file(&path)?;
    let passphrase = match &arguments.sign_passphrase_file {
        // podman's rule: the first line.
        Some(file) => small_file(&context.path(file))?.lines().next().unwrap_or_default().to_owned(),
        None if !context.ui.in_is_terminal() => {
            return Err(Error::usage("the key has a passphrase, and there is no terminal to ask for it")
                .hint("give it with --sign-passphrase-file"));
        }
        None => match context.ui.ask_secret("Passphrase: ")? {
            Answer::Given(passphrase) => passphrase,
            Answer::Interrupted => return Err(Error::usage("no passphrase was given")),
        },
    };
    let key = PrivateKey::open(pem.as_bytes(), passphrase.as_bytes());
    key.context(|| format!("cannot sign with `{}`", path.display())).map(Some)
}

/// A file of at most 64 KiB.
fn small_file(path: &std::path::Path) -> Result<String> {
    if std::fs::metadata(path).at(path, "cannot read")?.len() > 64 << 10 {
        return Err(Error::usage(format!("`{}` is larger than 64 KiB", path.display())));
    }
    std::fs::read_to_string(path).at(path, "cannot read")
}

/// docker says so when it adds the tag.
fn tell_default_tag(context: &Context, names: &[String]) -> Result<()> {
    match names.last() {
        Some(name) if !has_suffix(name.strip_prefix("docker://").unwrap_or(name)) => {
            context.ui.line("Using default tag: latest")?;
            context.ui.flush()
        }
        _ => Ok(()),
    }
}

fn tell(context: &Context, report: &PushReport, quiet: bool) -> Result<()> {
    if !report.repacked.is_empty() {
        let layers: Vec<&str> = report.repacked.iter().map(|layer| layer.short()).collect();
        context.ui.warning(&format!(
            "compressed anew, because no registry that has the original could be reached: {}. So the digest is another than that of the image that was pulled.",
            layers.join(", ")
        ));
    }
    match quiet && context.persona != Persona::Podman {
        true => context.ui.line(&text::clean(&report.reference.to_string())),
        false => Ok(()),
    }
}

fn request(arguments: &PushArguments) -> Result<PushRequest> {
    let compression = arguments.compression_format.map(|name| match name {
        CompressionName::Gzip => Compression::Gzip,
        CompressionName::Zstd => Compression::Zstd,
    });
    let format = arguments.format.map(|name| match name {
        FormatName::Oci => Format::Oci,
        FormatName::V2s2 => Format::Docker,
    });
    Ok(PushRequest {
        image: arguments.names.first().cloned().unwrap_or_default(),
        destination: arguments.names.get(1).cloned(),
        all_tags: arguments.all_tags,
        platform: arguments.platform.as_deref().map(str::parse).transpose()?,
        packing: Packing {
            compression,
            level: arguments.compression_level,
            force: arguments.force_compression,
            format,
        },
        sign: None,
    })
}
