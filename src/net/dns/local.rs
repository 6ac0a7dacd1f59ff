//! Which queries are answered here, and which are relayed to which resolver. Pure.
//!
//! A container has its bare name, its name with that of its network, and one in the domain of containers ([`DOMAIN`]).
//! It has none in the host's domains: a container `www` does not hide `www.corp.example`. If a name exists with another
//! type only, the answer is NOERROR without data, never NXDOMAIN, which would stop programs that ask for both families.

use std::net::IpAddr;

use super::message::{self, Code, Data, Question};
use crate::net::etc::DOMAIN;
use crate::net::table::{Table, Upstream};

/// What to do with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Answer it with this code and data.
    Answer(Code, Vec<Data>),
    /// Ask the host's resolvers.
    AskHost,
    /// Ask these resolvers.
    Ask(Vec<IpAddr>),
}

/// Decides. `turn` selects which of several addresses comes first.
pub fn decide(table: &Table, asker: IpAddr, question: &Question, turn: usize) -> Decision {
    if question.edns.is_some_and(|edns| edns.version > 0) {
        return relay(table, asker);
    }
    let in_class = matches!(question.class, message::CLASS_IN | message::CLASS_ANY);
    let Some(name) = question.name.as_deref().filter(|name| in_class && !name.is_empty()) else {
        return relay(table, asker);
    };
    if let Some(address) = message::reversed(name) {
        return reverse(table, asker, address, question).unwrap_or_else(|| relay(table, asker));
    }
    let in_domain = name.strip_suffix(DOMAIN).and_then(|name| name.strip_suffix('.'));
    let found = table.lookup(asker, name).or_else(|| table.lookup(asker, in_domain?));
    match found {
        Some(found) => {
            let is_asked = |kind| question.kind == kind || question.kind == message::TYPE_ANY;
            let mut data = Vec::new();
            if is_asked(message::TYPE_A) {
                data.extend(rotated(&found.ipv4, turn).map(|address| Data::Address(address.into())));
            }
            if is_asked(message::TYPE_AAAA) {
                data.extend(rotated(&found.ipv6, turn).map(|address| Data::Address(address.into())));
            }
            Decision::Answer(Code::NoError, data)
        }
        // Names that only containers know.
        None if name.ends_with(".docker.internal") || name.ends_with(".containers.internal") => {
            Decision::Answer(Code::NxDomain, Vec::new())
        }
        None => relay(table, asker),
    }
}

/// Reverse lookup: the name of a member, or NXDOMAIN within the client's networks.
fn reverse(table: &Table, asker: IpAddr, address: IpAddr, question: &Question) -> Option<Decision> {
    match table.reverse(asker, address) {
        Some(names) => {
            let wanted = matches!(question.kind, message::TYPE_PTR | message::TYPE_ANY);
            let names = names.into_iter().filter(|_| wanted).map(Data::Name).collect();
            Some(Decision::Answer(Code::NoError, names))
        }
        None if table.is_local(asker, address) => Some(Decision::Answer(Code::NxDomain, Vec::new())),
        None => None,
    }
}

fn relay(table: &Table, asker: IpAddr) -> Decision {
    match table.upstream(asker) {
        Upstream::Host => Decision::AskHost,
        Upstream::Servers(servers) => Decision::Ask(servers),
        // The client has no way out, so no other name exists.
        Upstream::Nobody => Decision::Answer(Code::NxDomain, Vec::new()),
    }
}

fn rotated<T: Copy>(items: &[T], turn: usize) -> impl Iterator<Item = T> {
    let start = turn.checked_rem(items.len()).unwrap_or(0);
    items.iter().cycle().skip(start).take(items.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::question;
    use super::*;
    use crate::net::table::fixtures;

    fn decided(table: &Table, asker: &str, name: &str, kind: u16, turn: usize) -> String {
        let question = message::parse(&question(1, name, kind, None)).unwrap();
        let show = |data: &Data| match data {
            Data::Address(address) => address.to_string(),
            Data::Name(name) => name.clone(),
        };
        match decide(table, asker.parse().unwrap(), &question, turn) {
            Decision::AskHost => "host".into(),
            Decision::Ask(servers) => servers.iter().map(|s| s.to_string()).collect::<Vec<_>>().join(" "),
            Decision::Answer(code, data) => {
                let data = data.iter().map(show).collect::<Vec<_>>().join(" ");
                format!("{code:?} {data}").trim_end().to_owned()
            }
        }
    }

    #[test]
    fn containers_are_found_and_everything_else_is_relayed() {
        use message::{TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_PTR};
        const MX: u16 = 15;
        let mut table = Table::default();
        let front = fixtures::network('a', "front", &["10.1.0.0/24", "fd00:1::/64"]);
        let inner =
            crate::spec::network::Network { internal: true, ..fixtures::network('b', "inner", &["10.2.0.0/24"]) };
        fixtures::enter(&mut table, '1', "web", &front, &["www"]);
        fixtures::enter(&mut table, '2', "db", &front, &["www"]);
        fixtures::enter(&mut table, '3', "alone", &inner, &[]);
        let (web, alone) = ("10.1.0.2", "10.2.0.2");
        for (asker, name, kind, turn, expected) in [
            (web, "db", TYPE_A, 0, "NoError 10.1.0.3"),
            (web, "DB", TYPE_AAAA, 0, "NoError fd00:1::3"),
            (web, "db", TYPE_ANY, 0, "NoError 10.1.0.3 fd00:1::3"),
            (web, "db", MX, 0, "NoError"),
            (web, "db.front", TYPE_A, 0, "NoError 10.1.0.3"),
            (web, "db.containers.internal", TYPE_A, 0, "NoError 10.1.0.3"),
            (web, "db.front.containers.internal", TYPE_AAAA, 0, "NoError fd00:1::3"),
            (web, "nobody.containers.internal", TYPE_A, 0, "NxDomain"),
            (web, "containers.internal", TYPE_A, 0, "host"),
            (web, "db.corp.example", TYPE_A, 0, "host"),
            (web, "www", TYPE_A, 0, "NoError 10.1.0.2 10.1.0.3"),
            (web, "www", TYPE_A, 1, "NoError 10.1.0.3 10.1.0.2"),
            (web, "www", TYPE_A, 2, "NoError 10.1.0.2 10.1.0.3"),
            (web, "corp.example", TYPE_A, 0, "host"),
            (web, "nobody", TYPE_A, 0, "host"),
            (web, "example.com", TYPE_A, 0, "host"),
            (web, "", 2, 0, "host"),
            (web, "host.docker.internal", TYPE_A, 0, "NoError 169.254.1.2"),
            (web, "host.docker.internal", TYPE_AAAA, 0, "NoError"),
            (web, "3.0.1.10.in-addr.arpa", TYPE_PTR, 0, "NoError db.front 222222222222.front www.front"),
            (web, "3.0.1.10.in-addr.arpa", TYPE_A, 0, "NoError"),
            (web, "99.0.1.10.in-addr.arpa", TYPE_PTR, 0, "NxDomain"),
            (web, "2.0.2.10.in-addr.arpa", TYPE_PTR, 0, "host"),
            (alone, "alone", TYPE_A, 0, "NoError 10.2.0.2"),
            (alone, "alone", TYPE_AAAA, 0, "NoError"),
            (alone, "web", TYPE_A, 0, "NxDomain"),
            (alone, "example.com", TYPE_A, 0, "NxDomain"),
            (alone, "host.docker.internal", TYPE_A, 0, "NxDomain"),
        ] {
            assert_eq!(decided(&table, asker, name, kind, turn), expected, "{asker} {name} {kind}");
        }
    }
}
