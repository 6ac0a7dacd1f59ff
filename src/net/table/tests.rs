//! Members that join, connect and leave.

use super::fixtures::{id, join, network};
use super::*;
use crate::base::Kind;
use crate::net::handler::{Outside, Policy};
use crate::spec::network::Joined;
use crate::spec::network::Protocol;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn plain(network: &Network) -> Vec<(Network, Wish)> {
    vec![(network.clone(), Wish::default())]
}

fn enter(table: &mut Table, digit: char, name: &str, networks: Vec<(Network, Wish)>) -> Vec<Endpoint> {
    let endpoints = table.join(&join(digit, name, networks)).unwrap();
    table.plugged(&id(digit));
    endpoints
}

#[test]
fn a_member_is_given_what_it_needs_on_every_network() {
    let (a, b) = (network('a', "a", &["172.17.0.0/16", "fd00:a::/64"]), network('b', "b", &["172.18.0.0/16"]));
    let b = Network { internal: true, ..b };
    let mut table = Table::default();
    let endpoints = enter(&mut table, '1', "web", [plain(&a), plain(&b)].concat());
    let [first, second] = &endpoints[..] else { panic!("{endpoints:?}") };
    assert_eq!(first.interface, "eth0");
    assert_eq!(first.ipv4.unwrap().to_string(), "172.17.0.2/16");
    assert_eq!(first.ipv6.unwrap().to_string(), "fd00:a::2/64");
    assert_eq!(first.mac.to_string(), "02:42:ac:11:00:02");
    assert_eq!(
        (first.gateway4.unwrap().to_string(), first.gateway6.unwrap().to_string()),
        ("172.17.0.1".into(), "fd00:a::1".into())
    );
    assert_eq!((second.interface.as_str(), second.gateway4, second.ipv6), ("eth1", None, None));
    assert_eq!(table.addresses(&id('1')), [ip("172.17.0.2"), ip("fd00:a::2"), ip("172.18.0.2")]);
    assert_eq!(table.resolvers(&id('1')), [ip("172.17.0.1"), ip("fd00:a::1"), ip("172.18.0.1")]);
    assert_eq!(table.host_gateway(&id('1')), Some(HOST_GATEWAY_V4.into()));
    assert_eq!(table.owner(ip("172.18.0.2")), Some(&id('1')));
    assert_eq!(table.leave(&id('1')), endpoints);
    assert_eq!((table.networks().count(), table.owner(ip("172.17.0.2"))), (0, None));
    assert_eq!(enter(&mut table, '2', "db", plain(&a))[0].ipv4.unwrap().to_string(), "172.17.0.3/16");
}

#[test]
fn wishes_are_granted_or_refused_with_a_reason() {
    let a = network('a', "a", &["172.17.0.0/16"]);
    let mut table = Table::default();
    let wish = Wish {
        ipv4: Some("172.17.5.5".parse().unwrap()),
        mac: Some("02:00:00:00:00:01".parse().unwrap()),
        interface: Some("lan0".into()),
        ..Wish::default()
    };
    let endpoint = enter(&mut table, '1', "web", vec![(a.clone(), wish.clone())]).remove(0);
    assert_eq!(
        (endpoint.ipv4.unwrap().addr().to_string().as_str(), endpoint.interface.as_str()),
        ("172.17.5.5", "lan0")
    );
    let refused = [
        (Wish { mac: None, ..wish.clone() }, Kind::Conflict, "the address 172.17.5.5 is in use already on network `a`"),
        (
            Wish { ipv4: None, ..wish.clone() },
            Kind::Conflict,
            "the hardware address 02:00:00:00:00:01 is in use already",
        ),
        (Wish { ipv4: Some("10.0.0.1".parse().unwrap()), ..Wish::default() }, Kind::Usage, "no configured subnet"),
        (
            Wish { ipv4: Some("172.17.0.1".parse().unwrap()), ..Wish::default() },
            Kind::Conflict,
            "the address 172.17.0.1",
        ),
        (Wish { ipv6: Some("fd00::2".parse().unwrap()), ..Wish::default() }, Kind::Usage, "no configured subnet"),
        (Wish { interface: Some("a/b".into()), ..Wish::default() }, Kind::Usage, "invalid name of an interface"),
    ];
    for (wish, kind, message) in refused {
        let error = table.join(&join('2', "db", vec![(a.clone(), wish)])).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().starts_with(message), "{error}");
        assert!(table.endpoints(&id('2')).is_empty());
    }
    // A refused request has released its address, which is reused last.
    assert_eq!(enter(&mut table, '2', "db", plain(&a))[0].ipv4.unwrap().addr().to_string(), "172.17.0.4");
}

#[test]
fn a_join_that_fails_half_way_leaves_nothing() {
    let (a, b) = (network('a', "a", &["10.1.0.0/24"]), network('b', "b", &["10.2.0.0/24"]));
    let mut table = Table::default();
    let impossible = Wish { ipv4: Some("10.9.9.9".parse().unwrap()), ..Wish::default() };
    assert!(table.join(&join('1', "web", vec![(a.clone(), Wish::default()), (b, impossible)])).is_err());
    assert_eq!((table.networks().count(), table.owner(ip("10.1.0.2"))), (0, None));
    assert!(table.join(&join('1', "web", plain(&a))).is_ok());
    assert_eq!(table.join(&join('1', "web", plain(&a))).unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn networks_that_share_addresses_do_not_live_together() {
    let (a, b) = (network('a', "a", &["10.1.0.0/16"]), network('b', "b", &["10.1.5.0/24"]));
    let mut table = Table::default();
    enter(&mut table, '1', "web", plain(&a));
    assert!(table.join(&join('2', "db", plain(&b))).unwrap_err().message().contains("network `a`, which is in use"));
    table.leave(&id('1'));
    enter(&mut table, '2', "db", plain(&b));
    assert!(table.join(&join('1', "web", plain(&a))).is_err());
}

#[test]
fn networks_come_and_go_while_a_member_runs() {
    let (a, b) = (network('a', "a", &["10.1.0.0/24"]), network('b', "b", &["10.2.0.0/24"]));
    let mut table = Table::default();
    enter(&mut table, '1', "web", plain(&a));
    let endpoint = table.connect(&id('1'), &b, &Wish { aliases: vec!["www".into()], ..Wish::default() }).unwrap();
    assert_eq!((endpoint.interface.as_str(), endpoint.aliases.len()), ("eth1", 1));
    assert_eq!(table.connect(&id('1'), &b, &Wish::default()).unwrap_err().kind(), Kind::Conflict);
    table.disconnect(&id('1'), &a.name).unwrap();
    assert_eq!(table.disconnect(&id('1'), &a.name).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(table.connect(&id('1'), &a, &Wish::default()).unwrap().interface, "eth0");
    assert_eq!(table.connect(&id('9'), &a, &Wish::default()).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn after_a_crash_everyone_gets_back_what_it_had() {
    let a = network('a', "a", &["10.1.0.0/16"]);
    let mut table = Table::default();
    let before = enter(&mut table, '7', "web", plain(&a));
    let addresses = before.iter().flat_map(addresses).collect::<Vec<_>>();
    let gone = vec![ip("10.1.0.3")];
    let mut anew = Table::awaiting([(id('7'), addresses), (id('6'), gone)].into());
    let newcomer = enter(&mut anew, '8', "new", plain(&a));
    assert_eq!(newcomer[0].ipv4.unwrap().addr().to_string(), "10.1.0.4");
    let wish = |address: &str| vec![(a.clone(), Wish { ipv4: Some(address.parse().unwrap()), ..Wish::default() })];
    assert_eq!(anew.join(&join('9', "thief", wish("10.1.0.2"))).unwrap_err().kind(), Kind::Conflict);
    let joined = Joined { endpoints: before.clone(), ports: vec![], resolvers: vec![], host_gateway: None };
    let back = Join { before: Some(joined), ..join('7', "web", plain(&a)) };
    assert_eq!(anew.join(&back).unwrap(), before);
    assert!(anew.join(&join('9', "late", wish("10.1.0.3"))).is_err());
    anew.give_up_awaited();
    anew.join(&join('9', "late", wish("10.1.0.3"))).unwrap();
}

#[test]
fn names_are_those_of_the_networks_of_the_one_who_asks() {
    let (a, b) = (network('a', "Front", &["10.1.0.0/24", "fd00:1::/64"]), network('b', "back", &["10.2.0.0/24"]));
    let mut table = Table::default();
    let alias = |name: &str| Wish { aliases: vec![name.into()], ..Wish::default() };
    enter(&mut table, '1', "web", vec![(a.clone(), alias("www"))]);
    enter(&mut table, '2', "db", vec![(b.clone(), alias("Store"))]);
    enter(&mut table, '3', "app", vec![(a.clone(), alias("www")), (b.clone(), Wish::default())]);
    // A container may use another's name as its host name; the other keeps the name.
    table.join(&Join { hostname: "web".into(), ..join('4', "thief", plain(&a)) }).unwrap();
    let lookup = |asker: &str, name: &str| {
        table
            .lookup(ip(asker), name)
            .map(|found| (found.ipv4.iter().map(|a| a.to_string()).collect::<Vec<_>>().join(" "), found.ipv6.len()))
    };
    let (web, db, app) = ("10.1.0.2", "10.2.0.2", "10.2.0.3");
    for (asker, name, expected) in [
        (web, "web", Some(("10.1.0.2", 1))),
        (web, "app", Some(("10.1.0.3", 1))),
        ("fd00:1::2", "app", Some(("10.1.0.3", 1))),
        (web, "www", Some(("10.1.0.2 10.1.0.3", 2))),
        (web, "db", None),
        (web, "store", None),
        (app, "store", Some(("10.2.0.2", 0))),
        (app, "db", Some(("10.2.0.2", 0))),
        (app, "db.back", Some(("10.2.0.2", 0))),
        (app, "web.front", Some(("10.1.0.2", 1))),
        (app, "db.front", None),
        (app, "db-host", Some(("10.2.0.2", 0))),
        (db, "app", Some(("10.2.0.3", 0))),
        (db, "333333333333", Some(("10.2.0.3", 0))),
        (db, "33333333333", None),
        (db, "", None),
        (web, "thief", None),
        (web, "host.docker.internal", Some(("169.254.1.2", 0))),
        ("10.9.9.9", "web", None),
    ] {
        assert_eq!(lookup(asker, name), expected.map(|(ipv4, ipv6)| (ipv4.to_owned(), ipv6)), "{asker} {name}");
    }
    assert_eq!(table.reverse(ip(web), ip(app)), None);
    assert_eq!(table.reverse(ip(db), ip(app)).unwrap(), ["app.back", "333333333333.back"]);
    assert!(table.is_local(ip(web), ip("10.1.0.99")) && !table.is_local(ip(web), ip("10.2.0.2")));
}

#[test]
fn questions_go_to_the_resolvers_of_who_asks() {
    let a = network('a', "a", &["10.1.0.0/24"]);
    let b = Network { dns_servers: vec![ip("9.9.9.9")], ..network('b', "b", &["10.2.0.0/24"]) };
    let inner = Network { internal: true, ..network('c', "c", &["10.3.0.0/24"]) };
    let mut table = Table::default();
    enter(&mut table, '1', "one", plain(&a));
    enter(&mut table, '2', "two", [plain(&a), plain(&b)].concat());
    enter(&mut table, '3', "three", plain(&inner));
    table.join(&Join { dns_servers: vec![ip("1.1.1.1")], ..join('4', "four", plain(&b)) }).unwrap();
    for (asker, upstream) in [
        ("10.1.0.2", Upstream::Host),
        ("10.1.0.3", Upstream::Servers(vec![ip("9.9.9.9")])),
        ("10.2.0.3", Upstream::Servers(vec![ip("1.1.1.1")])),
        ("10.3.0.2", Upstream::Nobody),
        ("10.8.0.2", Upstream::Nobody),
    ] {
        assert_eq!(table.upstream(ip(asker)), upstream, "{asker}");
    }
    assert_eq!(table.host_gateway(&id('3')), None);
    assert_eq!(table.lookup(ip("10.3.0.2"), "host.docker.internal"), None);
}

fn host(own: &[&str]) -> HostAddresses {
    let own: Vec<IpAddr> = own.iter().map(|own| ip(own)).collect();
    HostAddresses {
        ipv4: own.iter().find_map(|own| if let IpAddr::V4(own) = own { Some(*own) } else { None }),
        ipv6: own.iter().find_map(|own| if let IpAddr::V6(own) = own { Some(*own) } else { None }),
        addresses: own.into_iter().chain([ip("127.0.0.1"), ip("::1")]).collect(),
    }
}

#[test]
fn the_host_is_called_by_what_it_has() {
    let a = network('a', "a", &["10.1.0.0/24", "fd00:1::/64"]);
    let mut table = Table::default();
    enter(&mut table, '1', "one", plain(&a));
    let calls = |table: &Table| {
        [("10.1.0.2", IpAddr::V4(HOST_GATEWAY_V4)), ("fd00:1::2", IpAddr::V6(HOST_GATEWAY_V6))]
            .map(|(source, host)| table.outside(ip(source), host, Some((Protocol::Tcp, 80))))
    };
    for (own, v4, v6) in [
        (&["192.0.2.10", "2001:db8::10"][..], Some("192.0.2.10"), Some("2001:db8::10")),
        (&["192.0.2.10"], Some("192.0.2.10"), Some("192.0.2.10")),
        (&["2001:db8::10"], Some("2001:db8::10"), Some("2001:db8::10")),
        (&[], None, None),
    ] {
        table.set_host_addresses(host(own));
        let to = |address: Option<&str>| address.map_or(Outside::Unreachable, |address| Outside::To(ip(address)));
        assert_eq!(calls(&table), [to(v4), to(v6)], "{own:?}");
    }
}

#[test]
fn loopback_is_a_choice_and_never_leads_to_others_ports() {
    let networks = ["a", "b", "c"].into_iter().zip('a'..).zip(1..);
    let networks = networks
        .map(|((name, digit), n)| network(digit, name, &[&format!("10.{n}.0.0/24"), &format!("fd00:{n}::/64")]));
    let [a, b, c] = &networks.collect::<Vec<_>>()[..] else { panic!() };
    let wish = |host_loopback| Wish { host_loopback, ..Wish::default() };
    let mut table = Table::default();
    table.set_host_addresses(host(&["192.0.2.10"]));
    // The container's setting, the network's, the default: the first one that is set counts.
    let opened = Network { host_loopback: Some(true), ..c.clone() };
    let closed = Network { host_loopback: Some(false), ..c.clone() };
    for (wished, network, configured, reached) in [
        (None, c, false, false),
        (None, c, true, true),
        (None, &opened, false, true),
        (None, &closed, true, false),
        (Some(true), &closed, false, true),
        (Some(false), &opened, true, false),
    ] {
        let networks = vec![(network.clone(), wish(wished))];
        let endpoints = table.join(&Join { host_loopback: configured, ..join('9', "x", networks) }).unwrap();
        let outside = table.outside(endpoints[0].ipv4.unwrap().addr().into(), HOST_GATEWAY_V4.into(), None);
        let expected = if reached { "127.0.0.1" } else { "192.0.2.10" };
        assert_eq!(outside, Outside::To(ip(expected)), "{wished:?} {configured}");
        table.leave(&id('9'));
    }
    enter(&mut table, '1', "admin", vec![(a.clone(), wish(Some(true)))]);
    enter(&mut table, '2', "web", plain(b));
    let published = |host_ip: Option<&str>, host_port| PublishedPort {
        host_ip: host_ip.map(ip),
        host_port,
        container_port: 80,
        protocol: Protocol::Tcp,
    };
    let ports = [
        published(Some("127.0.0.1"), 81),
        published(None, 82),
        published(Some("192.0.2.10"), 83),
        published(Some("::1"), 84),
        published(Some("0.0.0.0"), 85),
        published(Some("::"), 86),
    ];
    table.publish(&id('2'), &ports);
    let reaches = |table: &Table, port, protocol| {
        let from = [("10.1.0.2", IpAddr::V4(HOST_GATEWAY_V4)), ("fd00:1::2", IpAddr::V6(HOST_GATEWAY_V6))];
        from.map(|(source, host)| match table.outside(ip(source), host, Some((protocol, port))) {
            Outside::To(address) => address.is_loopback(),
            other => other != Outside::Prohibited,
        })
    };
    let all = |table: &Table| (80..=86).map(|port| reaches(table, port, Protocol::Tcp)).collect::<Vec<_>>();
    let (both, none, v4, v6) = ([true; 2], [false; 2], [true, false], [false, true]);
    assert_eq!(all(&table), [both, v6, none, both, v4, v6, v4]);
    assert_eq!(reaches(&table, 82, Protocol::Udp), both, "another protocol is another port");
    // Neighbours reach each other anyway.
    table.connect(&id('2'), a, &Wish::default()).unwrap();
    assert!(all(&table).iter().all(|reached| *reached == both));
    table.disconnect(&id('2'), &a.name).unwrap();
    assert_eq!(all(&table), [both, v6, none, both, v4, v6, v4]);
    table.leave(&id('2'));
    assert!(all(&table).iter().all(|reached| *reached == both));
    // Its own are its own.
    table.publish(&id('1'), &ports);
    assert!(all(&table).iter().all(|reached| *reached == both));
}

#[test]
fn the_way_out_is_open_but_for_what_is_nobodys_business() {
    let a = network('a', "a", &["10.1.0.0/24", "fd00:1::/64"]);
    let b = network('b', "b", &["10.2.0.0/24"]);
    let inner = Network { internal: true, ..network('c', "c", &["10.3.0.0/24"]) };
    let mut table = Table::default();
    enter(&mut table, '1', "one", plain(&a));
    enter(&mut table, '2', "two", plain(&b));
    enter(&mut table, '3', "three", plain(&inner));
    table.set_host_addresses(host(&["192.0.2.10", "2001:db8::10"]));
    let to = |address: &str| Outside::To(ip(address));
    for (source, destination, outside) in [
        ("10.1.0.2", "192.0.2.1", to("192.0.2.1")),
        ("10.1.0.2", "169.254.169.254", to("169.254.169.254")),
        ("10.1.0.2", "169.254.1.2", to("192.0.2.10")),
        ("10.1.0.2", "10.2.0.2", Outside::Prohibited),
        ("10.1.0.2", "10.1.0.77", Outside::Prohibited),
        ("10.1.0.2", "127.0.0.1", Outside::Nothing),
        ("10.1.0.2", "0.0.0.0", Outside::Nothing),
        ("10.1.0.2", "255.255.255.255", Outside::Nothing),
        ("10.1.0.2", "224.0.0.251", Outside::Nothing),
        ("10.1.0.2", "2001:db8::1", Outside::Nothing),
        ("10.1.0.9", "192.0.2.1", Outside::Nothing),
        ("10.3.0.2", "192.0.2.1", Outside::Prohibited),
        ("10.3.0.2", "169.254.1.2", Outside::Prohibited),
        ("fd00:1::2", "2001:db8::1", to("2001:db8::1")),
        ("fd00:1::2", "fd63:6f72:6163:6c65::2", to("2001:db8::10")),
        ("fd00:1::2", "::1", Outside::Nothing),
        ("fd00:1::2", "fe80::1", Outside::Nothing),
        ("fd00:1::2", "::ffff:127.0.0.1", Outside::Prohibited),
        ("fd00:1::2", "::127.0.0.1", Outside::Prohibited),
    ] {
        assert_eq!(table.outside(ip(source), ip(destination), None), outside, "{source} -> {destination}");
    }
    for (client, member, seen) in [
        ("192.0.2.1", "10.1.0.2", "192.0.2.1"),
        ("::ffff:192.0.2.1", "10.1.0.2", "192.0.2.1"),
        ("192.0.2.10", "10.1.0.2", "10.1.0.1"),
        ("127.0.0.1", "10.1.0.2", "10.1.0.1"),
        ("169.254.1.2", "10.1.0.2", "10.1.0.1"),
        ("10.2.0.9", "10.1.0.2", "10.1.0.1"),
        ("2001:db8::1", "fd00:1::2", "2001:db8::1"),
        ("::1", "fd00:1::2", "fd00:1::1"),
        ("fe80::5", "fd00:1::2", "fd00:1::1"),
        ("2001:db8::1", "10.2.0.2", "10.2.0.1"),
    ] {
        assert_eq!(table.visible(ip(client), ip(member)), ip(seen), "{client} on {member}");
    }
}
