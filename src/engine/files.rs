//! The files of `/etc` that every container gets as its own: hosts, hostname and resolv.conf. Pure.

use crate::state::record::Network;

/// `/etc/hosts`: the host's for a container in the host's network, else loopback and the usual IPv6 names; and the
/// container's own name, which programs like to look up.
pub(super) fn hosts(network: Network, host: &str, hostname: &str) -> String {
    let known =
        |line: &str| line.split('#').next().unwrap_or_default().split_whitespace().skip(1).any(|n| n == hostname);
    match network {
        Network::Host if host.lines().any(known) => host.to_owned(),
        Network::Host => format!("{}\n127.0.1.1\t{hostname}\n", host.trim_end_matches('\n')),
        Network::None => format!(
            "127.0.0.1\tlocalhost\n\
             ::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\n\
             ff00::0\tip6-mcastprefix\n\
             ff02::1\tip6-allnodes\n\
             ff02::2\tip6-allrouters\n\
             127.0.1.1\t{hostname}\n"
        ),
    }
}

/// `/etc/resolv.conf`: the host's, or none where nobody could be asked, so that look-ups fail at once.
pub(super) fn resolv_conf(network: Network, host: &str) -> String {
    match network {
        Network::Host => host.to_owned(),
        Network::None => "# this container has no network\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_finds_its_own_name() {
        assert!(hosts(Network::None, "", "box").ends_with("127.0.1.1\tbox\n"));
        assert_eq!(hosts(Network::Host, "127.0.0.1 localhost\n", "box"), "127.0.0.1 localhost\n127.0.1.1\tbox\n");
        assert_eq!(hosts(Network::Host, "127.0.0.1 a box # x\n", "box"), "127.0.0.1 a box # x\n");
        assert_eq!(resolv_conf(Network::Host, "nameserver ::1\n"), "nameserver ::1\n");
        assert!(!resolv_conf(Network::None, "nameserver ::1\n").contains("nameserver"));
    }
}
