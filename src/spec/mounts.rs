//! `--volume`, `--mount` and `--tmpfs`: three spellings of mounts, read as docker reads them.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::csv;
use super::ids::parse_id;
use super::mount_words;
use super::storage::{Mount, MountRequest, MountSource};
use super::units;
use crate::base::id::{Name, random_hex};
use crate::base::{Error, Result, ResultExt, text};

/// What the grammar has to know of the machine, and of whose command line is played.
pub struct MountHost<'a> {
    /// What relative sources start from.
    pub cwd: &'a Path,
    /// The files of the host that fit a pattern, in their order.
    pub glob: &'a dyn Fn(&str) -> Result<Vec<PathBuf>>,
    /// A tmpfs begins with what the image has at its place, unless it is told otherwise: podman's default.
    pub tmpfs_copies: bool,
}

/// The mounts of a command line, in docker's order: volumes, mounts, tmpfs.
pub fn all(volumes: &[String], mounts: &[String], tmpfs: &[String], host: &MountHost<'_>) -> Result<Vec<MountRequest>> {
    type Read = fn(&str, &MountHost<'_>) -> Result<Vec<MountRequest>>;
    let mut all = Vec::new();
    for (flag, specs, read) in [
        ("--volume", volumes, (|spec, host| volume(spec, host.cwd).map(|mount| vec![mount])) as Read),
        ("--mount", mounts, mount),
        ("--tmpfs", tmpfs, |spec, host| tmpfs_mount(spec, host.tmpfs_copies).map(|mount| vec![mount])),
    ] {
        for spec in specs {
            let read = read(spec, host)
                .and_then(|read| read.iter().try_for_each(|request| mount_words::check(&request.mount)).map(|()| read));
            all.extend(read.context(|| format!("invalid argument `{}` for `{flag}`", text::clean(spec)))?);
        }
    }
    for (at, request) in all.iter().enumerate() {
        if all[..at].iter().any(|other: &MountRequest| other.mount.target == request.mount.target) {
            return Err(Error::usage(format!("duplicate mount point: `{}`", text::clean(&request.mount.target))));
        }
    }
    Ok(all)
}

/// `[SOURCE:]TARGET[:OPTION,…]`. A missing source directory is made.
fn volume(spec: &str, cwd: &Path) -> Result<MountRequest> {
    let parts: Vec<&str> = spec.split(':').collect();
    let (source, destination, options) = match parts[..] {
        [destination] => (None, destination, ""),
        [source, destination] => (Some(source), destination, ""),
        [source, destination, options] => (Some(source), destination, options),
        _ => return Err(Error::usage("too many colons")),
    };
    if destination.is_empty() || source == Some("") {
        return Err(Error::usage("source and target must not be empty"));
    }
    let target = target(destination)?;
    let source = match source {
        None => anonymous()?,
        Some(source) if source.starts_with(['/', '.', '~']) => MountSource::Bind { path: host_path(source, cwd) },
        Some(name) => MountSource::Volume { name: volume_name(name)?, anonymous: false, no_copy: false },
    };
    let mut mount = Mount::plain(source, target);
    let (mut overlay, mut upper, mut work) = (false, None, None);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        if mount_words::apply(&mut mount, option)? {
            continue;
        }
        match (option.split_once('=').unwrap_or((option, "")), &mut mount.source) {
            (("nocopy", ""), MountSource::Volume { no_copy, .. }) => *no_copy = true,
            (("copy", ""), MountSource::Volume { no_copy, .. }) => *no_copy = false,
            (("ro", ""), _) => mount.read_only = true,
            (("rw", ""), _) => mount.read_only = false,
            (("U", ""), _) => mount.options.chown = true,
            (("O", ""), _) => overlay = true,
            (("upperdir", path), _) if !path.is_empty() => upper = Some(host_path(path, cwd)),
            (("workdir", path), _) if !path.is_empty() => work = Some(host_path(path, cwd)),
            _ => return Err(Error::usage(format!("unknown option `{}`", text::clean(option)))),
        }
    }
    mount.options.overlay = mount_words::overlay(overlay, upper, work)?;
    Ok(MountRequest::plain(mount, true))
}

/// `type=bind|volume|tmpfs|image|glob|ramfs|devpts,key=value,…`. Nothing is made that is not there.
fn mount(spec: &str, host: &MountHost<'_>) -> Result<Vec<MountRequest>> {
    let mut kind = "volume".to_owned();
    let (mut source, mut destination) = (None, None);
    let mut rest = Vec::new();
    for field in csv::fields(spec)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value.to_owned())),
            None => (field.to_ascii_lowercase(), None),
        };
        match (key.as_str(), value) {
            ("type", Some(value)) => kind = value.to_ascii_lowercase(),
            ("source" | "src", Some(value)) => source = Some(value),
            ("target" | "dst" | "destination", Some(value)) => destination = Some(value),
            ("type" | "source" | "src" | "target" | "dst" | "destination", None) => {
                return Err(Error::usage(format!("`{key}` needs a value: `{key}=…`")));
            }
            (_, value) => rest.push((key, value)),
        }
    }
    let source = source.filter(|source| !source.is_empty());
    let sources = match kind.as_str() {
        "glob" => globbed(&source.ok_or_else(|| Error::usage("`source` is required for a glob mount"))?, host)?,
        kind => vec![source_of(kind, source, host.cwd)?],
    };
    let is_glob = kind == "glob";
    let one = |source: MountSource| {
        let place = match (&source, destination.as_deref()) {
            (MountSource::Bind { path }, None) if is_glob => path.display().to_string(),
            (MountSource::Bind { path }, Some(directory)) if is_glob => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                format!("{directory}/{name}")
            }
            (_, Some(destination)) => destination.to_owned(),
            (_, None) => return Err(Error::usage("`target` is required")),
        };
        // An image is for reading unless it is said otherwise.
        let read_only = matches!(source, MountSource::Image { .. });
        let copy_up = host.tmpfs_copies && matches!(source, MountSource::Tmpfs { .. });
        let mut request = MountRequest::plain(Mount { read_only, ..Mount::plain(source, target(&place)?) }, false);
        request.mount.options.copy_up = copy_up;
        rest.iter().try_for_each(|(key, value)| mount_key(&mut request, key, value.as_deref()))?;
        Ok(request)
    };
    sources.into_iter().map(one).collect()
}

/// What `type=` and `source=` stand for.
fn source_of(kind: &str, source: Option<String>, cwd: &Path) -> Result<MountSource> {
    match (kind, source) {
        ("bind", Some(source)) => Ok(MountSource::Bind { path: host_path(&source, cwd) }),
        ("bind", None) => Err(Error::usage("`source` is required for a bind mount")),
        ("volume", Some(name)) => {
            Ok(MountSource::Volume { name: volume_name(&name)?, anonymous: false, no_copy: false })
        }
        ("volume", None) => anonymous(),
        ("image", Some(name)) => Ok(MountSource::Image { name, id: String::new(), layers: Vec::new() }),
        ("image", None) => Err(Error::usage("`source` is required for an image mount: the name of the image")),
        ("tmpfs", None) => Ok(MountSource::Tmpfs { options: String::new(), flags: Vec::new() }),
        ("ramfs", None) => Ok(MountSource::Ramfs { options: String::new() }),
        ("devpts", None) => Ok(MountSource::Devpts { options: String::new() }),
        ("tmpfs" | "ramfs" | "devpts", Some(_)) => Err(Error::usage(format!("a {kind} has no source"))),
        (other, _) => Err(Error::usage(format!("mounts of type `{}` are not supported", text::clean(other)))
            .hint("`bind`, `volume`, `tmpfs`, `image`, `glob`, `ramfs` and `devpts` are")),
    }
}

/// The binds of a pattern.
fn globbed(pattern: &str, host: &MountHost<'_>) -> Result<Vec<MountSource>> {
    let pattern = host.cwd.join(pattern);
    let pattern = pattern.to_str().ok_or_else(|| Error::usage("the pattern is not UTF-8"))?;
    let found = (host.glob)(pattern)?;
    if found.is_empty() {
        return Err(Error::not_found(format!("no file fits the pattern `{}`", text::clean(pattern))));
    }
    if found.iter().any(|path| path.to_str().is_none()) {
        return Err(Error::unsupported(format!(
            "a file that fits `{}` has a name that is not UTF-8",
            text::clean(pattern)
        )));
    }
    Ok(found.into_iter().map(|path| MountSource::Bind { path: host_path(&path.to_string_lossy(), host.cwd) }).collect())
}

/// Applies one of the keys that not every type of mount has.
fn mount_key(request: &mut MountRequest, key: &str, value: Option<&str>) -> Result<()> {
    let needed = || value.ok_or_else(|| Error::usage(format!("`{key}` needs a value: `{key}=…`")));
    let mount = &mut request.mount;
    match (key, &mut mount.source) {
        ("readonly" | "ro", _) => mount.read_only = switch(key, value)?,
        ("rw" | "readwrite", _) => mount.read_only = !switch(key, value)?,
        ("consistency", _) if needed().is_ok() => {}
        ("u" | "chown", _) => mount.options.chown = switch(key, value)?,
        ("relabel", _) if matches!(needed()?, "shared" | "private") => {}
        ("z", _) if value.is_none() => {}
        ("bind-propagation", MountSource::Bind { .. }) => mount.propagation = mount_words::propagation(needed()?)?,
        ("bind-nonrecursive", MountSource::Bind { .. }) => mount.non_recursive = switch(key, value)?,
        // A mount that is for reading is so with all below it.
        ("bind-recursive", MountSource::Bind { .. }) => match needed()? {
            "enabled" | "readonly" => mount.non_recursive = false,
            "disabled" => mount.non_recursive = true,
            other => {
                let error = Error::usage(format!("`bind-recursive={}` is not supported", text::clean(other)));
                return Err(error.hint("`enabled`, `disabled` and `readonly` are"));
            }
        },
        ("volume-nocopy", MountSource::Volume { no_copy, .. }) => *no_copy = switch(key, value)?,
        ("volume-driver", MountSource::Volume { .. }) if needed()? == "local" => {}
        ("volume-driver", MountSource::Volume { .. }) => {
            return Err(Error::unsupported(format!("there is no volume driver `{}`", text::clean(needed()?)))
                .hint("`local` is the only one"));
        }
        ("volume-opt", MountSource::Volume { anonymous: false, .. }) => pair(&mut request.volume_options, needed()?),
        ("volume-label", MountSource::Volume { .. }) => pair(&mut request.volume_labels, needed()?),
        ("volume-opt", MountSource::Volume { .. }) => {
            return Err(Error::usage("`volume-opt` needs a volume with a name: `source=…`"));
        }
        ("volume-subpath" | "subpath", MountSource::Volume { .. })
        | ("image-subpath" | "subpath", MountSource::Image { .. }) => {
            mount.options.subpath = Some(subpath(needed()?)?);
        }
        ("tmpcopyup", MountSource::Tmpfs { .. }) => mount.options.copy_up = switch(key, value)?,
        ("notmpcopyup", MountSource::Tmpfs { .. }) => mount.options.copy_up = !switch(key, value)?,
        ("tmpfs-size", MountSource::Tmpfs { options, .. }) => {
            push_option(options, &format!("size={}", units::parse_size(needed()?)?));
        }
        ("tmpfs-mode", MountSource::Tmpfs { options, .. } | MountSource::Ramfs { options }) => {
            push_option(options, &format!("mode={}", mode(needed()?)?))
        }
        ("uid" | "gid" | "max", MountSource::Devpts { options }) if needed()?.parse::<u32>().is_ok() => {
            push_option(options, &format!("{key}={}", needed()?));
        }
        ("mode" | "ptmxmode", MountSource::Devpts { options }) => {
            push_option(options, &format!("{key}={}", mode(needed()?)?));
        }
        // Every devpts is one of its own.
        ("newinstance", MountSource::Devpts { .. }) => {}
        _ => return other_key(mount, key, value),
    }
    Ok(())
}

/// The keys that `-v` has as words, and what is wrong with the others.
fn other_key(mount: &mut Mount, key: &str, value: Option<&str>) -> Result<()> {
    let word = value.map_or_else(|| key.to_owned(), |value| format!("{key}={value}"));
    if !matches!(mount.source, MountSource::Devpts { .. }) && mount_words::apply(mount, &word)? {
        return Ok(());
    }
    const KNOWN: [&str; 14] = [
        "bind-propagation",
        "bind-nonrecursive",
        "bind-recursive",
        "volume-nocopy",
        "volume-driver",
        "volume-opt",
        "volume-label",
        "volume-subpath",
        "image-subpath",
        "subpath",
        "tmpfs-size",
        "tmpfs-mode",
        "tmpcopyup",
        "notmpcopyup",
    ];
    if KNOWN.contains(&key) {
        return Err(Error::usage(format!("`{key}` does not go with this type of mount")));
    }
    Err(Error::usage(format!("unexpected key `{}`", text::clean(key))))
}

/// `KEY=VALUE`, or `KEY` alone.
fn pair(into: &mut BTreeMap<String, String>, given: &str) {
    let (key, value) = given.split_once('=').unwrap_or((given, ""));
    into.insert(key.to_owned(), value.to_owned());
}

/// A place within a volume or image, without `..` and not all of it.
fn subpath(given: &str) -> Result<String> {
    let path = host_path(given, Path::new("/"));
    let goes_up = Path::new(given).components().any(|part| part == Component::ParentDir);
    match path.to_str().map(|path| path.trim_start_matches('/')) {
        Some(path) if !path.is_empty() && !goes_up => Ok(path.to_owned()),
        _ => Err(Error::usage(format!("`{}` is not a path within the mounted files", text::clean(given)))),
    }
}

/// `TARGET[:OPTION,…]`.
fn tmpfs_mount(spec: &str, mut copy_up: bool) -> Result<MountRequest> {
    let (destination, given) = spec.split_once(':').unwrap_or((spec, ""));
    let (mut options, mut flags, mut read_only) = (String::new(), Vec::new(), false);
    for option in given.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=').unwrap_or((option, "")) {
            ("ro", "") => read_only = true,
            ("rw", "") => read_only = false,
            ("tmpcopyup", "") => copy_up = true,
            ("notmpcopyup", "") => copy_up = false,
            ("noexec" | "nosuid" | "nodev" | "exec" | "suid" | "dev", "") => flags.push(option.to_owned()),
            ("size" | "nr_blocks" | "nr_inodes", value) if is_size(value) => push_option(&mut options, option),
            ("mode", value) => push_option(&mut options, &format!("mode={}", mode(value)?)),
            ("uid" | "gid", value) if parse_id(value)?.is_some() => push_option(&mut options, option),
            _ => return Err(Error::usage(format!("unknown or malformed option `{}`", text::clean(option)))),
        }
    }
    let mut mount = Mount::plain(MountSource::Tmpfs { options, flags }, target(destination)?);
    mount.read_only = read_only;
    mount.options.copy_up = copy_up;
    Ok(MountRequest::plain(mount, false))
}

fn push_option(options: &mut String, option: &str) {
    if !options.is_empty() {
        options.push(',');
    }
    options.push_str(option);
}

/// A number with one of tmpfs(5)'s suffixes.
fn is_size(value: &str) -> bool {
    let digits = value.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G', '%']).unwrap_or(value);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// An octal file mode.
fn mode(value: &str) -> Result<&str> {
    match u32::from_str_radix(value, 8) {
        Ok(mode) if mode <= 0o7777 && !value.starts_with('+') => Ok(value),
        _ => Err(Error::usage(format!("`{}` is not an octal file mode", text::clean(value)))),
    }
}

fn switch(key: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(Error::usage(format!("`{key}={}` is neither true nor false", text::clean(other)))),
    }
}

fn anonymous() -> Result<MountSource> {
    Ok(MountSource::Volume { name: random_hex()?.parse()?, anonymous: true, no_copy: false })
}

fn volume_name(name: &str) -> Result<Name> {
    if name.contains('/') {
        return Err(Error::usage(format!("`{}` is not a volume name", text::clean(name)))
            .hint("to mount a directory of this machine, begin its path with `/` or `./`"));
    }
    name.parse()
}

/// A path of this machine, absolute and without `.` and `..`. They are removed by their names, as docker does.
fn host_path(source: &str, cwd: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for component in cwd.join(source).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

/// Where a mount appears: absolute, normalised, not the root.
fn target(destination: &str) -> Result<String> {
    if !destination.starts_with('/') {
        return Err(Error::usage(format!("the target `{}` is not an absolute path", text::clean(destination))));
    }
    let path = host_path(destination, Path::new("/"));
    match path.to_str() {
        Some("/") | None => Err(Error::usage("the target must not be `/`")),
        Some(path) => Ok(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::storage::Propagation;

    fn one(flag: &str, spec: &str) -> Result<MountRequest> {
        let specs = [spec.to_owned()];
        let pick = |name| if flag == name { &specs[..] } else { &[] };
        Ok(several(pick("-v"), pick("--mount"), pick("--tmpfs"))?.remove(0))
    }

    fn several(volumes: &[String], mounts: &[String], tmpfs: &[String]) -> Result<Vec<MountRequest>> {
        let glob = |pattern: &str| -> Result<Vec<PathBuf>> {
            let found: &[&str] = if pattern == "/lib/a*" { &["/lib/a.so", "/lib/ab.so"] } else { &[] };
            Ok(found.iter().map(PathBuf::from).collect())
        };
        let host = MountHost { cwd: Path::new("/home/ann/work"), glob: &glob, tmpfs_copies: false };
        all(volumes, mounts, tmpfs, &host)
    }

    fn bind(path: &str) -> MountSource {
        MountSource::Bind { path: path.into() }
    }

    fn named(name: &str) -> MountSource {
        MountSource::Volume { name: name.parse().unwrap(), anonymous: false, no_copy: false }
    }

    fn tmpfs(options: &str, flags: &[&str]) -> MountSource {
        MountSource::Tmpfs { options: options.into(), flags: flags.iter().map(|flag| (*flag).into()).collect() }
    }

    #[test]
    fn good_mounts() {
        for (flag, spec, source, target, read_only) in [
            ("-v", "/a:/b", bind("/a"), "/b", false),
            ("-v", "/a/../c/:/b//x/./y/:ro,z", bind("/c"), "/b/x/y", true),
            ("-v", "./src:/src:rw,Z", bind("/home/ann/work/src"), "/src", false),
            ("-v", "..:/src", bind("/home/ann"), "/src", false),
            ("-v", "data:/var/lib", named("data"), "/var/lib", false),
            ("--mount", "type=bind,source=/a,target=/b,readonly", bind("/a"), "/b", true),
            ("--mount", "type=bind,src=rel,dst=/b,ro=false", bind("/home/ann/work/rel"), "/b", false),
            ("--mount", "\"type=bind\",\"src=/a,b\",destination=/b", bind("/a,b"), "/b", false),
            ("--mount", "source=data,target=/b,volume-driver=local", named("data"), "/b", false),
            (
                "--mount",
                "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770",
                tmpfs("size=1048576,mode=1770", &[]),
                "/t",
                false,
            ),
            ("--tmpfs", "/run", tmpfs("", &[]), "/run", false),
            (
                "--tmpfs",
                "/run:exec,size=64m,mode=755,ro,uid=7",
                tmpfs("size=64m,mode=755,uid=7", &["exec"]),
                "/run",
                true,
            ),
        ] {
            let request = one(flag, spec).unwrap();
            let got = (request.mount.source, request.mount.target.as_str(), request.mount.read_only);
            assert_eq!(got, (source, target, read_only), "{spec}");
            assert_eq!(request.create_source, flag == "-v", "{spec}");
        }
    }

    #[test]
    fn details_of_binds_and_volumes() {
        assert_eq!(one("-v", "/a:/b:rslave").unwrap().mount.propagation, Propagation::Rslave);
        assert!(one("--mount", "type=bind,src=/a,dst=/b,bind-recursive=disabled").unwrap().mount.non_recursive);
        let propagated = one("--mount", "type=bind,src=/a,dst=/b,bind-propagation=rslave").unwrap();
        assert_eq!(propagated.mount.propagation, Propagation::Rslave);
        for (flag, spec) in [("-v", "data:/b:nocopy"), ("--mount", "src=data,dst=/b,volume-nocopy")] {
            assert!(matches!(one(flag, spec).unwrap().mount.source, MountSource::Volume { no_copy: true, .. }));
        }
        for (flag, spec) in [("-v", "/data"), ("--mount", "type=volume,dst=/data")] {
            match one(flag, spec).unwrap().mount.source {
                MountSource::Volume { name, anonymous: true, .. } => assert_eq!(name.as_str().len(), 64),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn podmans_types_and_words_are_read() {
        use super::super::mount_options::{MountOptions, Overlay};
        let with = |change: fn(&mut MountOptions)| {
            let mut options = MountOptions::default();
            change(&mut options);
            options
        };
        for (flag, spec, expected) in [
            (
                "-v",
                "/a:/b:U,noexec,nodev,suid",
                with(|o| (o.chown, o.exec, o.dev, o.suid) = (true, Some(false), Some(false), Some(true))),
            ),
            ("-v", "data:/b:O", with(|o| o.overlay = Some(Overlay::default()))),
            (
                "-v",
                "/a:/b:O,upperdir=u,workdir=/w",
                with(|o| {
                    o.overlay = Some(Overlay { kept: Some(("/home/ann/work/u".into(), "/w".into())) });
                }),
            ),
            (
                "--mount",
                "type=bind,src=/a,dst=/b,U=true,exec,relabel=shared,Z",
                with(|o| (o.chown, o.exec) = (true, Some(true))),
            ),
            ("--mount", "type=volume,src=a,dst=/b,volume-subpath=x/./y", with(|o| o.subpath = Some("x/y".into()))),
            ("--mount", "type=image,src=box,dst=/b,subpath=/etc", with(|o| o.subpath = Some("etc".into()))),
            ("--mount", "type=tmpfs,dst=/b,tmpcopyup,chown", with(|o| (o.copy_up, o.chown) = (true, true))),
            ("--tmpfs", "/b:tmpcopyup", with(|o| o.copy_up = true)),
        ] {
            assert_eq!(one(flag, spec).unwrap().mount.options, expected, "{spec}");
        }
        for (spec, source, read_only) in [
            (
                "type=image,src=box,dst=/b",
                MountSource::Image { name: "box".into(), id: String::new(), layers: vec![] },
                true,
            ),
            (
                "type=image,src=box,dst=/b,rw=true",
                MountSource::Image { name: "box".into(), id: String::new(), layers: vec![] },
                false,
            ),
            ("type=ramfs,dst=/b,tmpfs-mode=700", MountSource::Ramfs { options: "mode=700".into() }, false),
            (
                "type=devpts,dst=/b,newinstance,max=4,mode=600,gid=5",
                MountSource::Devpts { options: "max=4,mode=600,gid=5".into() },
                false,
            ),
        ] {
            let mount = one("--mount", spec).unwrap().mount;
            assert_eq!((mount.source, mount.read_only), (source, read_only), "{spec}");
        }
        let globbed = several(&[], &["type=glob,src=/lib/a*,dst=/l,ro".into()], &[]).unwrap();
        let shown = |request: &MountRequest| {
            (request.mount.source.clone(), request.mount.target.clone(), request.mount.read_only)
        };
        assert_eq!(
            globbed.iter().map(shown).collect::<Vec<_>>(),
            [(bind("/lib/a.so"), "/l/a.so".into(), true), (bind("/lib/ab.so"), "/l/ab.so".into(), true)]
        );
        assert_eq!(one("--mount", "type=glob,src=/lib/a*").unwrap().mount.target, "/lib/a.so");
        let made =
            one("--mount", "src=v,dst=/b,\"volume-opt=o=bind,ro\",volume-opt=device=/srv,volume-label=a=b").unwrap();
        assert_eq!(made.volume_options, [("o".into(), "bind,ro".into()), ("device".into(), "/srv".into())].into());
        assert_eq!(made.volume_labels, [("a".into(), "b".into())].into());
    }

    #[test]
    fn wrong_mounts_say_why() {
        for (flag, spec, reason) in [
            ("-v", "", "must not be empty"),
            ("-v", ":/b", "must not be empty"),
            ("-v", "/a:", "must not be empty"),
            ("-v", "/a:/b:ro:x", "too many colons"),
            ("-v", "/a:b", "not an absolute path"),
            ("-v", "/a:/x/..", "must not be `/`"),
            ("-v", "a/b:/c", "not a volume name"),
            ("-v", "-x:/c", "invalid name"),
            ("-v", "/foo:ro", "not an absolute path"),
            ("-v", "/a:/b:nocopy", "unknown option `nocopy`"),
            ("-v", "/a:/b:runbindable", "`runbindable` is not supported"),
            ("-v", "/a:/b:upperdir=/u,workdir=/w", "need the option `O`"),
            ("-v", "/a:/b:O,upperdir=/u", "together"),
            ("-v", "/a:/b:O,idmap", "`O` goes neither"),
            ("-v", "/a:/b:exec,noexec", "exclude each other"),
            ("-v", "/a:/b:frob", "unknown option `frob`"),
            ("-v", "/a:/b:O=1", "unknown option"),
            ("--mount", "type=bind,source=/a", "`target` is required"),
            ("--mount", "type=bind,target=/a", "`source` is required"),
            ("--mount", "type=foo,target=/a", "type `foo`"),
            ("--mount", "foo=bar,target=/a", "unexpected key `foo`"),
            ("--mount", "type=tmpfs,source=/x,target=/a", "no source"),
            ("--mount", "type=bind,src=/a,dst=/b,tmpfs-size=1", "does not go with"),
            ("--mount", "type=volume,dst=/b,volume-opt=x=y", "needs a volume with a name"),
            ("--mount", "type=volume,src=a,dst=/b,volume-driver=nfs", "no volume driver `nfs`"),
            ("--mount", "type=volume,src=a,dst=/b,volume-subpath=../x", "not a path within"),
            ("--mount", "type=volume,src=a,dst=/b,volume-subpath=/", "not a path within"),
            ("--mount", "type=bind,src=/a,dst=/b,subpath=x", "does not go with"),
            ("--mount", "type=image,dst=/b", "`source` is required"),
            ("--mount", "type=image,src=box,dst=/b,idmap", "`idmap` does not go with"),
            ("--mount", "type=glob,src=/lib/b*,dst=/b", "no file fits the pattern `/lib/b*`"),
            ("--mount", "type=glob,dst=/b", "`source` is required"),
            ("--mount", "type=ramfs,dst=/b,tmpfs-size=1m", "does not go with"),
            ("--mount", "type=devpts,dst=/b,mode=9", "octal"),
            ("--mount", "type=devpts,dst=/b,max=x", "unexpected key `max`"),
            ("--mount", "type=devpts,dst=/b,noexec", "unexpected key `noexec`"),
            ("--mount", "type=devpts,dst=/b,u=true", "`U` does not go"),
            ("--mount", "type=bind,src=/a,dst=/b,readonly=maybe", "neither true nor false"),
            ("--mount", "type=bind,src,dst=/b", "needs a value"),
            ("--mount", "type=bind,\"src=/a", "quote"),
            ("--tmpfs", "run", "not an absolute path"),
            ("--tmpfs", "/run:size=many", "malformed option"),
            ("--tmpfs", "/run:mode=999", "octal"),
            ("--tmpfs", "/run:frob", "malformed option"),
        ] {
            let chain = one(flag, spec).unwrap_err().chain();
            assert!(chain.contains(reason), "{spec}: {chain}");
            assert!(chain.starts_with("invalid argument `"), "{chain}");
        }
        let twice = several(&["/a:/x".into()], &[], &["/x/".into()]).unwrap_err();
        assert_eq!(twice.message(), "duplicate mount point: `/x`");
    }
}
