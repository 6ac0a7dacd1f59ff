//! As much of D-Bus as it takes to ask systemd for something: a connection over a Unix socket, authenticated by the
//! credentials that the kernel attaches to it, calls with a few kinds of arguments, and the messages that come back (D-Bus
//! specification 0.43, "Message Protocol" and "Authentication Protocol").
//!
//! The other side is the user's own message bus or systemd itself. Messages are bounded all the same, and nothing in them
//! is used before it was checked: a wrong length is an error, never a panic.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::base::private;

/// The largest message that is read. The specification allows 128 MiB; what systemd sends us is a few hundred bytes.
const MAX_MESSAGE: usize = 1 << 20;

/// The longest line of the authentication.
const MAX_LINE: usize = 16 << 10;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The result of a call.
    Return,
    /// The call has failed.
    Error,
    /// A signal.
    Signal,
    /// Something else.
    Other,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// The call that it answers; 0 for none.
    pub answers: u32,
    /// The signal, or the name of the error.
    pub name: String,
    /// The body, as far as it is made of strings, paths and 32-bit numbers.
    pub body: Vec<Value>,
}

/// An argument. Only what systemd's calls need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `s`
    Text(String),
    /// `o`
    Path(String),
    /// `u`
    Number(u32),
    /// `t`
    Long(u64),
    /// `b`
    Flag(bool),
    /// `au`
    Numbers(Vec<u32>),
    /// `a(sv)`
    Properties(Vec<(&'static str, Value)>),
    /// `a(sa(sv))`, empty
    NoUnits,
}

impl Value {
    fn signature(&self) -> &'static str {
        match self {
            Value::Text(_) => "s",
            Value::Path(_) => "o",
            Value::Number(_) => "u",
            Value::Long(_) => "t",
            Value::Flag(_) => "b",
            Value::Numbers(_) => "au",
            Value::Properties(_) => "a(sv)",
            Value::NoUnits => "a(sa(sv))",
        }
    }
}

/// A method of an object.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Whose: a name on the bus.
    pub destination: &'static str,
    /// The object.
    pub path: &'static str,
    /// The interface.
    pub interface: &'static str,
    /// The method.
    pub member: &'static str,
}

/// Little-endian bytes, each value at its natural alignment.
#[derive(Debug, Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        while !self.0.len().is_multiple_of(to) {
            self.0.push(0);
        }
    }

    fn number(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, signature: &str) {
        self.0.push(signature.len() as u8);
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    /// An array whose elements have this alignment. Its length does not count the padding before the first.
    fn array(&mut self, alignment: usize, elements: impl FnOnce(&mut Self)) {
        self.number(0);
        let length_at = self.0.len() - 4;
        self.align(alignment);
        let begins = self.0.len();
        elements(self);
        let length = (self.0.len() - begins) as u32;
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(text) | Value::Path(text) => self.text(text),
            Value::Number(number) => self.number(*number),
            Value::Flag(flag) => self.number(u32::from(*flag)),
            Value::Long(number) => {
                self.align(8);
                self.0.extend(number.to_le_bytes());
            }
            Value::Numbers(numbers) => self.array(4, |array| numbers.iter().for_each(|number| array.number(*number))),
            Value::Properties(properties) => self.array(8, |array| {
                for (name, value) in properties {
                    array.align(8);
                    array.text(name);
                    array.signature(value.signature());
                    array.value(value);
                }
            }),
            Value::NoUnits => self.array(8, |_| {}),
        }
    }
}

/// A call as bytes.
fn call(serial: u32, method: &Method, arguments: &[Value]) -> Vec<u8> {
    let mut body = Writer::default();
    arguments.iter().for_each(|argument| body.value(argument));
    // Little-endian, a method call, no flags, version 1.
    let mut message = Writer(vec![b'l', 1, 0, 1]);
    message.number(body.0.len() as u32);
    message.number(serial);
    message.array(8, |fields| {
        for (code, signature, value) in
            [(1u8, "o", method.path), (2, "s", method.interface), (3, "s", method.member), (6, "s", method.destination)]
        {
            fields.align(8);
            fields.0.push(code);
            fields.signature(signature);
            fields.text(value);
        }
        if !arguments.is_empty() {
            let signature: String = arguments.iter().map(Value::signature).collect();
            fields.align(8);
            fields.0.push(8);
            fields.signature("g");
            fields.signature(&signature);
        }
    });
    message.align(8);
    message.0.extend(body.0);
    message.0
}

/// Reads values from bytes of either order.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        let text = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        (self.take(1)? == [0]).then_some(text)
    }

    fn signature(&mut self) -> Option<String> {
        let length = usize::from(*self.take(1)?.first()?);
        let text = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        (self.take(1)? == [0]).then_some(text)
    }

    /// A value of one letter of a signature; none for others.
    fn value(&mut self, letter: char) -> Option<Value> {
        Some(match letter {
            's' => Value::Text(self.text()?),
            'o' => Value::Path(self.text()?),
            'u' => Value::Number(self.number()?),
            'b' => Value::Flag(self.number()? != 0),
            'g' => Value::Text(self.signature()?),
            _ => return None,
        })
    }
}

/// A message from its bytes. What its body has after the first value of a kind that is not known is left out.
fn message(bytes: &[u8]) -> Option<Message> {
    let mut reader = Reader { bytes, at: 4, big: bytes.first() == Some(&b'B') };
    let kind = match bytes.get(1)? {
        2 => Kind::Return,
        3 => Kind::Error,
        4 => Kind::Signal,
        _ => Kind::Other,
    };
    let _body_length = reader.number()?;
    let _serial = reader.number()?;
    let fields_end = reader.number()? as usize + reader.at;
    let (mut answers, mut name, mut signature) = (0, String::new(), String::new());
    while reader.at < fields_end {
        reader.align(8);
        let code = *reader.take(1)?.first()?;
        let letter = reader.signature()?;
        match (code, reader.value(letter.chars().next()?)?) {
            (5, Value::Number(number)) => answers = number,
            (3, Value::Text(member)) if kind == Kind::Signal => name = member,
            (4, Value::Text(error)) if kind == Kind::Error => name = error,
            (8, Value::Text(text)) => signature = text,
            _ => {}
        }
    }
    reader.align(8);
    let body = signature.chars().map_while(|letter| reader.value(letter)).collect();
    Some(Message { kind, answers, name, body })
}

/// How many bytes a message has, by its first 16.
fn length(head: &[u8; 16]) -> Option<usize> {
    let mut reader = Reader { bytes: head, at: 4, big: head[0] == b'B' };
    let body = reader.number()? as usize;
    reader.at = 12;
    let fields = reader.number()? as usize;
    let total = 16usize.checked_add(fields)?.next_multiple_of(8).checked_add(body)?;
    (matches!(head[0], b'l' | b'B') && total <= MAX_MESSAGE).then_some(total)
}

/// A connection, authenticated.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    serial: u32,
}

impl Connection {
    /// Connects to the socket at `path`. `patience` is how long the other end may take to be ready. `own`: nobody but this user may be at
    /// the other end. Without XDG_RUNTIME_DIR the path may be in a directory that belongs to everybody.
    pub fn open(path: &Path, own: bool, patience: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        if own {
            private::check_peer(stream.as_fd())?;
        }
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut connection = Self { stream, serial: 0 };
        connection.authenticate()?;
        Ok(connection)
    }

    /// EXTERNAL without a name: the server takes the user from the socket's credentials. A name would be of no use: in a user
    /// namespace, this process does not know by which number the server knows its user.
    fn authenticate(&mut self) -> io::Result<()> {
        self.stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        loop {
            let line = self.line()?;
            match line.split(' ').next() {
                Some("DATA") => {}
                Some("OK") => return Ok(()),
                _ => return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the bus refuses this user")),
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        // Byte by byte: behind the last line, messages begin. It is one short line for each connection.
        while line.len() < MAX_LINE {
            self.stream.read_exact(&mut byte)?;
            match byte[0] {
                b'\n' => return Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
                other => line.push(other),
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    /// How long the next answers may take.
    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        // Zero is no limit.
        self.stream.set_read_timeout(Some(patience.max(Duration::from_millis(1))))
    }

    /// Sends a call, and returns its number.
    pub fn send(&mut self, method: &Method, arguments: &[Value]) -> io::Result<u32> {
        self.serial += 1;
        self.stream.write_all(&call(self.serial, method, arguments))?;
        Ok(self.serial)
    }

    /// The next message.
    pub fn receive(&mut self) -> io::Result<Message> {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        let total = length(&head).ok_or(io::ErrorKind::InvalidData)?;
        let mut bytes = head.to_vec();
        bytes.resize(total, 0);
        self.stream.read_exact(&mut bytes[16..])?;
        message(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;
    use crate::base::publish::Staging;

    const METHOD: Method = Method { destination: "org.x", path: "/org/x", interface: "org.x.Manager", member: "Do" };

    #[test]
    fn a_call_has_the_specifications_form() {
        let bytes = call(7, &METHOD, &[Value::Text("ab".into()), Value::Number(5)]);
        assert_eq!(bytes[..16], [b'l', 1, 0, 1, 12, 0, 0, 0, 7, 0, 0, 0, 80, 0, 0, 0]);
        // Path, first of the fields: code, signature, length, text.
        assert_eq!(bytes[16..31], *b"\x01\x01o\0\x06\0\0\0/org/x\0");
        assert_eq!(length(bytes[..16].try_into().unwrap()), Some(bytes.len()));
        assert_eq!(bytes[bytes.len() - 12..], *b"\x02\0\0\0ab\0\0\x05\0\0\0");
    }

    #[test]
    fn properties_are_variants_at_eight_bytes() {
        let mut writer = Writer::default();
        let pids = Value::Numbers(vec![1, 2]);
        writer.value(&Value::Properties(vec![("A", Value::Flag(true)), ("B", pids), ("C", Value::Long(3))]));
        let expected = [
            &b"\x40\0\0\0\0\0\0\0"[..],
            b"\x01\0\0\0A\0\x01b\0\0\0\0\x01\0\0\0",
            b"\x01\0\0\0B\0\x02au\0\0\0\x08\0\0\0\x01\0\0\0\x02\0\0\0",
            b"\x01\0\0\0C\0\x01t\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0",
        ]
        .concat();
        assert_eq!(writer.0, expected);
    }

    /// A message of another kind has the same form as a call.
    fn answer(kind: u8, name: &str, body: &[Value]) -> Vec<u8> {
        let mut message = Writer(vec![b'l', kind, 0, 1]);
        let mut encoded = Writer::default();
        body.iter().for_each(|value| encoded.value(value));
        message.number(encoded.0.len() as u32);
        message.number(99);
        message.array(8, |fields| {
            fields.0.extend([5, 1, b'u', 0]);
            fields.number(3);
            fields.align(8);
            fields.0.push(if kind == 4 { 3 } else { 4 });
            fields.signature("s");
            fields.text(name);
            fields.align(8);
            fields.0.push(8);
            fields.signature("g");
            fields.signature(&body.iter().map(Value::signature).collect::<String>());
        });
        message.align(8);
        message.0.extend(encoded.0);
        message.0
    }

    #[test]
    fn answers_are_understood() {
        let body = vec![Value::Number(4), Value::Path("/job/1".into()), Value::Text("done".into())];
        let bytes = answer(4, "JobRemoved", &body);
        let expected = Message { kind: Kind::Signal, answers: 3, name: "JobRemoved".into(), body };
        assert_eq!(message(&bytes), Some(expected));
        assert_eq!(message(&answer(3, "org.x.Failed", &[])).unwrap().name, "org.x.Failed");
    }

    #[test]
    fn no_bytes_are_a_panic() {
        let whole = answer(4, "JobRemoved", &[Value::Text("x".into())]);
        for end in 0..whole.len() {
            let _ = message(&whole[..end]);
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut wrong = whole.clone();
                wrong[at] = byte;
                let _ = message(&wrong);
                let _ = length(wrong[..16].try_into().unwrap());
            }
        }
        assert_eq!(length(&[b'l', 2, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn a_connection_authenticates_and_hears() {
        let directory = Staging::new(&std::env::temp_dir()).unwrap();
        let path = directory.path().join("bus");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = [0; 29];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(heard, *b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n");
            stream.write_all(b"DATA\r\nOK 0123\r\n").unwrap();
            stream.write_all(&answer(4, "JobRemoved", &[])).unwrap();
            let (mut second, _) = listener.accept().unwrap();
            second.read_exact(&mut heard).unwrap();
            second.write_all(b"REJECTED EXTERNAL\r\n").unwrap();
        });
        let patience = Duration::from_secs(10);
        let mut connection = Connection::open(&path, true, patience).unwrap();
        assert_eq!(connection.send(&METHOD, &[]).unwrap(), 1);
        assert_eq!(connection.receive().unwrap().name, "JobRemoved");
        let refused = Connection::open(&path, true, patience).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        server.join().unwrap();
        assert!(Connection::open(&directory.path().join("none"), true, patience).is_err());
    }
}
