//! The files of `/etc` that every container gets as its own: hosts, hostname and resolv.conf. Pure.

use crate::state::record::Network;

/// `/etc/hosts`: the host's for a container in the host's network, else loopback and the usual IPv6 names.
pub(super) fn hosts(network: Network, host: &str) -> String {
    match network {
        Network::Host => host.to_owned(),
        Network::None => concat!(
            "127.0.0.1\tlocalhost\n",
            "::1\tlocalhost ip6-localhost ip6-loopback\n",
            "fe00::0\tip6-localnet\n",
            "ff00::0\tip6-mcastprefix\n",
            "ff02::1\tip6-allnodes\n",
            "ff02::2\tip6-allrouters\n",
        )
        .to_owned(),
    }
}

/// `/etc/resolv.conf`: the host's, or none where nobody could be asked, so that look-ups fail at once.
pub(super) fn resolv_conf(network: Network, host: &str) -> String {
    match network {
        Network::Host => host.to_owned(),
        Network::None => "# this container has no network\n".to_owned(),
    }
}
