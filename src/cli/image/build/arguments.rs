//! The flags of `build`, docker's, buildx's and podman's.

use clap::{ArgAction, Args};

use super::step::StepArguments;
use crate::cli::registry_options::RegistryOptions;

/// Arguments of `build`.
#[derive(Debug, Clone, Args)]
pub struct BuildArguments {
    #[command(flatten)]
    pub registry: RegistryOptions,
    #[command(flatten)]
    pub step: StepArguments,
    /// Allow steps more than usual: network.host, for RUN --network=host
    #[arg(long, value_name = "ENTITLEMENT", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Add an annotation to the manifest of the image
    #[arg(long, value_name = "NAME=VALUE")]
    pub annotation: Vec<String>,
    /// Build for this architecture, on Linux
    #[arg(long, value_name = "ARCHITECTURE")]
    pub arch: Option<String>,
    /// Attestations of the image, which are not made: only type=provenance|sbom,disabled=true
    #[arg(long, value_name = "ATTESTATION")]
    pub attest: Vec<String>,
    /// Set an ARG of the Dockerfile; without a value, from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub build_arg: Vec<String>,
    /// Read build arguments from a file with a NAME=VALUE on each line
    #[arg(long, value_name = "FILE")]
    pub build_arg_file: Vec<String>,
    /// A directory, archive, git repository, image (docker-image://NAME, oci-layout://DIRECTORY) or stage (target:NAME) that FROM and --from know by a name
    #[arg(long, value_name = "NAME=WHERE")]
    pub build_context: Vec<String>,
    /// The builder: there is one, called default
    #[arg(long, value_name = "NAME")]
    pub builder: Option<String>,
    /// Take steps from the build cache of an image or a directory: type=registry,ref=NAME, type=local,src=DIRECTORY, or NAME
    #[arg(long, value_name = "CACHE")]
    pub cache_from: Vec<String>,
    /// Keep steps for other machines: type=registry,ref=NAME, type=local,dest=DIRECTORY or type=inline, with mode=max for
    /// those of all stages
    #[arg(long, value_name = "CACHE")]
    pub cache_to: Vec<String>,
    /// Do something else than build: check the Dockerfile, outline what a target takes, or list the targets
    #[arg(long, value_name = "build|check|outline|targets[,format=json]")]
    pub call: Option<String>,
    /// Check the Dockerfile instead of building it: the same as --call=check
    #[arg(long)]
    pub check: bool,
    /// Nothing is sent anywhere, so that nothing is compressed
    #[arg(long)]
    pub compress: bool,
    /// When a RUN step fails, open a shell in its files as they were before it
    #[arg(long)]
    pub debug_on_error: bool,
    /// Accepted as docker's old flag; signatures are checked as the policy says
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub disable_content_trust: Option<bool>,
    /// Add a variable to the image; without a value, from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// The Dockerfile; - for standard input (default Dockerfile in the context)
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,
    /// Containers of steps are always removed, those of failed ones as well
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub force_rm: Option<bool>,
    /// The format of the image's manifest: oci or docker (default oci)
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// The image of the first FROM, in place of that in the Dockerfile
    #[arg(long, value_name = "IMAGE")]
    pub from: Option<String>,
    /// No image has a label with the builder's version
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub identity_label: Option<bool>,
    /// The list of ignored files, in place of .dockerignore
    #[arg(long, value_name = "FILE")]
    pub ignorefile: Option<String>,
    /// Write the id of the image to a file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<String>,
    /// Whether the image has the labels of its base (default true)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub inherit_labels: Option<bool>,
    /// How many stages are built at the same time (default all that do not wait for each other)
    #[arg(long, value_name = "NUMBER")]
    pub jobs: Option<usize>,
    /// Add a label to the image
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Whether each step has a layer and a record in the build cache (default true)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub layers: Option<bool>,
    /// Store the image here, which is always done
    #[arg(long)]
    pub load: bool,
    /// Add the image to a list of images for several platforms, which is made when it is missing
    #[arg(long, value_name = "LIST")]
    pub manifest: Option<String>,
    /// Write what is known of the image to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<String>,
    /// Do every step again, whatever is in the build cache
    #[arg(long)]
    pub no_cache: bool,
    /// Do the steps of this stage again
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,
    /// Leave out the image's history
    #[arg(long)]
    pub omit_history: bool,
    /// Build for this operating system: linux
    #[arg(long, value_name = "OS")]
    pub os: Option<String>,
    /// Write the result somewhere: type=local|tar|oci|docker|image|registry[,dest=PATH], or a directory, or - for a tar
    /// stream on standard output
    #[arg(short, long, value_name = "OUTPUT")]
    pub output: Vec<String>,
    /// Build for this platform: os/architecture[/variant]; several make an index of images
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// How progress is shown: auto, plain, tty, rawjson or quiet
    #[arg(long, value_name = "WAY")]
    pub progress: Option<String>,
    /// Ask registries for newer images: true, always, newer, missing, false or never
    #[arg(long, value_name = "POLICY", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub pull: Option<String>,
    /// A record of how the image was built, which is not made: only false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub provenance: Option<String>,
    /// Send the image to the registries of its names
    #[arg(long)]
    pub push: bool,
    /// Show no progress, print the id of the image only
    #[arg(short, long)]
    pub quiet: bool,
    /// No file of the image's new layers is later than --source-date-epoch, which always holds
    #[arg(long)]
    pub rewrite_timestamp: bool,
    /// Containers of steps are always removed
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub rm: Option<bool>,
    /// A list of what is in the image, which is not made: only false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub sbom: Option<String>,
    /// A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]
    #[arg(long, value_name = "SECRET")]
    pub secret: Vec<String>,
    /// Leave out stages that the target does not need (default true)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub skip_unused_stages: Option<bool>,
    /// No time in the image is later, in seconds since 1970 (default SOURCE_DATE_EPOCH of the environment)
    #[arg(long, value_name = "SECONDS")]
    pub source_date_epoch: Option<i64>,
    /// Make one layer of all new ones
    #[arg(long)]
    pub squash: bool,
    /// Make one layer of all, those of the base as well
    #[arg(long)]
    pub squash_all: bool,
    /// The socket of an agent for RUN --mount=type=ssh: default or ID[=SOCKET]
    #[arg(long, value_name = "ID[=SOCKET]")]
    pub ssh: Vec<String>,
    /// A name of the image
    #[arg(short, long, value_name = "NAME[:TAG]")]
    pub tag: Vec<String>,
    /// Build this stage of the Dockerfile
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// The time of the image and of all files of its new layers, in seconds since 1970
    #[arg(long, value_name = "SECONDS", conflicts_with = "source_date_epoch")]
    pub timestamp: Option<i64>,
    /// Remove a variable from the image
    #[arg(long, value_name = "NAME")]
    pub unsetenv: Vec<String>,
    /// Remove a label of the base from the image
    #[arg(long, value_name = "NAME")]
    pub unsetlabel: Vec<String>,
    /// The variant of --arch
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
    /// Show checks that failed in full, with the lines of the Dockerfile
    #[arg(short = 'D', long, action = ArgAction::SetTrue)]
    pub debug: bool,
    /// Where the files are that are copied: a directory, - for a Dockerfile or an archive on standard input, or the URL of
    /// an archive, a Dockerfile or a git repository
    #[arg(value_name = "CONTEXT")]
    pub files: Option<String>,
}
