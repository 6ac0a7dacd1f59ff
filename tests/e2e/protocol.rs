//! Commands and supervisors of different versions: what a client of the first protocol says, byte for byte, is served by
//! today's supervisor, and what today's commands say does not hang at a supervisor of the first protocol.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, listen, recvmsg,
    sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::support::env::Env;

/// A packet arrives long before that, or never.
const LIMIT: i64 = 30;

fn packets() -> OwnedFd {
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(LIMIT, 0)).expect("a limit");
    socket
}

fn place(env: &Env, id: &str) -> PathBuf {
    env.runtime().join("containers").join(&id[..32])
}

/// A client of the supervisor of a container.
fn client(env: &Env, id: &str) -> OwnedFd {
    let socket = packets();
    // Its path is longer than an address: through the directory.
    let directory = std::fs::File::open(env.runtime().join("containers")).expect("the runtime directory");
    let path = format!("/proc/self/fd/{}/{}", directory.as_raw_fd(), &id[..32]);
    connect(socket.as_raw_fd(), &UnixAddr::new(path.as_str()).expect("short")).expect("a supervisor");
    socket
}

fn say(socket: &OwnedFd, packet: &[u8]) {
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(packet)], &[], MsgFlags::MSG_NOSIGNAL, None).expect("it listens");
}

/// The next packet; empty when the other end has gone.
fn hear(socket: &OwnedFd) -> Vec<u8> {
    let mut buffer = vec![0; 1 << 18];
    let mut into = [IoSliceMut::new(&mut buffer)];
    let length = recvmsg::<()>(socket.as_raw_fd(), &mut into, None, MsgFlags::empty()).expect("an answer").bytes;
    buffer.truncate(length);
    buffer
}

/// The next packet that is no output.
fn hear_reply(socket: &OwnedFd) -> Vec<u8> {
    loop {
        let packet = hear(socket);
        if !matches!(packet.first(), Some(b'o' | b'e')) {
            return packet;
        }
    }
}

#[test]
fn a_client_of_the_first_protocol_is_served() {
    let env = ready!(busybox);
    let id = env.run_detached("-i --name web --health-cmd true --health-interval 1h IMAGE cat");
    let pid = env.pid("web").as_raw().to_ne_bytes();
    // attach, input and output
    let attached = client(&env, &id);
    say(&attached, b"a\x01");
    assert_eq!(hear(&attached), [&b"S"[..], &pid].concat());
    say(&attached, b"ihello\n");
    assert_eq!(hear(&attached), b"ohello\n");
    // What was never known is ignored, and the session goes on.
    say(&attached, b"?");
    say(&attached, b"r\x50\0\x19\0");
    say(&attached, b"iagain\n");
    assert_eq!(hear(&attached), b"oagain\n");
    // network connect and disconnect
    let changes = client(&env, &id);
    env.coracle("network create front").succeeds();
    say(&changes, br#"n{"Connect":{"network":"front"}}"#);
    assert_eq!(hear(&changes), b"d");
    say(&changes, br#"n{"Disconnect":"front"}"#);
    assert_eq!(hear(&changes), b"d");
    say(&changes, br#"n{"Disconnect":"front"}"#);
    assert_eq!(hear(&changes)[0], b'F');
    // healthcheck run
    let check = client(&env, &id);
    say(&check, b"c");
    assert_eq!(hear(&check)[0], b'H');
    // exec: three streams come with it
    let exec = client(&env, &id);
    let null = std::fs::File::options().read(true).write(true).open("/dev/null").expect("/dev/null");
    let request =
        br#"x{"argv":["sh","-c","exit 7"],"env":[],"user":null,"cwd":null,"terminal":null,"privileged":false}"#;
    let streams = [null.as_raw_fd(); 3];
    let rights = [ControlMessage::ScmRights(&streams)];
    sendmsg::<()>(exec.as_raw_fd(), &[IoSlice::new(request)], &rights, MsgFlags::empty(), None).expect("it listens");
    assert_eq!(hear(&exec)[0], b'S');
    assert_eq!(hear(&exec), b"X\x07\0\0\0");
    // wait, stop
    let waiter = client(&env, &id);
    say(&waiter, b"w");
    let stopper = client(&env, &id);
    say(&stopper, b"s\x0f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(hear_reply(&stopper)[0], b'X');
    assert_eq!(hear_reply(&waiter)[0], b'X');
    assert_eq!(hear_reply(&attached)[0], b'X');
    env.reaches("web", "exited");
}

#[test]
fn a_newer_client_is_told_what_is_not_known() {
    let env = ready!(busybox);
    let id = env.run_detached("--name web IMAGE sleep 1000");
    let newer = client(&env, &id);
    say(&newer, br#"h{"protocol":99,"later":true}"#);
    let hello: serde_json::Value = serde_json::from_slice(&hear(&newer)[1..]).expect("a hello");
    assert!(hello["protocol"].as_u64() >= Some(1), "{hello}");
    say(&newer, b"~{\"something\":1}");
    let refused = hear(&newer);
    assert_eq!(refused[0], b'F');
    assert!(String::from_utf8_lossy(&refused).contains("does not know this request"));
    say(&newer, br#"u{"Later":1}"#);
    assert_eq!(hear(&newer)[0], b'F');
    env.coracle("exec web true").succeeds();
}

#[test]
fn a_supervisor_of_the_first_protocol_is_not_asked_for_what_it_does_not_know() {
    let env = ready!(busybox);
    let id = env.run_detached("--name web IMAGE sleep 1000");
    // As one that was started by the version before: its record has no protocol.
    let record = env.data().join("containers").join(&id).join("state.json");
    let mut state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&record).expect("a record")).expect("it is JSON");
    assert!(state.as_object_mut().expect("an object").remove("protocol").is_some());
    std::fs::write(&record, state.to_string()).expect("our record");
    let supervisor = place(&env, &id);
    let former = supervisor.with_extension("former");
    std::fs::rename(&supervisor, &former).expect("our directory");
    let listener = packets();
    let directory = std::fs::File::open(env.runtime().join("containers")).expect("the runtime directory");
    let path = format!("/proc/self/fd/{}/{}", directory.as_raw_fd(), &id[..32]);
    bind(listener.as_raw_fd(), &UnixAddr::new(path.as_str()).expect("short")).expect("our directory");
    listen(&listener, Backlog::new(8).expect("few")).expect("a listener");
    for line in ["pause web", "unpause web", "rename web front", "update --restart always web"] {
        env.coracle(line).fails_with(1).stderr_has("is of an older coracle").stderr_has("coracle restart");
    }
    // What it knows it is asked for, and it ignores the hello before that.
    let answers = std::thread::spawn(move || {
        loop {
            let socket = rustix::net::accept(&listener).expect("a client");
            loop {
                let packet = hear(&socket);
                match packet.first() {
                    Some(b'n') => {
                        say(&socket, b"d");
                        return packet;
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        }
    });
    env.coracle("network disconnect bridge web").succeeds();
    assert_eq!(answers.join().expect("a request"), br#"n{"Disconnect":"bridge"}"#);
    std::fs::rename(&former, &supervisor).expect("our directory");
    env.coracle("rm -f web").succeeds();
}
