//! `--volume`, `--mount` and `--tmpfs`: three spellings of mounts, read as docker reads them.

use std::path::{Component, Path, PathBuf};

use super::csv;
use super::ids::parse_id;
use super::storage::{Mount, MountRequest, MountSource, Propagation};
use super::units;
use crate::base::id::{Name, random_hex};
use crate::base::{Error, Result, ResultExt, text};

/// The mounts of a command line, in docker's order: volumes, mounts, tmpfs. `cwd` is what relative sources start from.
pub fn all(volumes: &[String], mounts: &[String], tmpfs: &[String], cwd: &Path) -> Result<Vec<MountRequest>> {
    let mut all = Vec::new();
    for (flag, specs, read) in [
        ("--volume", volumes, volume as fn(&str, &Path) -> Result<MountRequest>),
        ("--mount", mounts, mount),
        ("--tmpfs", tmpfs, |spec, _| tmpfs_mount(spec)),
    ] {
        for spec in specs {
            let read = read(spec, cwd).context(|| format!("invalid argument `{}` for `{flag}`", text::clean(spec)))?;
            all.push(read);
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
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match (option, &mut mount.source) {
            ("nocopy", MountSource::Volume { no_copy, .. }) => *no_copy = true,
            ("ro", _) => mount.read_only = true,
            // SELinux labels are not needed: nothing confines coracle's containers by label. The others only ever had a
            // meaning on other systems.
            ("rw" | "z" | "Z" | "cached" | "delegated" | "consistent", _) => {}
            (option, MountSource::Bind { .. }) => mount.propagation = propagation(option)?,
            (option, _) => return Err(Error::usage(format!("unknown option `{}`", text::clean(option)))),
        }
    }
    Ok(MountRequest { mount, create_source: true })
}

/// `type=bind|volume|tmpfs,key=value,…`. Nothing is made that is not there.
fn mount(spec: &str, cwd: &Path) -> Result<MountRequest> {
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
    let destination = destination.ok_or_else(|| Error::usage("`target` is required"))?;
    let source = match (kind.as_str(), source) {
        ("bind", Some(source)) if !source.is_empty() => MountSource::Bind { path: host_path(&source, cwd) },
        ("bind", _) => return Err(Error::usage("`source` is required for a bind mount")),
        ("volume", Some(name)) if !name.is_empty() => {
            MountSource::Volume { name: volume_name(&name)?, anonymous: false, no_copy: false }
        }
        ("volume", _) => anonymous()?,
        ("tmpfs", None) => MountSource::Tmpfs { options: String::new(), flags: Vec::new() },
        ("tmpfs", Some(_)) => return Err(Error::usage("a tmpfs has no source")),
        (other, _) => {
            return Err(Error::usage(format!("mounts of type `{}` are not supported", text::clean(other)))
                .hint("`bind`, `volume` and `tmpfs` are"));
        }
    };
    let mut mount = Mount::plain(source, target(&destination)?);
    for (key, value) in rest {
        mount_key(&mut mount, &key, value.as_deref())?;
    }
    Ok(MountRequest { mount, create_source: false })
}

/// Applies one of the keys that not every type of mount has.
fn mount_key(mount: &mut Mount, key: &str, value: Option<&str>) -> Result<()> {
    let needed = || value.ok_or_else(|| Error::usage(format!("`{key}` needs a value: `{key}=…`")));
    match (key, &mut mount.source) {
        ("readonly" | "ro", _) => mount.read_only = switch(key, value)?,
        ("consistency", _) if needed().is_ok() => {}
        ("bind-propagation", MountSource::Bind { .. }) => mount.propagation = propagation(needed()?)?,
        ("bind-nonrecursive", MountSource::Bind { .. }) => mount.non_recursive = switch(key, value)?,
        ("bind-recursive", MountSource::Bind { .. }) => match needed()? {
            "enabled" => mount.non_recursive = false,
            "disabled" => mount.non_recursive = true,
            other => {
                let error = Error::usage(format!("`bind-recursive={}` is not supported", text::clean(other)));
                return Err(error.hint("`enabled` and `disabled` are"));
            }
        },
        ("volume-nocopy", MountSource::Volume { no_copy, .. }) => *no_copy = switch(key, value)?,
        ("volume-driver", MountSource::Volume { .. }) if needed()? == "local" => {}
        ("tmpfs-size", MountSource::Tmpfs { options, .. }) => {
            push_option(options, &format!("size={}", units::parse_size(needed()?)?));
        }
        ("tmpfs-mode", MountSource::Tmpfs { options, .. }) => {
            push_option(options, &format!("mode={}", mode(needed()?)?))
        }
        ("volume-driver" | "volume-opt" | "volume-label" | "volume-subpath" | "image-subpath", _) => {
            return Err(Error::unsupported(format!("`{key}` is not supported")));
        }
        (
            "bind-propagation" | "bind-nonrecursive" | "bind-recursive" | "volume-nocopy" | "tmpfs-size" | "tmpfs-mode",
            _,
        ) => {
            return Err(Error::usage(format!("`{key}` does not go with this type of mount")));
        }
        (key, _) => return Err(Error::usage(format!("unexpected key `{}`", text::clean(key)))),
    }
    Ok(())
}

/// `TARGET[:OPTION,…]`.
fn tmpfs_mount(spec: &str) -> Result<MountRequest> {
    let (destination, given) = spec.split_once(':').unwrap_or((spec, ""));
    let (mut options, mut flags, mut read_only) = (String::new(), Vec::new(), false);
    for option in given.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=').unwrap_or((option, "")) {
            ("ro", "") => read_only = true,
            ("rw", "") => read_only = false,
            ("noexec" | "nosuid" | "nodev" | "exec" | "suid" | "dev", "") => flags.push(option.to_owned()),
            ("size" | "nr_blocks" | "nr_inodes", value) if is_size(value) => push_option(&mut options, option),
            ("mode", value) => push_option(&mut options, &format!("mode={}", mode(value)?)),
            ("uid" | "gid", value) if parse_id(value)?.is_some() => push_option(&mut options, option),
            _ => return Err(Error::usage(format!("unknown or malformed option `{}`", text::clean(option)))),
        }
    }
    let mut mount = Mount::plain(MountSource::Tmpfs { options, flags }, target(destination)?);
    mount.read_only = read_only;
    Ok(MountRequest { mount, create_source: false })
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

fn propagation(word: &str) -> Result<Propagation> {
    match word {
        "rprivate" => Ok(Propagation::Rprivate),
        "rslave" => Ok(Propagation::Rslave),
        "private" | "slave" | "shared" | "rshared" => {
            Err(Error::unsupported(format!("mount propagation `{word}` is not supported"))
                .hint("`rprivate` (the default) and `rslave` are"))
        }
        other => Err(Error::usage(format!("unknown option `{}`", text::clean(other)))),
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

    fn one(flag: &str, spec: &str) -> Result<MountRequest> {
        let specs = [spec.to_owned()];
        let pick = |name| if flag == name { &specs[..] } else { &[] };
        Ok(all(pick("-v"), pick("--mount"), pick("--tmpfs"), Path::new("/home/ann/work"))?.remove(0))
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
            ("-v", "data:/b:rslave", "unknown option"),
            ("-v", "/a:/b:rshared", "`rshared` is not supported"),
            ("--mount", "type=bind,source=/a", "`target` is required"),
            ("--mount", "type=bind,target=/a", "`source` is required"),
            ("--mount", "type=foo,target=/a", "type `foo`"),
            ("--mount", "foo=bar,target=/a", "unexpected key `foo`"),
            ("--mount", "type=tmpfs,source=/x,target=/a", "no source"),
            ("--mount", "type=bind,src=/a,dst=/b,tmpfs-size=1", "does not go with"),
            ("--mount", "type=volume,src=a,dst=/b,volume-opt=x=y", "not supported"),
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
        let twice = all(&["/a:/x".into()], &[], &["/x/".into()], Path::new("/")).unwrap_err();
        assert_eq!(twice.message(), "duplicate mount point: `/x`");
    }
}
