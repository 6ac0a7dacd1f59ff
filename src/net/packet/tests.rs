//! Packets of known contents, packets cut and put together again, and packets that nobody would send. The properties are
//! tried with 256 cases; `PROPTEST_CASES=10000000` makes a long run of fuzzing of them, `PROPTEST_RNG_SEED` repeats one.

use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fragment::REASSEMBLY_TIMEOUT;
use super::*;
use crate::net::handler::{Holder, Offload, Segments};

fn v4() -> Pair {
    Pair::V4 { source: [172, 17, 0, 2].into(), destination: [192, 0, 2, 1].into() }
}

fn v6() -> Pair {
    Pair::V6 { source: "fd00::2".parse().unwrap(), destination: "2001:db8::1".parse().unwrap() }
}

/// Headers and payload in one, the checksum filled in.
fn whole(headers: &Headers, payload: &[u8]) -> Vec<u8> {
    let mut packet = [headers.as_slice(), payload].concat();
    assert!(checksum::complete(&mut packet, headers.offload()));
    packet
}

fn udp(pair: Pair, payload: &[u8]) -> Vec<u8> {
    let envelope = Envelope { identification: Some(7), ..Envelope::new(pair) };
    whole(&udp_headers(&envelope, 4000, 53, payload.len()).unwrap(), payload)
}

fn parse(bytes: &[u8]) -> Result<Ip<'_>, Malformed> {
    Ip::parse(bytes, Offload::default())
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap().try_into().unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn a_recorded_syn() {
    // As Linux sends it; MSS 1460, SACK, time stamps, window scale 7.
    let packet = bytes(
        "45000034123440004006ba7b ac110002c0000201 d431005000000001000000008002faf031890000 020405b40101040201030307",
    );
    let ip = parse(&packet).unwrap();
    assert_eq!((ip.pair, ip.hops, ip.dont_fragment, ip.header_length()), (v4(), 64, true, 20));
    let Transport::Tcp(tcp) = ip.transport else { panic!("{ip:?}") };
    assert_eq!((tcp.source_port, tcp.destination_port, tcp.sequence, tcp.flags), (54321, 80, 1, Flags::SYN));
    assert_eq!((tcp.window, tcp.payload, tcp.length()), (64240, &[][..], 1));
    let options =
        Options { maximum_segment: Some(1460), window_scale: Some(7), sack_permitted: true, ..Options::default() };
    assert_eq!(tcp.parsed_options(), options);
    let reset = Segment::reset(&tcp).unwrap();
    assert_eq!((reset.source_port, reset.acknowledgment, reset.flags), (80, 2, Flags::RST | Flags::ACK));
}

#[test]
fn what_is_built_can_be_read() {
    for pair in [v4(), v6()] {
        let packet = udp(pair, b"question");
        let ip = parse(&packet).unwrap();
        let Transport::Udp(datagram) = ip.transport else { panic!("{ip:?}") };
        assert_eq!((ip.pair, ip.dont_fragment, ip.bytes()), (pair, pair.is_v6(), &packet[..]));
        assert_eq!((datagram.source_port, datagram.destination_port, datagram.payload), (4000, 53, &b"question"[..]));
        let mut damaged = packet.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(parse(&damaged).unwrap_err(), Malformed("checksum of UDP"));
        let trailing = [&packet[..], b"padding"].concat();
        assert_eq!(parse(&trailing).unwrap().bytes(), &packet[..]);
        for end in 0..packet.len() {
            assert!(parse(&packet[..end]).is_err(), "{end}");
        }
    }
}

#[test]
fn checksums_may_be_left_to_the_device() {
    for pair in [v4(), v6()] {
        let headers = udp_headers(&Envelope::new(pair), 1, 2, 4).unwrap();
        let packet = [headers.as_slice(), b"data"].concat();
        assert!(parse(&packet).is_err());
        assert!(Ip::parse(&packet, headers.offload()).is_ok());
        assert_eq!(headers.offload().checksum, Some((if pair.is_v6() { 40 } else { 20 }, 6)));
        let segmented = headers.segmented(2).offload();
        assert_eq!(segmented.segments, Some((Segments::Udp, headers.as_slice().len() as u16, 2)));
    }
    let segment = Segment { source_port: 1, destination_port: 2, ..Segment::default() };
    let headers = segment.headers(&Envelope::new(v6()), 3000).unwrap().segmented(1400);
    assert_eq!(headers.offload(), Offload { checksum: Some((40, 16)), segments: Some((Segments::Tcp6, 60, 1400)) });
    let headers = segment.headers(&Envelope::new(v4()), 3000).unwrap().segmented(1400);
    assert_eq!(headers.offload().segments, Some((Segments::Tcp4, 40, 1400)));
}

#[test]
fn udp_without_checksum_is_for_ipv4_only() {
    for (pair, at) in [(v4(), 26), (v6(), 46)] {
        let mut packet = udp(pair, b"x");
        packet[at..at + 2].fill(0);
        assert_eq!(parse(&packet).is_ok(), !pair.is_v6());
    }
}

#[test]
fn sizes_have_limits() {
    for (pair, most) in [(v4(), 65_507), (v6(), 65_527)] {
        let envelope = Envelope::new(pair);
        assert!(udp_headers(&envelope, 1, 2, most).is_some());
        assert!(udp_headers(&envelope, 1, 2, most + 1).is_none());
        assert!(udp_headers(&envelope, 1, 2, usize::MAX).is_none());
        assert!(Segment::default().headers(&envelope, usize::MAX - 20).is_none());
        let echo = Echo { identifier: 0, sequence: 0, payload: &vec![0; 70_000] };
        assert!(!echo_reply(&mut Vec::new(), &envelope, &echo));
    }
}

#[test]
fn extension_headers_are_passed_over() {
    let packet = udp(v6(), b"data");
    // Hop by hop (8 bytes), destination options (16), authentication (12 bytes: not a multiple of 8 here, which is legal to parse).
    let extensions: Vec<u8> =
        [&[60u8, 0, 1, 4, 0, 0, 0, 0][..], &[51, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[17, 1], &[0; 10]]
            .concat();
    let mut with = [&packet[..40], &extensions, &packet[40..]].concat();
    with[6] = 0;
    let length = u16::try_from(with.len() - 40).unwrap();
    with[4..6].copy_from_slice(&length.to_be_bytes());
    let ip = parse(&with).unwrap();
    assert!(matches!(ip.transport, Transport::Udp(Udp { payload: b"data", .. })), "{ip:?}");
    assert_eq!((ip.protocol, ip.header_length()), (17, 76));
    // An atomic fragment (RFC 6946) is no fragment.
    let mut atomic = [&packet[..40], &[17, 0, 0, 0, 1, 2, 3, 4], &packet[40..]].concat();
    atomic[6] = 44;
    atomic[5] += 8;
    assert!(matches!(parse(&atomic).unwrap().transport, Transport::Udp(_)));
    // More of them than make sense.
    let mut many = [&packet[..40], &[0u8; 8].repeat(9), &packet[40..]].concat();
    many[6] = 0;
    many[5] += 72;
    assert_eq!(parse(&many).unwrap_err(), Malformed("too many IPv6 extension headers"));
}

#[test]
fn echo_is_answered() {
    for (pair, request) in [(v4(), 8), (v6(), 128)] {
        let echo = Echo { identifier: 0x1234, sequence: 5, payload: b"odd" };
        let mut packet = Vec::new();
        assert!(echo_reply(&mut packet, &Envelope::new(pair), &echo));
        let at = packet.len() - 3 - 8;
        assert!(matches!(parse(&packet).unwrap().transport, Transport::Icmp(Icmp::EchoReply(reply)) if reply == echo));
        packet[at] = request;
        packet[at + 2..at + 4].fill(0);
        let offload = Offload { checksum: Some((u16::try_from(at).unwrap(), 2)), segments: None };
        let sum = if pair.is_v6() { checksum::Sum::pseudo(&pair, 58, 11) } else { checksum::Sum::default() };
        packet[at + 2..at + 4].copy_from_slice(&sum.folded().to_be_bytes());
        assert!(checksum::complete(&mut packet, offload));
        assert!(
            matches!(parse(&packet).unwrap().transport, Transport::Icmp(Icmp::EchoRequest(again)) if again == echo)
        );
    }
}

#[test]
fn refusals_say_why() {
    let mut out = Vec::new();
    let cases = [
        (libc::ECONNREFUSED, (3, 3), (1, 4)),
        (libc::EHOSTUNREACH, (3, 1), (1, 3)),
        (libc::ENETUNREACH, (3, 0), (1, 0)),
        (libc::EHOSTDOWN, (3, 7), (1, 3)),
        (libc::EACCES, (3, 13), (1, 1)),
        (libc::ENOPROTOOPT, (3, 2), (4, 1)),
    ];
    for (errno, four, six) in cases {
        for (pair, expected) in [(v4(), four), (v6(), six)] {
            let packet = udp(pair, &[0xaa; 2000]);
            let refusal = Refusal::from_errno(errno).unwrap();
            assert!(refuse(&mut out, &parse(&packet).unwrap(), None, refusal));
            assert_eq!(out.len(), if pair.is_v6() { 1280 } else { 576 });
            let ip = parse(&out).unwrap();
            assert_eq!(ip.pair, pair.reversed());
            let Transport::Icmp(Icmp::Error(quoted)) = ip.transport else { panic!("{ip:?}") };
            assert_eq!((quoted.kind, quoted.code), expected);
            assert_eq!((quoted.pair, quoted.protocol, quoted.ports), (pair, 17, Some((4000, 53))));
            assert!(packet.starts_with(quoted.packet));
            // An error is not answered with an error.
            let error = out.clone();
            assert!(!refuse(&mut out, &parse(&error).unwrap(), None, refusal));
        }
    }
    for errno in [libc::ETIMEDOUT, libc::EMSGSIZE, libc::EMFILE, libc::ENOBUFS] {
        assert_eq!(Refusal::from_errno(errno), None);
    }
}

#[test]
fn refusals_of_size_and_from_routers() {
    let mut out = Vec::new();
    for (pair, expected) in [(v4(), (3, 4)), (v6(), (2, 0))] {
        let packet = udp(pair, &[0; 2000]);
        let router = if pair.is_v6() { "fd00::1" } else { "172.17.0.1" }.parse().unwrap();
        assert!(refuse(&mut out, &parse(&packet).unwrap(), Some(router), Refusal::TooBig(1400)));
        let ip = parse(&out).unwrap();
        assert_eq!((ip.pair.source(), ip.pair.destination()), (router, pair.source()));
        let Transport::Icmp(Icmp::Error(quoted)) = ip.transport else { panic!("{ip:?}") };
        assert_eq!((quoted.kind, quoted.code, quoted.value), (expected.0, expected.1, 1400));
        let other = if pair.is_v6() { "172.17.0.1" } else { "fd00::1" }.parse().unwrap();
        assert!(!refuse(&mut out, &parse(&packet).unwrap(), Some(other), Refusal::Host));
    }
}

#[test]
fn nobody_is_told_about_multicast() {
    let mut out = Vec::new();
    let host: IpAddr = [172, 17, 0, 2].into();
    for destination in [[224, 0, 0, 251], [255, 255, 255, 255], [0, 0, 0, 0]] {
        let packet = udp(Pair::new(host, destination.into()).unwrap(), b"x");
        assert!(!refuse(&mut out, &parse(&packet).unwrap(), None, Refusal::Port));
    }
    let packet = udp(Pair::V6 { source: 1.into(), destination: "ff02::fb".parse().unwrap() }, b"x");
    assert!(!refuse(&mut out, &parse(&packet).unwrap(), Some("fd00::1".parse().unwrap()), Refusal::Port));
}

/// The fragments of a packet.
fn fragments(packet: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    assert!(split(packet, 0x0102_0304, mtu, |fragment| all.push(fragment.to_vec())));
    all
}

#[test]
fn fragments_come_together_in_any_order() {
    let now = Instant::now();
    let payload: Vec<u8> = (0..9000u16).map(|n| n.to_be_bytes()[1]).collect();
    for pair in [v4(), v6()] {
        let packet = udp(pair, &payload);
        let all = fragments(&packet, 1500);
        assert_eq!(all.len(), 7);
        for (start, backwards) in [(0, false), (3, false), (0, true), (6, true)] {
            let mut order: Vec<_> = all.iter().cycle().skip(start).take(7).collect();
            if backwards {
                order.reverse();
            }
            let mut reassembly = Reassembly::default();
            for (number, fragment) in order.iter().enumerate() {
                let ip = parse(fragment).unwrap();
                assert!(matches!(ip.transport, Transport::Fragment(_)));
                // Duplicates do no harm.
                if number > 0 {
                    assert_eq!(reassembly.push(&parse(order[0]).unwrap(), Holder(1), now), None);
                }
                let whole = reassembly.push(&ip, Holder(1), now);
                assert_eq!(whole.is_some(), number == 6);
                if let Some(whole) = whole {
                    let ip = parse(&whole).unwrap();
                    assert!(matches!(ip.transport, Transport::Udp(udp) if udp.payload == payload), "{ip:?}");
                    assert_eq!((ip.pair, ip.hops), (pair, 64));
                }
            }
            assert_eq!(reassembly.deadline(), None);
        }
    }
}

#[test]
fn contradicting_fragments_lose_their_packet() {
    let now = Instant::now();
    let packet = udp(v4(), &[1; 3000]);
    let (small, large) = (fragments(&packet, 1000), fragments(&packet, 1500));
    let mut reassembly = Reassembly::default();
    assert_eq!(reassembly.push(&parse(&small[0]).unwrap(), Holder(1), now), None);
    assert!(reassembly.deadline().is_some());
    // Overlaps with the one before.
    let overlapping = {
        let mut changed = small[1].clone();
        changed[7] -= 1;
        changed[10..12].fill(0);
        let sum = checksum::Sum::default().with(&changed[..20]).complemented();
        changed[10..12].copy_from_slice(&sum.to_be_bytes());
        changed
    };
    assert_eq!(reassembly.push(&parse(&overlapping).unwrap(), Holder(1), now), None);
    assert_eq!(reassembly.deadline(), None);
    // Two ends.
    assert_eq!(reassembly.push(&parse(large.last().unwrap()).unwrap(), Holder(1), now), None);
    assert_eq!(
        reassembly.push(&parse(&fragments(&udp(v4(), &[1; 4000]), 1500).pop().unwrap()).unwrap(), Holder(1), now),
        None
    );
    assert_eq!(reassembly.deadline(), None);
}

/// The first fragment of a datagram of 2000 bytes, and the other one.
fn halves(number: u16) -> [Vec<u8>; 2] {
    let envelope = Envelope { identification: Some(number), ..Envelope::new(v4()) };
    let packet = whole(&udp_headers(&envelope, 1, 2, 2000).unwrap(), &[0; 2000]);
    let mut all = Vec::new();
    assert!(split(&packet, u32::from(number), 1500, |fragment| all.push(fragment.to_vec())));
    all.try_into().unwrap()
}

#[test]
fn fragments_of_many_members_take_no_room_from_who_has_little() {
    let (mut reassembly, now) = (Reassembly::default(), Instant::now());
    let [mine, rest] = halves(0);
    assert_eq!(reassembly.push(&parse(&mine).unwrap(), Holder(9), now), None);
    for number in 1..6000u16 {
        let [first, _] = halves(number);
        assert_eq!(reassembly.push(&parse(&first).unwrap(), Holder((number % 3).into()), now), None);
    }
    assert!(reassembly.push(&parse(&rest).unwrap(), Holder(9), now).is_some(), "it was the oldest of all");
    reassembly.expire(now + REASSEMBLY_TIMEOUT);
    assert!(reassembly.is_empty());
}

#[test]
fn waiting_fragments_are_bounded_in_bytes_and_time() {
    let start = Instant::now();
    let mut reassembly = Reassembly::default();
    let mut first = None;
    for number in 0..3000u16 {
        let envelope = Envelope { identification: Some(number), ..Envelope::new(v4()) };
        let packet = whole(&udp_headers(&envelope, 1, 2, 2000).unwrap(), &[0; 2000]);
        let mut all = Vec::new();
        assert!(split(&packet, u32::from(number), 1500, |fragment| all.push(fragment.to_vec())));
        let now = start + std::time::Duration::from_millis(number.into());
        assert_eq!(reassembly.push(&parse(&all[0]).unwrap(), Holder(1), now), None);
        first.get_or_insert(all);
        if number == 2999 {
            assert!(
                reassembly.push(&parse(&first.take().unwrap()[1]).unwrap(), Holder(1), now).is_none(),
                "given up long ago"
            );
        }
    }
    let deadline = reassembly.deadline().unwrap();
    assert!(deadline > start + REASSEMBLY_TIMEOUT);
    reassembly.expire(deadline);
    assert!(reassembly.deadline().unwrap() > deadline);
    reassembly.expire(deadline + REASSEMBLY_TIMEOUT);
    assert_eq!(reassembly.deadline(), None);
}

#[test]
fn device_headers_are_those_of_linux() {
    let plain = Offload::default();
    assert_eq!(encode(plain), [0; VNET_HEADER]);
    let large = Offload { checksum: Some((20, 16)), segments: Some((Segments::Tcp4, 40, 1448)) };
    let encoded = encode(large);
    assert_eq!(encoded[..2], [1, 1]);
    assert_eq!(u16::from_ne_bytes([encoded[4], encoded[5]]), 1448);
    for offload in [plain, large] {
        let packet = [&encode(offload)[..], b"packet"].concat();
        assert_eq!(decode(&packet), Ok((offload, &b"packet"[..])));
    }
    assert!(decode(&[0; 9]).is_err());
    assert!(decode(&[0, 3, 0, 0, 1, 1, 0, 0, 0, 0]).is_err(), "UFO");
    assert!(decode(&[0, 5, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "no size");
}

fn pairs() -> impl Strategy<Value = Pair> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<[u8; 4]>())
            .prop_map(|(source, destination)| Pair::V4 { source: source.into(), destination: destination.into() }),
        (any::<[u8; 16]>(), any::<[u8; 16]>())
            .prop_map(|(source, destination)| Pair::V6 { source: source.into(), destination: destination.into() }),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    let stamps = proptest::option::of(any::<(u32, u32)>());
    (proptest::option::of(any::<u16>()), proptest::option::of(0u8..15), any::<bool>(), stamps, 0usize..3, any::<u32>())
        .prop_map(|(maximum_segment, window_scale, sack_permitted, timestamps, ranges, first)| {
            let mut options =
                Options { maximum_segment, window_scale, sack_permitted, timestamps, ..Options::default() };
            // What a SYN has leaves no room for ranges.
            if maximum_segment.is_none() && window_scale.is_none() && !sack_permitted {
                options.sack.iter_mut().take(ranges).for_each(|range| *range = Some((first, first.wrapping_add(1))));
            }
            options
        })
}

/// A packet of any kind, whole or a fragment.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let parts = (pairs(), options(), vec(any::<u8>(), 0..3000), 0..5u8, 1u16.., any::<u32>(), 68usize..1600);
    parts.prop_map(|(pair, options, payload, kind, port, number, mtu)| {
        let envelope = Envelope { identification: Some(port), ..Envelope::new(pair) };
        let datagram = || whole(&udp_headers(&envelope, port, 53, payload.len()).unwrap(), &payload);
        let mut packet = match kind {
            0 => {
                let segment = Segment {
                    source_port: port,
                    destination_port: 80,
                    sequence: number,
                    options,
                    ..Segment::default()
                };
                whole(&segment.headers(&envelope, payload.len()).unwrap(), &payload)
            }
            1 => {
                let mut reply = Vec::new();
                let echo = Echo { identifier: port, sequence: port, payload: &payload };
                assert!(echo_reply(&mut reply, &envelope, &echo));
                reply
            }
            2 => {
                let (mut error, packet) = (Vec::new(), datagram());
                match refuse(&mut error, &parse(&packet).unwrap(), None, Refusal::TooBig(number)) {
                    true => error,
                    false => packet,
                }
            }
            _ => datagram(),
        };
        if kind == 4 {
            let mut all = Vec::new();
            assert!(split(&packet, number, mtu, |fragment| all.push(fragment.to_vec())));
            let count = all.len();
            packet = all.swap_remove(number as usize % count);
        }
        packet
    })
}

/// Everything that is done with a packet that was received.
fn use_it(bytes: &[u8], offload: Offload) {
    let Ok(ip) = Ip::parse(bytes, offload) else { return };
    assert!(ip.header_length() <= ip.bytes().len() && ip.bytes().len() <= bytes.len());
    let mut out = Vec::new();
    for refusal in [Refusal::Port, Refusal::TooBig(u32::MAX), Refusal::Protocol] {
        if refuse(&mut out, &ip, None, refusal) {
            parse(&out).unwrap();
        }
    }
    match ip.transport {
        Transport::Tcp(tcp) => {
            let _ = tcp.parsed_options();
            let _ = Segment::reset(&tcp).map(|segment| segment.headers(&Envelope::new(ip.pair.reversed()), 0).unwrap());
        }
        Transport::Fragment(_) => {
            let mut reassembly = Reassembly::default();
            assert_eq!(reassembly.push(&ip, Holder(1), Instant::now()), None);
            assert_eq!(reassembly.push(&ip, Holder(1), Instant::now()), None);
        }
        Transport::Udp(_) | Transport::Icmp(_) | Transport::Other(_) => {}
    }
    let mut copy = ip.bytes().to_vec();
    if checksum::complete(&mut copy, offload) {
        let _ = split(&copy, 1, 1280, |fragment| assert!(fragment.len() <= 1280));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_harmless(bytes in vec(any::<u8>(), 0..200), first in 0usize..3, start in any::<u16>(), offset in any::<u16>()) {
        let mut bytes = bytes;
        if let (Some(byte), Some(version)) = (bytes.first_mut(), [0x45, 0x60].get(first)) {
            *byte = *version;
        }
        use_it(&bytes, Offload::default());
        use_it(&bytes, Offload { checksum: Some((start, offset)), segments: None });
        let _ = decode(&bytes);
    }

    #[test]
    fn damaged_packets_are_harmless(packet in packets(), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), end in any::<prop::sample::Index>()) {
        let mut packet = packet;
        prop_assert!(parse(&packet).is_ok(), "{:?}", parse(&packet));
        for (place, value) in damage {
            // Headers are damaged more often than payloads.
            let at = place.index(packet.len()).min(place.index(120));
            packet[at] = value;
        }
        // Checksums would catch nearly all of it: they are made right again, or left to the device.
        if packet[0] >> 4 == 4 && packet.len() >= 20 {
            packet[10..12].fill(0);
            let sum = checksum::Sum::default().with(&packet[..(usize::from(packet[0] & 15) * 4).min(packet.len())]).complemented();
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        let start = if packet[0] >> 4 == 6 { 40 } else { 20 };
        use_it(&packet, Offload { checksum: Some((start, 6)), segments: None });
        use_it(&packet, Offload::default());
        use_it(&packet[..end.index(packet.len())], Offload { checksum: Some((start, 6)), segments: None });
    }

    #[test]
    fn any_extension_headers_are_harmless(
        chain in vec((0usize..6, 0u8..3, any::<u8>()), 0..12),
        last in prop_oneof![Just(6u8), Just(17), Just(58), Just(59), any::<u8>()],
        tail in vec(any::<u8>(), 0..100),
        end in any::<prop::sample::Index>(),
    ) {
        const KINDS: [u8; 6] = [0, 43, 44, 51, 60, 17];
        let kinds: Vec<u8> = chain.iter().map(|(kind, ..)| KINDS[*kind]).chain([last]).collect();
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, kinds[0], 64];
        packet.extend([0xfd; 32]);
        for ((kind, length, byte), next) in chain.iter().zip(&kinds[1..]) {
            let size = match KINDS[*kind] {
                44 => 8,
                51 => (usize::from(*length) + 2) * 4,
                _ => (usize::from(*length) + 1) * 8,
            };
            let start = packet.len();
            packet.resize(start + size, *byte);
            packet[start..start + 2].copy_from_slice(&[*next, *length]);
            if KINDS[*kind] == 44 && byte % 4 > 0 {
                // Whole, or the first of several.
                packet[start + 2..start + 4].copy_from_slice(&[0, byte % 2]);
            }
        }
        packet.extend(tail);
        let length = u16::try_from(packet.len() - 40).unwrap();
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        use_it(&packet, Offload::default());
        use_it(&packet, Offload { checksum: Some((40 + u16::from(chain.len() as u8) * 8, 6)), segments: None });
        let cut = end.index(packet.len());
        if let Some(length) = cut.checked_sub(40) {
            packet[4..6].copy_from_slice(&(length as u16).to_be_bytes());
        }
        use_it(&packet[..cut], Offload::default());
    }

    #[test]
    fn any_fragments_are_harmless(pieces in vec((0u16..3, 0usize..12, 1usize..6, any::<bool>(), any::<bool>(), any::<u8>()), 1..60)) {
        let (mut reassembly, now) = (Reassembly::default(), Instant::now());
        for (number, start, size, more, six, byte) in pieces {
            let (start, size) = (start * 8, if more { size * 8 } else { size * 8 - usize::from(byte % 8) });
            // Of a packet that is cut where the piece begins and ends.
            let whole = if six { udp(v6(), &[byte; 200]) } else { udp(v4(), &[byte; 200]) };
            let (header, head) = if six { (40, &whole[..40]) } else { (20, &whole[..20]) };
            let mut packet = head.to_vec();
            let word = (start / 8) as u16;
            if six {
                packet[6] = 44;
                packet.extend([17, 0]);
                packet.extend((word << 3 | u16::from(more)).to_be_bytes());
                packet.extend(u32::from(number).to_be_bytes());
            } else {
                packet[4..6].copy_from_slice(&number.to_be_bytes());
                packet[6..8].copy_from_slice(&(word | if more { 0x2000 } else { 0 }).to_be_bytes());
            }
            packet.extend(&whole[header + start..header + start + size]);
            let length = (packet.len() - if six { 40 } else { 0 }) as u16;
            let at = if six { 4 } else { 2 };
            packet[at..at + 2].copy_from_slice(&length.to_be_bytes());
            if !six {
                packet[10..12].fill(0);
                let sum = checksum::Sum::default().with(&packet[..20]).complemented();
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            // A piece that is said to be the whole is none.
            let ip = match parse(&packet) {
                Ok(ip) => ip,
                Err(malformed) => {
                    prop_assert!(start == 0 && !more, "{malformed:?}");
                    continue;
                }
            };
            if let Some(whole) = reassembly.push(&ip, Holder(1), now) {
                // It may be anything, but no fragment, and it is as long as it says.
                match parse(&whole) {
                    Ok(ip) => prop_assert!(!matches!(ip.transport, Transport::Fragment(_)) && ip.bytes() == whole),
                    Err(malformed) => prop_assert!(malformed.0.contains("UDP"), "{malformed:?}"),
                }
            }
        }
        reassembly.expire(now + REASSEMBLY_TIMEOUT);
        prop_assert!(reassembly.is_empty());
    }

    #[test]
    fn segments_come_back(pair in pairs(), options in options(), payload in vec(any::<u8>(), 0..100), numbers in any::<(u32, u32, u16, u16)>(), flags in any::<u8>()) {
        let (sequence, acknowledgment, window, urgent) = numbers;
        let segment = Segment { source_port: 1, destination_port: 65535, sequence, acknowledgment, flags: Flags::from_bits_truncate(flags), window, urgent, options };
        let packet = whole(&segment.headers(&Envelope::new(pair), payload.len()).unwrap(), &payload);
        let ip = parse(&packet).unwrap();
        let Transport::Tcp(tcp) = ip.transport else { panic!("{ip:?}") };
        let again = Segment {
            source_port: tcp.source_port,
            destination_port: tcp.destination_port,
            sequence: tcp.sequence,
            acknowledgment: tcp.acknowledgment,
            flags: tcp.flags,
            window: tcp.window,
            urgent: tcp.urgent,
            options: tcp.parsed_options(),
        };
        prop_assert_eq!(again, segment);
        prop_assert_eq!(tcp.payload, &payload[..]);
    }

    #[test]
    fn fragments_are_the_packet(pair in pairs(), payload in vec(any::<u8>(), 0..5000), mtu in 128usize..1600, shuffle in any::<u64>()) {
        let packet = udp(pair, &payload);
        let mut all = fragments(&packet, mtu);
        prop_assert!(all.iter().all(|fragment| fragment.len() <= mtu));
        if all.len() == 1 {
            prop_assert_eq!(&all[0], &packet);
            return Ok(());
        }
        all.sort_by_key(|fragment| checksum::Sum::default().with(fragment).with(&shuffle.to_be_bytes()).folded() ^ shuffle as u16);
        let (mut reassembly, now, mut whole) = (Reassembly::default(), Instant::now(), None);
        for fragment in &all {
            prop_assert!(whole.is_none());
            whole = reassembly.push(&parse(fragment).unwrap(), Holder(1), now);
        }
        let whole = whole.unwrap();
        let ip = parse(&whole).unwrap();
        prop_assert!(matches!(ip.transport, Transport::Udp(udp) if udp.payload == payload));
        if pair.is_v6() {
            prop_assert_eq!(&whole, &packet);
        }
    }
}
