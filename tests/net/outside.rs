//! What containers see of the outside, and the outside of them.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use coracle::base::error::Kind;
use coracle::net::model::{Protocol, PublishedPort};
use coracle::net::protocol::Join;

use super::laptop::{Container, HOST, kill_netd, network, wish};

const PATIENCE: Duration = Duration::from_secs(5);

fn connect(address: IpAddr, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Says something on one end, and hears it on the other, both ways and to the end.
fn converse(mut a: TcpStream, mut b: TcpStream) {
    b.set_read_timeout(Some(PATIENCE)).unwrap();
    a.write_all(b"question").unwrap();
    let mut heard = [0; 8];
    b.read_exact(&mut heard).unwrap();
    b.write_all(b"answer!!").unwrap();
    a.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"answer!!");
    drop(b);
    assert_eq!(a.read(&mut heard).unwrap(), 0);
}

pub fn the_outside_is_as_the_host_sees_it() {
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    for host in HOST.map(|host| host.parse::<IpAddr>().unwrap()) {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        for _ in 0..20 {
            let stream = a.run(|| connect(host, port)).unwrap();
            converse(stream, listener.accept().unwrap().0);
        }
        drop(listener);
        assert_eq!(a.run(|| connect(host, port)).unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
    }
    let nowhere = "192.0.2.1".parse().unwrap();
    let native = connect(nowhere, 80).unwrap_err().raw_os_error();
    assert_eq!(a.run(|| connect(nowhere, 80)).unwrap_err().raw_os_error(), native);
}

fn publishing(name: &str, network: &coracle::net::model::Network, host_port: u16) -> Join {
    let port = PublishedPort { host_ip: None, host_port, container_port: 80, protocol: Protocol::Tcp };
    Join { ports: vec![port], ..wish(name, &[network]) }
}

fn reach_published(container: &Container, port: u16) {
    let listener = container.run(|| TcpListener::bind("[::]:80")).unwrap();
    for address in ["127.0.0.1", "::1", HOST[0], HOST[1]] {
        let stream = connect(address.parse().unwrap(), port).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        converse(stream, accepted);
    }
}

pub fn published_ports_lead_to_containers() {
    let network = network("one", 1);
    let a = Container::start(&publishing("a", &network, 0)).unwrap();
    let port = a.joined.ports[0].host_port;
    assert_ne!(port, 0);
    reach_published(&a, port);
    let clash = Container::start(&publishing("b", &network, port)).err().unwrap();
    assert_eq!(clash.kind(), Kind::Conflict, "{}", clash.chain());
    // What failed has left nothing behind: the same name and all addresses are free.
    let b = Container::start(&publishing("b", &network, 0)).unwrap();
    reach_published(&b, b.joined.ports[0].host_port);
    drop(a);
    let again = Container::start(&publishing("a", &network, port)).unwrap();
    reach_published(&again, port);
}

pub fn ports_come_back_after_netd_was_killed() {
    let network = network("one", 1);
    let mut a = Container::start(&publishing("a", &network, 0)).unwrap();
    let port = a.joined.ports[0].host_port;
    for _ in 0..3 {
        kill_netd();
        assert!(connect(IpAddr::from([127, 0, 0, 1]), port).is_err());
        a.revive();
        assert_eq!(a.membership.joined().ports[0].host_port, port);
        reach_published(&a, port);
        let host = HOST[0].parse().unwrap();
        let listener = TcpListener::bind((host, 0)).unwrap();
        let stream = a.run(|| connect(host, listener.local_addr().unwrap().port())).unwrap();
        converse(stream, listener.accept().unwrap().0);
    }
}
