//! `registry serve`: this user's images for others, or a cache of a registry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;

use crate::base::id::random_hex;
use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::Context;
use crate::cli::registry_options::RegistryOptions;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::serve::{Identity, Opened, ServeRequest, Tls, open};
use crate::oci::Reference;
use crate::spec::units::parse_size;

/// The command.
pub const VERB: Verb = Verb {
    name: "serve",
    about: "Serve images from this machine to other programs and machines",
    usage: "[IMAGE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: ServeArguments::augment_args,
    run: |context, matches| serve(context, &typed(matches)?),
};

/// The port of registries.
const PORT: u16 = 5000;
/// Largest file with a password, certificate or key, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Arguments of `registry serve`.
#[derive(Debug, Clone, Args)]
struct ServeArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    /// Ask clients for this user name and a password: that of --password-file, else a new one, which is shown
    #[arg(long, value_name = "USER")]
    auth: Option<String>,
    /// With --proxy: delete what was used longest ago when the cache has more than this size
    #[arg(long, value_name = "SIZE", default_value = "20g")]
    cache_size: String,
    /// Address to listen on: ADDRESS, :PORT for all addresses, or both
    #[arg(short, long, value_name = "[ADDRESS][:PORT]", default_value = "127.0.0.1:5000")]
    listen: String,
    /// File with the password for --auth
    #[arg(long, value_name = "FILE", requires = "auth")]
    password_file: Option<String>,
    /// Serve what this registry has, and keep it: a cache that clients use in its place
    #[arg(long, value_name = "REGISTRY", conflicts_with = "images")]
    proxy: Option<String>,
    /// Speak HTTPS, with a certificate that is made and kept here
    #[arg(long)]
    tls: bool,
    /// Speak HTTPS with the certificate in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<String>,
    /// PEM file with the key of --tls-cert
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<String>,
    /// Refuse uploads when those that are not finished have more than this size together
    #[arg(long, value_name = "SIZE", default_value = "32g")]
    upload_limit: String,
    /// Serve only these images, and let nobody push
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

fn serve(context: &Context, arguments: &ServeArguments) -> Result<u8> {
    let engine = arguments.registry.engine(context)?;
    let (login, is_new) = login(context, arguments)?;
    let request = ServeRequest {
        images: arguments.images.clone(),
        listen: address(&arguments.listen)?,
        login: login.clone(),
        tls: tls(context, arguments)?,
        upload_limit: parse_size(&arguments.upload_limit)?,
        proxy: match &arguments.proxy {
            Some(registry) => Some((registry_of(registry)?, parse_size(&arguments.cache_size)?)),
            None => None,
        },
    };
    context.tell_of_single_id(&engine)?;
    let opened = open(&engine, &request)?;
    tell(context, &opened, &request, is_new)?;
    context.ui.flush()?;
    opened.serve(&engine)?;
    Ok(0)
}

/// What to say before serving: where it is, and what a colleague types.
fn tell(context: &Context, opened: &Opened, request: &ServeRequest, is_new: bool) -> Result<()> {
    let (ui, program, place) = (&context.ui, context.persona.program(), &opened.place);
    let scheme = if matches!(request.tls, Tls::None) { "http" } else { "https" };
    let what = match &request.proxy {
        Some((registry, _)) => format!("a cache of {registry}"),
        None => match opened.names.len() {
            1 => "1 image".to_owned(),
            count => format!("{count} images"),
        },
    };
    let who = match (&request.login, opened.own_programs_only) {
        (Some(_), _) => "to those who have the password",
        (None, true) => "to your own programs on this machine",
        (None, false) => "to everybody who reaches this machine",
    };
    ui.line(&format!("Serving {what} {who} at {scheme}://{place} (end it with ^C)"))?;
    if let Some((file, fingerprint)) = &opened.certificate {
        ui.line(&format!("Certificate: {} (sha256 {})", file.display(), fingerprint.hex()))?;
        ui.line(&format!("Clients need it as: ~/.config/containers/certs.d/{place}/ca.crt"))?;
    }
    if let Some((user, password)) = &request.login {
        if is_new {
            ui.line(&format!("Password of {user}: {password}"))?;
        }
        ui.line(&format!("Log in: {program} login -u {user} {place}"))?;
    }
    // Plain HTTP is taken for granted with loopback addresses alone.
    let plain = scheme == "http" && !opened.address.ip().is_loopback();
    let option = if plain { "--tls-verify=false " } else { "" };
    let name = match (&request.proxy, opened.names.first()) {
        (Some((registry, _)), _) if registry == "docker.io" => "library/alpine:latest",
        (Some(_), _) => "NAME:TAG",
        (None, Some(name)) => name,
        (None, None) => return ui.line(&format!("Push: {program} push {option}IMAGE {place}/NAME:TAG")),
    };
    ui.line(&format!("Pull: {program} pull {option}{place}/{name}"))
}

/// The user and password of `--auth`, and whether the password is new.
fn login(context: &Context, arguments: &ServeArguments) -> Result<(Option<(String, String)>, bool)> {
    let Some(user) = &arguments.auth else { return Ok((None, false)) };
    if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
        return Err(Error::usage(format!("`{}` is not a user name for --auth", text::clean(user)))
            .hint("the password is in the file of --password-file, or it is made and shown"));
    }
    let (password, is_new) = match &arguments.password_file {
        Some(file) => {
            let text = file_of(context, file)?;
            let line = text.lines().next().unwrap_or_default().to_owned();
            if line.is_empty() {
                return Err(Error::usage(format!("the file `{}` has no password", text::clean(file))));
            }
            (line, false)
        }
        None => (random_hex()?.chars().take(24).collect(), true),
    };
    Ok((Some((user.clone(), password)), is_new))
}

fn tls(context: &Context, arguments: &ServeArguments) -> Result<Tls> {
    match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => {
            let (certificates, key) = (file_of(context, certificate)?, file_of(context, key)?);
            Ok(Tls::Given(Identity { certificates, key }))
        }
        _ if arguments.tls => Ok(Tls::Made),
        _ => Ok(Tls::None),
    }
}

fn file_of(context: &Context, file: &str) -> Result<String> {
    let path = context.path(file);
    if std::fs::metadata(&path).at(&path, "cannot read")?.len() > FILE_MAX {
        return Err(Error::usage(format!("`{}` is larger than 1 MiB", path.display())));
    }
    std::fs::read_to_string(&path).at(&path, "cannot read")
}

/// `--listen`
fn address(given: &str) -> Result<SocketAddr> {
    let wrong = || {
        Error::usage(format!("`{}` is not an address to listen on", text::clean(given)))
            .hint("as in `127.0.0.1:5000`, `[::1]:5000`, `192.168.1.5` or `:5000`, which means all addresses")
    };
    if let Ok(address) = given.parse() {
        return Ok(address);
    }
    let bare = given.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    let (host, port) = match given.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
        None => (given, PORT),
    };
    match host {
        "" => Ok(SocketAddr::new(any(), port)),
        "localhost" => Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        _ => Err(wrong()),
    }
}

/// All addresses, those of IPv4 too: of IPv4 alone where the machine has no IPv6.
fn any() -> IpAddr {
    match std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}

/// `--proxy`: a host with a port if need be, and perhaps the beginning of its repositories.
fn registry_of(given: &str) -> Result<String> {
    let bare = given.trim_start_matches("https://").trim_end_matches('/');
    let wrong = || {
        Error::usage(format!("`{}` is not a registry", text::clean(given)))
            .hint("as in `docker.io`, `quay.io/team` or `registry.example:5000`")
    };
    let reference: Reference = format!("{bare}/x").parse().map_err(|_| wrong())?;
    let host = bare.split('/').next().unwrap_or_default();
    let same = reference.registry() == host || (host == "index.docker.io" && reference.registry() == "docker.io");
    match same && !bare.is_empty() {
        true => Ok(bare.replacen("index.docker.io", "docker.io", 1)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_registries() {
        let read = |given: &str| address(given).map(|address| address.to_string()).ok();
        for (given, expected) in [
            ("127.0.0.1:5000", Some("127.0.0.1:5000")),
            ("192.168.1.5", Some("192.168.1.5:5000")),
            ("[::1]:80", Some("[::1]:80")),
            ("::1", Some("[::1]:5000")),
            ("[::1]", Some("[::1]:5000")),
            ("localhost:7", Some("127.0.0.1:7")),
            ("localhost", Some("127.0.0.1:5000")),
            ("example.org:80", None),
            ("127.0.0.1:99999", None),
            (":x", None),
        ] {
            assert_eq!(read(given).as_deref(), expected, "{given}");
        }
        assert!(read(":81").unwrap().ends_with(":81"));
        for (given, expected) in [
            ("docker.io", Some("docker.io")),
            ("https://quay.io/", Some("quay.io")),
            ("quay.io/team", Some("quay.io/team")),
            ("127.0.0.1:5000", Some("127.0.0.1:5000")),
            ("alpine", None),
            ("", None),
            ("../x", None),
        ] {
            assert_eq!(registry_of(given).ok().as_deref(), expected, "{given}");
        }
    }
}
