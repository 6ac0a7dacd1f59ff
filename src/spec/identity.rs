//! The identity of a container to its own programs: its host name, and the user that its main process runs as.

use serde::{Deserialize, Serialize};

use super::ids::UserNamespace;
use super::namespaces::{Namespaces, NetworkMode};
use crate::base::{Error, Result, text};
use crate::oci::config::Defaults;

/// The identity, decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The host name (uts namespace).
    pub hostname: String,
    /// `user[:group]` by names or ids; empty for root.
    pub user: String,
    /// Further groups of the container by names or ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// It has the supplementary groups that the user has on the host, and no others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_groups: bool,
}

/// The identity as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityRequest {
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--group-add`.
    pub groups: Vec<String>,
}

impl IdentityRequest {
    /// Decides. `hostname` is the name without `--hostname`.
    pub fn resolve(&self, image: &Defaults, namespaces: &Namespaces, hostname: &str) -> Result<Identity> {
        let hostname = match (&self.hostname, &namespaces.network) {
            (Some(_), NetworkMode::Container(_)) => {
                return Err(Error::usage("conflicting options: hostname and the network of another container"));
            }
            (Some(name), _) => valid_hostname(name)?,
            (None, _) => hostname.to_owned(),
        };
        let user = match (&self.user, &namespaces.user) {
            (Some(user), _) => user.clone(),
            // Whoever keeps its id wants to be it, whatever the image says (podman does the same).
            (None, UserNamespace::KeepId { uid, gid, .. }) => format!("{uid}:{gid}"),
            (None, _) => image.user.clone(),
        };
        let keep_groups = self.groups.iter().any(|group| group == KEEP_GROUPS);
        if keep_groups && self.groups.len() > 1 {
            return Err(Error::usage(
                "the '--group-add keep-groups' option is not allowed with any other --group-add options",
            )
            .hint("a process either keeps the groups that it has, or is given new ones"));
        }
        if let Some(bad) = self.groups.iter().find(|group| group.is_empty() || group.contains([':', '\0', '\n'])) {
            return Err(Error::usage(format!("invalid group `{}`", text::clean(bad))));
        }
        let groups = if keep_groups { Vec::new() } else { self.groups.clone() };
        Ok(Identity { hostname, user, groups, keep_groups })
    }
}

/// podman's word for the groups that the user has on the host.
const KEEP_GROUPS: &str = "keep-groups";

/// The kernel's limit is 64 bytes (uname(2)); the characters are those of docker's check.
fn valid_hostname(name: &str) -> Result<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match !name.is_empty() && name.len() <= 63 && name.chars().all(fine) && !name.starts_with('-') {
        true => Ok(name.to_owned()),
        false => Err(Error::usage(format!("invalid hostname `{}`", text::clean(name)))
            .hint("letters, digits, `-`, `.` and `_`, at most 63")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(hostname: Option<&str>, user: Option<&str>, namespaces: &Namespaces) -> Result<(String, String)> {
        let image = Defaults { user: "web".into(), ..Defaults::default() };
        let request =
            IdentityRequest { hostname: hostname.map(String::from), user: user.map(String::from), groups: Vec::new() };
        request.resolve(&image, namespaces, "abc").map(|identity| (identity.hostname, identity.user))
    }

    #[test]
    fn the_user_is_the_requests_or_the_kept_one_or_the_images() {
        let own = Namespaces::default();
        let user = UserNamespace::KeepId { uid: 1, gid: 2, name: String::new(), group: String::new() };
        let kept = Namespaces { user, ..Namespaces::default() };
        for (namespaces, asked, user) in [
            (&own, None, "web"),
            (&own, Some("0"), "0"),
            (&own, Some(""), ""),
            (&kept, None, "1:2"),
            (&kept, Some("0"), "0"),
        ] {
            assert_eq!(decide(None, asked, namespaces).unwrap(), ("abc".into(), user.into()), "{asked:?}");
        }
    }

    #[test]
    fn groups_are_added_or_kept() {
        let groups = |groups: &[&str]| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            let request = IdentityRequest { groups, ..IdentityRequest::default() };
            let identity = request.resolve(&Defaults::default(), &Namespaces::default(), "abc");
            identity.map(|identity| (identity.groups, identity.keep_groups))
        };
        assert_eq!(groups(&["audio", "7"]).unwrap(), (vec!["audio".to_owned(), "7".to_owned()], false));
        assert_eq!(groups(&["keep-groups"]).unwrap(), (vec![], true));
        assert!(groups(&["keep-groups", "7"]).unwrap_err().message().contains("not allowed with any other"));
        assert!(groups(&["a:b"]).is_err() && groups(&[""]).is_err());
    }

    #[test]
    fn host_names_are_checked() {
        let own = Namespaces::default();
        assert_eq!(decide(Some("web-1.x"), None, &own).unwrap().0, "web-1.x");
        for host in ["", "-a", "a b", &"x".repeat(64)] {
            assert!(decide(Some(host), None, &own).is_err(), "{host}");
        }
        let network = NetworkMode::Container("ab".repeat(32).parse().unwrap());
        let shared = Namespaces { network, ..Namespaces::default() };
        assert!(decide(Some("web"), None, &shared).unwrap_err().message().contains("another container"));
        assert_eq!(decide(None, None, &shared).unwrap().0, "abc");
    }
}
