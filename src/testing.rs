//! The door for tests: all that the programs in `tests/` reach of the library, beside the engine's verbs. Everything else is
//! private to the crate, so that the compiler tells what nothing uses any more. No interface for anybody else: it changes
//! with the tests.

/// Ground.
pub mod base {
    pub use crate::base::id::Name;
    pub use crate::base::{ContainerId, Kind, Paths, Result};

    /// The named steps at which a test can make a process fail.
    pub mod failpoint {
        pub use crate::base::failpoint::{Effect, FILE, PASSED, POINTS};
    }
}

/// What the command line generates.
pub mod cli {
    pub use crate::cli::generate::{completions, man_pages};
}

/// Projects.
pub mod compose {
    pub use crate::compose::files::{Files, Machine};
    pub use crate::compose::project::{Project, Request, Skip, load};
    pub use crate::compose::{hash, print};
}

/// The network process and its parts.
pub mod net {
    pub use crate::net::client::Membership;
    pub use crate::net::handler::{
        Context, Handler, Holder, Interest, Link, Offload, Outside, Policy, Sockets, Token, Wakes,
    };
    pub use crate::net::netd::{ROLE, Running, main};
    pub use crate::net::networks::{Networks, NewNetwork};
    pub use crate::net::protocol::Join;
    pub use crate::net::table::{HOST_GATEWAY_V4, HOST_GATEWAY_V6};
    pub use crate::net::tcp::{Limits, TPROXY_PORT, Tcp};
    pub use crate::net::tcp_ports::{Target, TcpPorts};

    /// Packets.
    pub mod packet {
        pub use crate::net::packet::{Flags, Ip, MAX_PACKET, Transport, VNET_HEADER, decode, encode};
    }
}

/// Names and digests of images.
pub mod oci {
    pub use crate::oci::{Digest, Platform, Reference};
}

/// How registries are reached.
pub mod registry {
    pub use crate::registry::Settings;
}

/// The outer user namespace.
pub mod rootless {
    pub use crate::rootless::outer::enter;
}

/// Plain values.
pub mod spec {
    pub use crate::spec::events::Event;
    pub use crate::spec::idmap::IdMap;
    pub use crate::spec::image::{ImageRequest, PullPolicy};
    pub use crate::spec::logs::Entry;
    pub use crate::spec::namespaces::NetworkRequest;
    pub use crate::spec::resources::Resources;
    pub use crate::spec::restart::RestartPolicy;
    pub use crate::spec::storage::StorageDriver;

    /// Networks.
    pub mod network {
        pub use crate::spec::network::{
            FORMAT, Joined, Mac, Network, Protocol, Publish, PublishedPort, Rate, Subnet, Wish,
        };
    }
}

/// System calls.
pub mod sys {
    pub use crate::sys::process::{Cloned, Forked, exit_now, fork, has_one_thread, set_seccomp_filter};
    pub use crate::sys::tcp::at_mark;
    pub use crate::sys::tun::{create, set_offloads};
}

/// Union mounts.
pub mod union {
    pub use crate::union::Union;
    pub use crate::union::fuse::{Options, Owners, mount_with};
    pub use crate::union::overlay::mount_detached;
}
