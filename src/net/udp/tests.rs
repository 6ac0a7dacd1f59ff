//! The UDP handler between a container that is only packets and a host that is the loopback interface.

use std::net::UdpSocket;
use std::time::Duration;

use super::*;
use crate::net::fake::{self, World, host, loopback, member};
use crate::net::handler::Offload;
use crate::net::packet::{Icmp, Quoted, Reassembly};

const LIMITS: Limits = Limits { flows: 100, per_member: 50 };

/// A container, a server on the host's loopback, and how the container calls that.
fn set_up(v6: bool) -> (World, Udp, UdpSocket, SocketAddr, SocketAddr) {
    let server = UdpSocket::bind((loopback(v6), 0)).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let remote = SocketAddr::new(host(v6), server.local_addr().unwrap().port());
    (World::new(), Udp::new(LIMITS), server, SocketAddr::new(member(v6), 4000), remote)
}

fn send(world: &mut World, udp: &mut Udp, packet: &[u8]) {
    send_large(world, udp, packet, Offload::default());
}

fn send_large(world: &mut World, udp: &mut Udp, packet: &[u8], offload: Offload) {
    udp.packet(&mut world.context(), &Ip::parse(packet, offload).unwrap());
}

fn receive(server: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    buffer.truncate(length);
    (buffer, from)
}

/// Runs the handler on its sockets' events, until a packet was sent to the container.
fn until_sent(world: &mut World, udp: &mut Udp) {
    while world.wire.sent.is_empty() {
        let (part, index, what) = world.wait();
        assert_eq!(part, Handler::Udp);
        udp.ready(&mut world.context(), index, what);
    }
}

/// The error that was sent to the container, with its source.
fn error(packet: &[u8]) -> (IpAddr, Quoted<'_>) {
    let ip = Ip::parse(packet, Offload::default()).unwrap();
    let Transport::Icmp(Icmp::Error(quoted)) = ip.transport else { panic!("{ip:?}") };
    (ip.pair.source(), quoted)
}

#[test]
fn there_and_back() {
    for v6 in [false, true] {
        let (mut world, mut udp, server, member, remote) = set_up(v6);
        let packet = world.datagram(member, remote, b"question");
        send(&mut world, &mut udp, &packet);
        assert!(udp.deadline().is_some_and(|at| at <= world.now), "something waits");
        udp.flush(&mut world.context());
        let (question, client) = receive(&server);
        assert_eq!(question, b"question");
        server.send_to(b"answer", client).unwrap();
        until_sent(&mut world, &mut udp);
        assert_eq!(world.datagrams(), [(remote, member, b"answer".to_vec())]);
        // Empty datagrams are datagrams.
        let packet = world.datagram(member, remote, b"");
        send(&mut world, &mut udp, &packet);
        send(&mut world, &mut udp, &packet);
        udp.expire(&mut world.context());
        assert_eq!((receive(&server), receive(&server)), ((vec![], client), (vec![], client)));
        server.send_to(b"", client).unwrap();
        until_sent(&mut world, &mut udp);
        assert_eq!(world.datagrams(), [(remote, member, vec![])]);
    }
}

#[test]
fn a_closed_port_is_told_with_the_packet_that_met_it() {
    for v6 in [false, true] {
        let (mut world, mut udp, server, member, remote) = set_up(v6);
        drop(server);
        let packet = world.datagram(member, remote, b"anybody there");
        send(&mut world, &mut udp, &packet);
        udp.flush(&mut world.context());
        until_sent(&mut world, &mut udp);
        let (told, _) = world.wire.sent.pop().unwrap();
        let (from, quoted) = error(&told);
        assert_eq!((from, quoted.kind, quoted.code), (remote.ip(), if v6 { 1 } else { 3 }, if v6 { 4 } else { 3 }));
        assert_eq!(quoted.ports, Some((member.port(), remote.port())));
        assert!(quoted.packet.ends_with(b"anybody there"));
        assert!(world.wire.sent.is_empty());
        // The flow goes on: a server may listen now.
        let server = UdpSocket::bind((loopback(v6), remote.port())).unwrap();
        send(&mut world, &mut udp, &packet);
        udp.flush(&mut world.context());
        assert_eq!(receive(&server).0, b"anybody there");
    }
}

#[test]
fn an_error_that_was_not_yet_told_does_not_lose_the_next_datagram() {
    let (mut world, mut udp, server, member, remote) = set_up(false);
    drop(server);
    let packet = world.datagram(member, remote, b"one");
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    let server = UdpSocket::bind((loopback(false), remote.port())).unwrap();
    let packet = world.datagram(member, remote, b"two");
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    assert_eq!(receive(&server).0, b"two");
    assert_eq!(error(&world.wire.sent[0].0).1.code, 3);
}

#[test]
fn what_is_not_allowed_is_told_and_the_rest_is_silent() {
    let (mut world, mut udp, _, member, _) = set_up(false);
    let packet = world.datagram(member, "192.0.2.1:53".parse().unwrap(), b"x");
    send(&mut world, &mut udp, &packet);
    let (told, _) = world.wire.sent.pop().unwrap();
    assert_eq!((error(&told).1.kind, error(&told).1.code), (3, 13));
    let packet = world.datagram(member, "224.0.0.251:5353".parse().unwrap(), b"x");
    send(&mut world, &mut udp, &packet);
    assert!(world.wire.sent.is_empty() && udp.is_empty());
}

#[test]
fn rows_of_datagrams_stay_datagrams() {
    for (v6, cuts) in [(false, false), (true, true), (false, true)] {
        let (mut world, mut udp, server, member, remote) = set_up(v6);
        world.wire.cuts = cuts;
        // Equal sizes with a short end, then another batch, then a larger one.
        let sizes = [600, 600, 600, 10, 600, 600, 700, 0, 1];
        for (number, size) in sizes.iter().enumerate() {
            let packet = world.datagram(member, remote, &vec![number as u8; *size]);
            send(&mut world, &mut udp, &packet);
        }
        udp.flush(&mut world.context());
        let mut client = None;
        for (number, size) in sizes.iter().enumerate() {
            let (payload, from) = receive(&server);
            assert_eq!(payload, vec![number as u8; *size]);
            server.send_to(&payload, from).unwrap();
            client = Some(from);
        }
        while world.wire.sent.iter().map(|(packet, _)| packet.len()).sum::<usize>() < 3711 {
            let (_, index, what) = world.wait();
            udp.ready(&mut world.context(), index, what);
        }
        assert_eq!(world.wire.sent.len() < sizes.len(), cuts, "{:?}", world.wire.sent);
        let back: Vec<usize> = world.datagrams().iter().map(|(_, _, payload)| payload.len()).collect();
        assert_eq!(back, sizes);
        // And one large packet from the device.
        let pair = Pair::new(member.ip(), remote.ip()).unwrap();
        let headers =
            packet::udp_headers(&Envelope::new(pair), member.port(), remote.port(), 2500).unwrap().segmented(1000);
        let packet = [headers.as_slice(), &[9; 2500]].concat();
        send_large(&mut world, &mut udp, &packet, headers.offload());
        udp.flush(&mut world.context());
        for size in [1000, 1000, 500] {
            assert_eq!(receive(&server), (vec![9; size], client.unwrap()));
        }
    }
}

#[test]
fn large_datagrams_pass_in_fragments() {
    for v6 in [false, true] {
        let (mut world, mut udp, server, member, remote) = set_up(v6);
        let payload: Vec<u8> = (0..9000u16).map(|n| (n % 251) as u8).collect();
        let packet = world.datagram(member, remote, &payload);
        send(&mut world, &mut udp, &packet);
        udp.flush(&mut world.context());
        let (question, client) = receive(&server);
        assert_eq!(question, payload);
        server.send_to(&payload, client).unwrap();
        until_sent(&mut world, &mut udp);
        if v6 {
            assert_eq!(world.wire.sent.len(), 7);
            let mut reassembly = Reassembly::default();
            let whole = world.wire.sent.drain(..).filter_map(|(fragment, offload)| {
                assert!(fragment.len() <= 1500);
                reassembly.push(&Ip::parse(&fragment, offload).unwrap(), Holder(1), world.now)
            });
            let whole: Vec<_> = whole.collect();
            world.wire.sent.extend(whole.into_iter().map(|packet| (packet, Offload::default())));
        }
        assert_eq!(world.datagrams(), [(remote, member, payload)]);
    }
}

#[test]
fn what_does_not_fit_and_must_not_be_cut_is_told() {
    let (mut world, mut udp, server, member, remote) = set_up(false);
    // The loopback MTU is 65,536 and the largest datagram fits, so the socket's options are examined instead.
    let packet = world.datagram(member, remote, &[0; 3000]);
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    receive(&server);
    let (_, flow) = udp.flows.get(0).unwrap();
    assert_eq!(sockopt::ip_mtu_discover(&flow.socket).unwrap(), sockopt::Ipv4PathMtuDiscovery::DO);
    let pair = Pair::new(member.ip(), remote.ip()).unwrap();
    let envelope = Envelope { identification: Some(1), hops: 3, traffic_class: 0x2e << 2, ..Envelope::new(pair) };
    let headers = packet::udp_headers(&envelope, member.port(), remote.port(), 1).unwrap();
    send(&mut world, &mut udp, &fake::whole(&headers, b"x"));
    udp.flush(&mut world.context());
    receive(&server);
    let (_, flow) = udp.flows.get(0).unwrap();
    assert_eq!(sockopt::ip_mtu_discover(&flow.socket).unwrap(), sockopt::Ipv4PathMtuDiscovery::DONT);
    assert_eq!((sockopt::ip_ttl(&flow.socket).unwrap(), sockopt::ip_tos(&flow.socket).unwrap()), (3, 0x2e << 2));
    // A default again.
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    let (_, flow) = udp.flows.get(0).unwrap();
    assert_eq!((sockopt::ip_ttl(&flow.socket).unwrap(), sockopt::ip_tos(&flow.socket).unwrap()), (64, 0));
    udp.too_big(&mut world.context(), 0, SendOptions { class: 0, hops: None, may_fragment: false }, &[0; 3000]);
    let (told, _) = world.wire.sent.pop().unwrap();
    let quoted = error(&told).1;
    assert_eq!((quoted.kind, quoted.code, quoted.value), (3, 4, 65_535));
}

#[test]
fn congestion_marks_go_both_ways() {
    for v6 in [false, true] {
        let (mut world, mut udp, server, member, remote) = set_up(v6);
        let packet = world.datagram(member, remote, b"x");
        send(&mut world, &mut udp, &packet);
        udp.flush(&mut world.context());
        let client = receive(&server).1;
        let _ = if v6 { sockopt::set_ipv6_tclass(&server, 3) } else { sockopt::set_ip_tos(&server, 3) };
        server.send_to(b"marked", client).unwrap();
        until_sent(&mut world, &mut udp);
        let (packet, offload) = world.wire.sent.pop().unwrap();
        assert_eq!(Ip::parse(&packet, offload).unwrap().traffic_class, 3);
    }
}

#[test]
fn strangers_do_not_get_in() {
    let (mut world, mut udp, server, member, remote) = set_up(false);
    let packet = world.datagram(member, remote, b"x");
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    let client = receive(&server).1;
    UdpSocket::bind((loopback(false), 0)).unwrap().send_to(b"stranger", client).unwrap();
    assert_eq!(world.poll(0), None);
}

#[test]
fn ports_of_the_host_follow_ports_of_the_container() {
    let mut world = World::new();
    let mut udp = Udp::new(LIMITS);
    // Addresses of 127/8 that the policy does not take for loopback would be needed; the table is examined instead.
    let servers: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for server in &servers {
        let remote = SocketAddr::new(host(false), server.local_addr().unwrap().port());
        let packet = world.datagram(SocketAddr::new(member(false), 7), remote, b"x");
        send(&mut world, &mut udp, &packet);
    }
    udp.flush(&mut world.context());
    let first = receive(&servers[0]).1;
    let key = (SocketAddr::new(member(false), 7), false);
    assert_eq!(udp.mapped.get(&key).map(|it| (it.port, it.flows)), Some((first.port(), 3)));
    udp.member_left(&mut world.context(), &[member(false)]);
    assert!(udp.mapped.is_empty() && udp.is_empty());
}

#[test]
fn flows_end_and_their_sockets_with_them() {
    let (mut world, mut udp, server, member, remote) = set_up(false);
    let packet = world.datagram(member, remote, b"x");
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    let client = receive(&server).1;
    world.pass(29);
    udp.expire(&mut world.context());
    assert_eq!(udp.len(), 1);
    world.pass(2);
    assert!(udp.deadline().is_some_and(|at| at <= world.now));
    udp.expire(&mut world.context());
    assert!(udp.is_empty() && udp.mapped.is_empty());
    assert_eq!(udp.deadline(), None);
    // Its port is free again.
    UdpSocket::bind(client).unwrap();
}

#[test]
fn without_descriptors_old_flows_give_up_theirs() {
    let (mut world, mut udp, server, _, remote) = set_up(false);
    world.sockets_left.0.set(3);
    for port in 1..=3u16 {
        let packet = world.datagram(SocketAddr::new(member(false), port), remote, &port.to_be_bytes());
        send(&mut world, &mut udp, &packet);
        world.pass(1);
    }
    // The fourth: one of the three gives up its descriptor, which the counter does not see.
    let packet = world.datagram(SocketAddr::new(member(false), 4), remote, b"four");
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    assert_eq!(udp.len(), 2);
    assert_eq!(udp.flows.find(&Key { member: SocketAddr::new(member(false), 1), remote }), None);
    assert!(world.wire.sent.is_empty(), "nobody is refused for want of descriptors");
    for port in 1..=3u16 {
        assert_eq!(receive(&server).0, port.to_be_bytes());
    }
    world.sockets_left.0.set(1);
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    assert_eq!(receive(&server).0, b"four");
}

#[test]
fn who_has_its_share_gives_up_its_oldest_flow() {
    let (mut world, mut udp, server, _, remote) = set_up(false);
    let mut clients = Vec::new();
    for port in 1..=LIMITS.per_member as u16 + 10 {
        let packet = world.datagram(SocketAddr::new(member(false), port), remote, &port.to_be_bytes());
        send(&mut world, &mut udp, &packet);
        udp.flush(&mut world.context());
        let (payload, client) = receive(&server);
        assert_eq!(payload, port.to_be_bytes());
        clients.push(client);
        world.pass(1);
    }
    assert_eq!((udp.len(), udp.mapped.len()), (LIMITS.per_member, LIMITS.per_member));
    // What is left still leads to the container.
    server.send_to(b"answer", clients.last().unwrap()).unwrap();
    until_sent(&mut world, &mut udp);
    assert_eq!(world.datagrams()[0].2, b"answer");
    assert!(world.wire.sent.is_empty());
}

#[test]
fn a_share_is_of_all_addresses_of_a_container() {
    let (mut world, mut udp, ..) = set_up(false);
    let mut ask = |last: u8, v6: bool, port: u16| {
        let client: IpAddr =
            if v6 { [0xfd00, 0, 0, 0, 0, 0, 0, last.into()].into() } else { [172, 17, 0, last].into() };
        let packet = world.datagram(SocketAddr::new(client, port), SocketAddr::new(host(v6), 9), b"");
        send(&mut world, &mut udp, &packet);
        udp.flush(&mut world.context());
        udp.len()
    };
    let share = LIMITS.per_member as u16;
    assert_eq!((1..=10).map(|port| ask(3, port % 2 == 0, port)).max(), Some(10));
    assert_eq!((1..=share + 20).map(|port| ask(2, port % 2 == 0, port)).max(), Some(10 + LIMITS.per_member));
    // Each flow of the other member is still there: using it makes no new one.
    assert_eq!((1..=10).map(|port| ask(3, port % 2 == 0, port)).max(), Some(10 + LIMITS.per_member));
}

#[test]
fn a_changed_host_keeps_flows_whose_address_is_still_right() {
    let (mut world, mut udp, server, member, remote) = set_up(false);
    let packet = world.datagram(member, remote, b"x");
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    let client = receive(&server).1;
    udp.host_changed();
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    assert_eq!(receive(&server).1, client);
    // An address that is not right any more is noticed.
    udp.host_changed();
    udp.flows.get(0).unwrap().1.local = [192, 0, 2, 9].into();
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    assert_ne!(receive(&server).1, client);
    assert_eq!(udp.len(), 1);
}

#[test]
fn a_stream_is_looked_at_now_and_then() {
    let (mut world, mut udp, server, member, remote) = set_up(false);
    let packet = world.datagram(member, remote, b"begin");
    send(&mut world, &mut udp, &packet);
    udp.flush(&mut world.context());
    let (_, client) = receive(&server);
    for _ in 0..40 {
        server.send_to(b"more", client).unwrap();
    }
    let (_, index, what) = world.wait();
    udp.ready(&mut world.context(), index, what);
    assert_eq!(world.datagrams().len(), 40);
    // From now on it is polled.
    for _ in 0..3 {
        for _ in 0..10 {
            server.send_to(b"more", client).unwrap();
        }
        assert_eq!(world.poll(0), None);
        let due = udp.deadline().unwrap();
        assert!(due > world.now);
        udp.expire(&mut world.context());
        assert!(world.wire.sent.is_empty(), "it is not due");
        world.now = due;
        udp.expire(&mut world.context());
        assert_eq!(world.datagrams().len(), 10);
    }
    // Until nothing comes any more.
    world.now = udp.deadline().unwrap();
    udp.expire(&mut world.context());
    server.send_to(b"again", client).unwrap();
    until_sent(&mut world, &mut udp);
    assert_eq!(world.datagrams().len(), 1);
    // A flow that ends while it is polled does not affect others.
    for _ in 0..40 {
        server.send_to(b"more", client).unwrap();
    }
    let (_, index, what) = world.wait();
    udp.ready(&mut world.context(), index, what);
    udp.member_left(&mut world.context(), &[member.ip()]);
    world.now = udp.deadline().unwrap();
    udp.expire(&mut world.context());
    assert_eq!(udp.deadline(), None);
}
