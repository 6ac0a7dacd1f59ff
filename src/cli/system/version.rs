//! `version`: in docker's two parts. There is no server: the client says for both what it is.

use clap::Args;
use serde::Serialize;

use crate::base::Result;
use crate::cli::context::{Context, Persona};
use crate::cli::template::Format;
use crate::cli::verb::{Codes, Verb, typed};

/// The command.
pub const VERB: Verb = Verb {
    name: "version",
    about: "Show the version information",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: VersionArguments::augment_args,
    run: |context, matches| version(context, &typed(matches)?),
};

/// The version of docker's API whose JSON shapes are used.
const API_VERSION: &str = "1.48";

/// The oldest one whose words are understood, as docker's daemon says it.
const LEAST_API_VERSION: &str = "1.24";

/// Arguments of `version`.
#[derive(Debug, Clone, Args)]
struct VersionArguments {
    /// Format with a Go template, or 'json'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Versions {
    client: Client,
    server: Server,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Client {
    platform: Platform,
    version: &'static str,
    api_version: &'static str,
    #[serde(rename = "DefaultAPIVersion")]
    default_api_version: &'static str,
    git_commit: String,
    go_version: &'static str,
    os: &'static str,
    arch: String,
    build_time: &'static str,
    context: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    platform: Platform,
    components: Vec<Component>,
    version: &'static str,
    api_version: &'static str,
    #[serde(rename = "MinAPIVersion")]
    min_api_version: &'static str,
    git_commit: String,
    go_version: &'static str,
    os: &'static str,
    arch: String,
    kernel_version: String,
    build_time: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Platform {
    name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: &'static str,
    version: &'static str,
    details: Details,
}

/// What docker says of its engine once more.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    api_version: &'static str,
    arch: String,
    build_time: &'static str,
    experimental: &'static str,
    git_commit: String,
    go_version: &'static str,
    kernel_version: String,
    #[serde(rename = "MinAPIVersion")]
    min_api_version: &'static str,
    os: &'static str,
}

fn version(context: &Context, arguments: &VersionArguments) -> Result<u8> {
    let versions = versions(context.persona, &rustix::system::uname().release().to_string_lossy());
    let text = match arguments.format.as_deref().filter(|format| !format.is_empty()) {
        Some(format) => Format::parse(format, "")?.render_data(&versions)?,
        None => plain(&versions, context.persona),
    };
    context.ui.text(&text).map(|()| 0)
}

fn versions(persona: Persona, kernel: &str) -> Versions {
    let arch = crate::oci::Platform::host().architecture;
    let commit = format!("coracle-{}", env!("CARGO_PKG_VERSION"));
    let version = persona.version();
    let name = "coracle";
    Versions {
        client: Client {
            platform: Platform { name },
            version,
            api_version: API_VERSION,
            default_api_version: API_VERSION,
            git_commit: commit.clone(),
            go_version: "",
            os: "linux",
            arch: arch.clone(),
            build_time: "",
            context: "default",
        },
        server: Server {
            platform: Platform { name },
            components: vec![Component {
                name: "Engine",
                version,
                details: Details {
                    api_version: API_VERSION,
                    arch: arch.clone(),
                    build_time: "",
                    experimental: "false",
                    git_commit: commit.clone(),
                    go_version: "",
                    kernel_version: kernel.to_owned(),
                    min_api_version: LEAST_API_VERSION,
                    os: "linux",
                },
            }],
            version,
            api_version: API_VERSION,
            min_api_version: LEAST_API_VERSION,
            git_commit: commit,
            go_version: "",
            os: "linux",
            arch,
            kernel_version: kernel.to_owned(),
            build_time: "",
        },
    }
}

fn plain(versions: &Versions, persona: Persona) -> String {
    let (client, server) = (&versions.client, &versions.server);
    let title = match persona {
        Persona::Coracle => String::new(),
        _ => format!(" coracle {} as {}", env!("CARGO_PKG_VERSION"), persona.program()),
    };
    format!(
        "Client:{title}\n Version:           {}\n API version:       {}\n OS/Arch:           {}/{}\n Context:           {}\n\n\
         Server: none, the client does everything\n Engine:\n  Version:          {}\n  API version:      {}\n  OS/Arch:          {}/{}\n  Kernel Version:   {}\n",
        client.version,
        client.api_version,
        client.os,
        client.arch,
        client.context,
        server.version,
        server.api_version,
        server.os,
        server.arch,
        server.kernel_version,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::template;

    #[test]
    fn templates_find_both_parts() {
        let value = template::value(&versions(Persona::Docker, "6.1")).unwrap();
        for (format, expected) in [
            ("{{.Server.Version}} {{.Client.Version}}", format!("{0} {0}\n", Persona::Docker.version())),
            ("{{.Client.APIVersion}}", format!("{API_VERSION}\n")),
            ("{{.Server.Os}}/{{.Server.KernelVersion}}", "linux/6.1\n".into()),
            ("{{(index .Server.Components 0).Name}}", "Engine\n".into()),
            ("{{(index .Server.Components 0).Details.MinAPIVersion}}", format!("{LEAST_API_VERSION}\n")),
        ] {
            let rendered = Format::parse(format, "").unwrap().render_value(&value).unwrap_or_default();
            assert_eq!(rendered, expected, "{format}");
        }
        let text = plain(&versions(Persona::Coracle, "6.1"), Persona::Coracle);
        assert!(text.starts_with(&format!("Client:\n Version:           {}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    }
}
