//! Connections over a lossy wire, with slow readers, and without a peer.

use super::super::incoming::MAX_KEPT;
use super::*;

/// A client writes more than all buffers hold and reads, slowly, what an echo server with little room sends back: each
/// direction is full, and moves on only when the other one does.
fn full_in_both_directions(mut play: Simulation, boast: usize) -> Duration {
    const ROOM: usize = 20_000;
    (play.far.has, play.far.ended, play.far.room, play.far.boast) = (Vec::new(), false, ROOM, boast);
    play.client.room = 8000;
    play.pace = 8000;
    let since = play.now;
    let play = play.run_with(|play, step| {
        play.echo(ROOM);
        // At the latest when nothing else happens.
        if step % 7 == 0 || play.wire.packets.is_empty() && play.client.wire.packets.is_empty() {
            play.read_inside();
        }
    });
    play.now - since
}

#[test]
fn both_directions_may_be_full() {
    for boast in [0, 5000, 100_000] {
        let took = full_in_both_directions(Simulation::new(1, 0, 600_000, 0), boast);
        assert!(took < Duration::from_secs(2), "{took:?}, as someone waits for a timer again and again");
    }
    for seed in 1..=10 {
        let mut play = Simulation::new(seed, 0, 100_000, 0);
        // Reordering without loss.
        play.client.wire.late = 200;
        let took = full_in_both_directions(play, 0);
        assert!(took < Duration::from_secs(2), "{took:?}, as what comes too early is sent again");
    }
    for seed in 1..=40 {
        full_in_both_directions(Simulation::new(seed, 10 + seed * 3, 60_000, 0), 5000 * (seed % 3) as usize);
    }
}

/// Bytes within the announced window are taken, others are not: the window bounds memory.
#[test]
fn no_more_is_kept_than_was_promised() {
    let mut play = Simulation::new(1, 0, 200_000, 0);
    (play.far.room, play.far.boast) = (0, 20_000);
    play.client.wire.now = Some(play.now);
    play.client.timeout(play.now);
    let since = play.now;
    while play.now - since < Duration::from_secs(60) {
        assert!(play.step());
    }
    assert!(play.kept >= 2000 && play.kept <= 20_000, "{}", play.kept);
    assert_eq!(play.client.most, play.kept, "nothing is sent in vain");
    assert_eq!(play.client.window, 0);
    let since = play.now;
    let play = play.run();
    assert!(play.now - since < Duration::from_secs(2), "{:?}", play.now - since);
}

/// A container that sends more than it may gains nothing.
#[test]
fn what_was_not_promised_is_not_taken() {
    let mut play = Simulation::new(1, 0, 0, 0);
    (play.far.room, play.far.boast, play.far.ended) = (0, 5000, false);
    play.client.wire.now = Some(play.now);
    play.client.timeout(play.now);
    while !play.near.as_ref().is_some_and(Connection::is_open) {
        assert!(play.step());
    }
    let near = play.near.as_ref().unwrap();
    let (sequence, promised) = (near.expected, near.promised());
    let payload = vec![0; size(promised) + 5000];
    let tcp = Tcp { sequence, payload: &payload, ..answer(Flags::ACK, play.client.expected()) };
    play.with(|near, env| near.segment(&tcp, env));
    let near = play.near.as_ref().unwrap();
    assert_eq!((near.expected.wrapping_sub(sequence), near.promised()), (promised, 0));
    assert!(promised >= 2000 && play.kept == size(promised), "{promised} {}", play.kept);
}

/// When all together keep too much, the container has to: it takes longer.
#[test]
fn what_is_not_kept_is_sent_again() {
    let mut play = Simulation::new(1, 0, 200_000, 0);
    (play.far.room, play.far.boast, play.kept) = (5000, 20_000, MAX_KEPT);
    play.run_with(|play, step| {
        if step % 10 == 0 {
            play.read();
        }
        assert_eq!(play.kept % MAX_KEPT, 0, "nothing more");
        if play.far.finished {
            play.kept = 0;
        }
    });
}

#[test]
fn containers_are_called() {
    for seed in 1..=40 {
        Simulation::new(seed, seed * 6, 30_000, 30_000).called().run();
    }
    let since = Instant::now();
    assert!(Simulation::new(1, 0, 30_000, 30_000).called().run().now - since < Duration::from_millis(500));
}

/// A segment that answers our SYN.
fn answer(flags: Flags, acknowledgment: u32) -> Tcp<'static> {
    let (source_port, destination_port) = (CLIENT.1, SERVER.1);
    Tcp {
        source_port,
        destination_port,
        sequence: 7,
        acknowledgment,
        flags,
        window: 0,
        urgent: 0,
        options: &[],
        payload: &[],
    }
}

#[test]
fn a_container_that_is_called_refuses() {
    let mut play = Simulation::new(1, 0, 0, 0).called();
    play.with(|near, env| near.segment(&answer(Flags::RST | Flags::ACK, 5), env));
    assert!(play.near.is_some(), "that was about something else");
    play.with(|near, env| near.segment(&answer(Flags::RST | Flags::ACK, 0xffff_ff01), env));
    assert_eq!(play.verdict, Verdict::Aborted);
}

#[test]
fn a_container_that_is_called_and_says_nothing_is_given_up() {
    let mut play = Simulation::new(1, 0, 0, 0).called();
    play.client.wire.lost = 1000;
    let since = play.now;
    while play.near.is_some() {
        assert!(play.step());
    }
    assert_eq!(play.verdict, Verdict::Aborted);
    assert!(play.now - since > Duration::from_secs(60) && play.now - since < Duration::from_secs(300));
}

/// The container remembers a former connection from the same port: it is told that it is over.
#[test]
fn a_former_connection_is_in_the_way() {
    let mut play = Simulation::new(1, 0, 1000, 1000).called();
    play.wire.packets.clear();
    play.with(|near, env| near.segment(&answer(Flags::ACK, 12_345), env));
    let (_, (bytes, offload)) = play.wire.packets.pop_first().unwrap();
    let Ok(Ip { transport: Transport::Tcp(tcp), .. }) = Ip::parse(&bytes, offload) else { panic!("packet") };
    assert_eq!((tcp.flags, tcp.sequence), (Flags::RST, 12_345));
    assert!(play.wire.packets.is_empty());
    play.run();
}

#[test]
fn without_accidents_nothing_waits() {
    let mut play = Simulation::new(1, 0, 200_000, 400_000);
    (play.pace, play.far.room, play.client.room) = (1 << 20, 1 << 20, 200_000);
    let since = play.now;
    let play = play.run();
    assert!(play.now - since < Duration::from_millis(100), "{:?}", play.now - since);
    assert!(play.packets < 900, "{}", play.packets);
}

#[test]
fn loss_doubles_and_disorder() {
    for seed in 1..=60 {
        Simulation::new(seed, 20 + seed * 4, 60_000, 60_000).run();
    }
}

#[test]
fn small_and_empty_ones() {
    for seed in 1..=20 {
        for (up, down) in [(0, 0), (1, 0), (0, 1), (999, 1001)] {
            Simulation::new(seed, 100, up, down).run();
        }
    }
}

#[test]
fn slow_readers_close_their_windows() {
    for seed in 1..=20 {
        let mut play = Simulation::new(seed, 50, 40_000, 40_000);
        (play.pace, play.client.room, play.far.room) = (1500, 3000, 0);
        play.run();
    }
}

/// The client's window is closed, and the packet that opens it is lost: we ask.
#[test]
fn a_window_is_probed() {
    let mut play = Simulation::new(1, 0, 0, 10_000);
    play.client.room = 4000;
    play.client.wire.now = Some(play.now);
    play.client.timeout(play.now);
    while play.client.got.len() < 4000 {
        assert!(play.step());
    }
    let since = play.now;
    while play.now - since < Duration::from_secs(300) {
        assert!(play.step(), "nobody asks");
    }
    assert!(play.near.is_some(), "a slow reader is no dead one");
    play.client.room = 60_000;
    play.run();
}

#[test]
fn a_container_that_says_nothing_is_given_up() {
    let mut play = Simulation::new(1, 0, 0, 10_000);
    play.client.wire.now = Some(play.now);
    play.client.timeout(play.now);
    while !play.near.as_ref().is_some_and(Connection::is_open) {
        assert!(play.step());
    }
    let since = play.now;
    play.client.wire.lost = 1000;
    play.client.timer = None;
    while play.near.is_some() {
        play.client.timer = None;
        assert!(play.step());
    }
    assert_eq!(play.verdict, Verdict::Aborted);
    assert!(play.now - since > Duration::from_secs(60) && play.now - since < Duration::from_secs(300));
}

#[test]
fn a_full_device_is_a_loss() {
    let mut play = Simulation::new(1, 0, 0, 10_000);
    play.client.wire.now = Some(play.now);
    play.client.timeout(play.now);
    while !play.near.as_ref().is_some_and(Connection::is_open) {
        assert!(play.step());
        play.wire.full = play.near.as_ref().is_some();
        if play.wire.full && play.wire.packets.is_empty() && play.client.wire.packets.is_empty() {
            play.wire.full = false;
        }
    }
    play.wire.full = false;
    play.run();
}

#[test]
fn only_the_right_number_resets() {
    for (offset, verdict) in [(0, Verdict::Aborted), (1, Verdict::Continue), (u32::MAX, Verdict::Continue)] {
        let mut play = Simulation::new(1, 0, 10, 0);
        play.far.ended = false;
        play.client.wire.now = Some(play.now);
        play.client.timeout(play.now);
        while play.far.got.len() < 10 {
            assert!(play.step());
        }
        let expected = play.near.as_ref().unwrap().expected;
        let tcp = Tcp {
            source_port: CLIENT.1,
            destination_port: SERVER.1,
            sequence: expected.wrapping_add(offset),
            acknowledgment: 0,
            flags: Flags::RST,
            window: 0,
            urgent: 0,
            options: &[],
            payload: &[],
        };
        play.with(|near, env| near.segment(&tcp, env));
        assert_eq!(play.verdict, verdict, "{offset}");
    }
}

/// Whatever comes, nothing panics and nothing is acknowledged that does not exist.
#[test]
fn random_segments_do_no_harm() {
    for seed in 1..=200 {
        let mut play = Simulation::new(seed, 0, 10, 5000);
        play.client.wire.now = Some(play.now);
        play.client.timeout(play.now);
        play.step();
        let mut random = Random(seed);
        for _ in 0..200 {
            let Some(near) = &play.near else { break };
            let about = |random: &mut Random, number: u32| match random.below(4) {
                0 => random.below(u64::from(u32::MAX)) as u32,
                _ => number.wrapping_add(random.below(3000) as u32).wrapping_sub(1500),
            };
            let (sequence, acknowledgment) = (about(&mut random, near.expected), about(&mut random, near.first));
            let payload = vec![0; random.below(2000) as usize];
            let tcp = Tcp {
                source_port: CLIENT.1,
                destination_port: SERVER.1,
                sequence,
                acknowledgment,
                flags: Flags::from_bits_truncate(random.below(256) as u8) - Flags::SYN - Flags::RST,
                window: random.below(65_536) as u16,
                urgent: 0,
                options: &[],
                payload: &payload,
            };
            play.now += Duration::from_millis(random.below(500));
            play.far.room = random.below(3000) as usize;
            play.with(|near, env| near.segment(&tcp, env));
            play.with(Connection::timeout);
        }
    }
}

#[test]
fn ten_thousand_take_little() {
    let mut flows = VecDeque::new();
    for seed in 0..10_000 {
        let mut play = Simulation::new(1, 0, 0, 0);
        (play.buffer, play.client.start) = (vec![0; 1000], seed);
        play.client.wire.now = Some(play.now);
        play.client.timeout(play.now);
        play.step();
        play.step();
        play.buffer = Vec::new();
        flows.push_back(play.near.unwrap());
    }
    assert!(size_of::<Connection>() <= 256, "{}", size_of::<Connection>());
    assert_eq!(flows.len(), 10_000);
}
