//! What is copied where by `image scp`: `[[user@]host[:port]::]image [[user@]host[:port]::[new name]]`.

use crate::base::{Error, Result, text};

/// Where images are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// In this user's store.
    Here,
    /// In the store of another user of this machine: `user@localhost::`.
    User(String),
    /// On another machine, reached with ssh.
    Machine(Machine),
}

/// A machine as ssh(1) names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// `[user@]host`, also an alias of ssh_config(5).
    pub destination: String,
    /// Its port, if it is another than ssh's own.
    pub port: Option<u16>,
}

/// What to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// From where.
    pub from: End,
    /// The image there.
    pub image: String,
    /// Where to.
    pub to: End,
    /// The name that it gets there instead of its own.
    pub name: Option<String>,
}

/// Reads the arguments. Without a destination it is this user's store.
pub fn parse(source: &str, destination: Option<&str>) -> Result<Copy> {
    let (from, image) = match source.rsplit_once("::") {
        Some((end, image)) => (self::end(end)?, image),
        None => (End::Here, source),
    };
    if image.is_empty() {
        return Err(Error::usage(format!("`{}` names no image", text::clean(source)))
            .hint("the source has the form [USER@]HOST::IMAGE, or is an image that is here"));
    }
    check(image)?;
    let (to, name) = match destination.map(|given| (given, given.rsplit_once("::"))) {
        None => (End::Here, ""),
        Some((_, Some((end, name)))) => (self::end(end)?, name),
        Some((given, None)) => {
            return Err(Error::usage(format!("the destination `{}` has no `::`", text::clean(given)))
                .hint("it has the form [USER@]HOST::[NAME]; images that are here get names with `coracle tag`"));
        }
    };
    if !name.is_empty() {
        check(name)?;
    }
    if from == End::Here && to == End::Here {
        return Err(Error::usage("source and destination are the same store")
            .hint("name another machine or user: coracle image scp IMAGE [USER@]HOST::"));
    }
    let name = Some(name).filter(|name| !name.is_empty()).map(str::to_owned);
    Ok(Copy { from, image: image.to_owned(), to, name })
}

/// A name goes into a command line of the other machine: nothing that a shell or an option parser could understand otherwise.
fn check(image: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    match image.starts_with('-') || !image.chars().all(fits) {
        true => Err(Error::usage(format!("`{}` is not the name of an image", text::clean(image)))),
        false => Ok(()),
    }
}

fn end(given: &str) -> Result<End> {
    let wrong = |why: &str| Error::usage(format!("invalid machine `{}`: {why}", text::clean(given)));
    let rest = given.strip_prefix("ssh://").unwrap_or(given);
    if rest.contains('/') {
        return Err(wrong("it has a path").hint(
            "programs on the other machine are asked, not a socket: leave out the path, as in user@host:22::image",
        ));
    }
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    // An IPv6 address stands in brackets where a port may follow.
    let (host, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(|| wrong("a port follows a colon"))?)),
        None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse::<u16>().map_err(|_| wrong("its port is no number"))).transpose()?;
    let plain = |word: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '%' | '+' | '\\');
        !word.is_empty() && !word.starts_with('-') && word.chars().all(fits)
    };
    if !plain(host) || !user.is_none_or(plain) {
        return Err(wrong("it has the form [USER@]HOST[:PORT]"));
    }
    match (user, host, port) {
        (Some(user), "localhost", None) => Ok(End::User(user.to_owned())),
        _ => {
            let destination = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
            Ok(End::Machine(Machine { destination, port }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_podmans() {
        let machine = |destination: &str, port| End::Machine(Machine { destination: destination.into(), port });
        for (source, destination, from, image, to, name) in [
            ("alpine", Some("laptop::"), End::Here, "alpine", machine("laptop", None), None),
            (
                "alpine:3",
                Some("me@host:2222::app:v1"),
                End::Here,
                "alpine:3",
                machine("me@host", Some(2222)),
                Some("app:v1"),
            ),
            ("host::alpine", None, machine("host", None), "alpine", End::Here, None),
            (
                "ssh://me@host:22::alpine",
                Some("other::"),
                machine("me@host", Some(22)),
                "alpine",
                machine("other", None),
                None,
            ),
            ("me@[::1]:22::alpine", None, machine("me@::1", Some(22)), "alpine", End::Here, None),
            (
                "root@localhost::alpine",
                Some("me@localhost::"),
                End::User("root".into()),
                "alpine",
                End::User("me".into()),
                None,
            ),
            ("localhost::alpine", None, machine("localhost", None), "alpine", End::Here, None),
            ("me@localhost:22::alpine", None, machine("me@localhost", Some(22)), "alpine", End::Here, None),
        ] {
            let copy = parse(source, destination).unwrap();
            assert_eq!(
                (copy.from, copy.image.as_str(), copy.to, copy.name.as_deref()),
                (from, image, to, name),
                "{source}"
            );
        }
    }

    #[test]
    fn words_that_mean_something_else_are_refused() {
        for (source, destination) in [
            ("alpine", None),
            ("alpine", Some("host")),
            ("host::", None),
            ("-oProxyCommand=x::alpine", None),
            ("me@-x::alpine", None),
            ("-x@host::alpine", None),
            ("host::-x", None),
            ("host::a;b", None),
            ("host::a b", None),
            ("host::$(x)", None),
            ("a", Some("host::`x`")),
            ("host/run/podman.sock::alpine", None),
            ("host:port::alpine", None),
            ("ho st::alpine", None),
            ("::alpine", None),
            ("@host::alpine", None),
            ("[::1]x::alpine", None),
        ] {
            assert!(parse(source, destination).is_err(), "{source} {destination:?}");
        }
    }
}
