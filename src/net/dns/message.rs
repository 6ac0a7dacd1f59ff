//! DNS messages (RFC 1035, RFC 6891): the parts that a forwarder reads, and the answers it makes.
//!
//! Messages come from containers and from the network: nothing here panics on any of them, and names are bounded by the
//! format. Only the first question of a message is parsed; the rest is relayed as it is, except for the EDNS OPT
//! record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The size of the header, in bytes.
pub const HEADER: usize = 12;
/// The largest UDP answer without EDNS.
pub const UDP_PLAIN: usize = 512;
/// The largest UDP answer of this forwarder with EDNS: it passes every link unfragmented (DNS flag day 2020).
pub const UDP_EDNS: usize = 1232;
/// The largest message: the length over TCP has 16 bits.
pub const MESSAGE_MAX: usize = u16::MAX as usize;

/// How many records behind the question are searched for EDNS.
const RECORDS_MAX: usize = 8;
/// The TTL of answers made here, in seconds: containers come and go.
const TTL: u32 = 5;

const FLAG_RESPONSE: u16 = 0x8000;
const FLAG_AUTHORITATIVE: u16 = 0x0400;
const FLAG_TRUNCATED: u16 = 0x0200;
const FLAG_RECURSION_DESIRED: u16 = 0x0100;
const FLAG_RECURSION_AVAILABLE: u16 = 0x0080;
const FLAG_CHECKING_DISABLED: u16 = 0x0010;
const OPCODES: u16 = 0x7800;
const TYPE_OPT: u16 = 41;
/// The name of the question, as a compression pointer.
const NAME_OF_QUESTION: u16 = 0xc000 | HEADER as u16;

/// Types that are answered here: an IPv4 address.
pub const TYPE_A: u16 = 1;
/// A name for an address.
pub const TYPE_PTR: u16 = 12;
/// An IPv6 address.
pub const TYPE_AAAA: u16 = 28;
/// Any type.
pub const TYPE_ANY: u16 = 255;
/// The Internet.
pub const CLASS_IN: u16 = 1;
/// Any class.
pub const CLASS_ANY: u16 = 255;

/// The response code (RFC 1035, 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    /// The name exists, perhaps without this type.
    NoError = 0,
    /// The question is malformed.
    FormErr = 1,
    /// No resolver could be asked.
    ServFail = 2,
    /// The name does not exist.
    NxDomain = 3,
    /// A kind of query that is not supported.
    NotImp = 4,
}

/// The EDNS record of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// The largest UDP answer that the client takes.
    pub size: u16,
    /// The version asked for.
    pub version: u8,
    /// The client wants signatures (DO).
    pub dnssec: bool,
}

/// A parsed query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The client's id for it.
    pub id: u16,
    /// The flags of the header.
    flags: u16,
    /// Lower case, labels joined by dots, without a final dot; `None` if a label has bytes other than printable ASCII,
    /// or a dot.
    pub name: Option<String>,
    /// The type asked for.
    pub kind: u16,
    /// The class asked for.
    pub class: u16,
    /// The length of header and question in bytes.
    end: usize,
    /// The EDNS record.
    pub edns: Option<Edns>,
}

/// Why a message is not relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// Not a query: ignore it.
    Noise,
    /// A query that gets this response code.
    Answer(Code),
}

/// The data of an answer record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// An address.
    Address(IpAddr),
    /// A name, of type PTR.
    Name(String),
}

/// Parses a query.
pub fn parse(message: &[u8]) -> Result<Question, Rejected> {
    let header = Header::read(message).ok_or(Rejected::Noise)?;
    if header.flags & FLAG_RESPONSE != 0 {
        return Err(Rejected::Noise);
    }
    if header.flags & OPCODES != 0 {
        return Err(Rejected::Answer(Code::NotImp));
    }
    if header.questions != 1 || header.answers != 0 {
        return Err(Rejected::Answer(Code::FormErr));
    }
    let mut reader = Reader { message, at: HEADER };
    let question = (|| Some((reader.question_name()?, reader.u16()?, reader.u16()?)))();
    let Some((name, kind, class)) = question else { return Err(Rejected::Answer(Code::FormErr)) };
    let end = reader.at;
    let records = usize::from(header.authorities) + usize::from(header.additional);
    let edns = reader.find_edns(records.min(RECORDS_MAX));
    Ok(Question { id: header.id, flags: header.flags, name, kind, class, end, edns })
}

impl Question {
    /// The question section of the message it was parsed from: name, type and class.
    pub fn section<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        message.get(HEADER..self.end).unwrap_or_default()
    }

    /// The largest UDP answer that the client takes.
    pub fn udp_limit(&self) -> usize {
        let asked = self.edns.map_or(0, |edns| usize::from(edns.size));
        asked.clamp(UDP_PLAIN, UDP_EDNS)
    }

    /// An answer to the query in `message` with these data, of at most `limit` bytes; if some do not fit, it is marked
    /// as truncated.
    pub fn answer(&self, message: &[u8], code: Code, data: &[Data], limit: usize) -> Vec<u8> {
        let section = self.section(message);
        let edns = self.edns.map_or(0, |_| 11);
        let mut records = Vec::new();
        let (mut count, mut truncated) = (0u16, false);
        for data in data {
            let Some(record) = record(data) else { continue };
            if HEADER + section.len() + records.len() + record.len() + edns > limit || count == u16::MAX {
                truncated = true;
                break;
            }
            records.extend(record);
            count += 1;
        }
        let kept = self.flags & (FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED);
        let mut flags = FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | kept | code as u16;
        if matches!(code, Code::NoError | Code::NxDomain) {
            flags |= FLAG_AUTHORITATIVE;
        }
        if truncated {
            flags |= FLAG_TRUNCATED;
        }
        let mut answer = Vec::with_capacity(HEADER + section.len() + records.len() + edns);
        let additional = u16::from(self.edns.is_some());
        for field in [self.id, flags, u16::from(!section.is_empty()), count, 0, additional] {
            answer.extend(field.to_be_bytes());
        }
        answer.extend(section);
        answer.extend(records);
        if let Some(edns) = self.edns {
            // Root name, type OPT, our size, no extended code, version 0, the DO flag as received, no options.
            answer.push(0);
            answer.extend(TYPE_OPT.to_be_bytes());
            answer.extend((UDP_EDNS as u16).to_be_bytes());
            answer.extend([0, 0, u8::from(edns.dnssec) << 7, 0, 0, 0]);
        }
        answer
    }
}

/// The answer to an unparsable query: its header, with the code.
pub fn refuse(message: &[u8], code: Code) -> Option<Vec<u8>> {
    let header = Header::read(message)?;
    let flags = FLAG_RESPONSE | header.flags & (OPCODES | FLAG_RECURSION_DESIRED) | code as u16;
    let fields = [header.id, flags, 0, 0, 0, 0];
    Some(fields.into_iter().flat_map(u16::to_be_bytes).collect())
}

/// What an answer of a resolver is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Relay it.
    Good,
    /// This resolver failed: another may answer.
    Useless,
    /// Not an answer to this query: forged, or late.
    Foreign,
}

/// Classifies `answer` to a query that was sent with this `id` and question `section`.
pub fn judge(answer: &[u8], id: u16, section: &[u8]) -> Answer {
    let Some(header) = Header::read(answer) else { return Answer::Foreign };
    if header.id != id || header.flags & FLAG_RESPONSE == 0 {
        return Answer::Foreign;
    }
    let code = header.flags & 0xf;
    // Some resolvers omit the question when they refuse a query.
    let echoed = answer.get(HEADER..HEADER + section.len()).is_some_and(|echo| echo.eq_ignore_ascii_case(section));
    if !(header.questions == 1 && echoed || header.questions == 0 && code != 0) {
        return Answer::Foreign;
    }
    // SERVFAIL, NOTIMP, REFUSED: stub resolvers ask the next server of resolv.conf(5) on these.
    if matches!(code, 2 | 4 | 5) { Answer::Useless } else { Answer::Good }
}

/// Replaces the id of a message.
pub fn set_id(message: &mut [u8], id: u16) {
    if let Some(field) = message.first_chunk_mut() {
        *field = id.to_be_bytes();
    }
}

/// The address in a reverse lookup name: `4.3.2.1.in-addr.arpa` (RFC 1035, 3.5) or an IPv6 name (RFC 3596, 2.5).
pub fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = labels.rsplit('.');
        for octet in &mut octets {
            let label = labels.next().filter(|label| label.bytes().all(|b| b.is_ascii_digit()))?;
            *octet = label.parse().ok()?;
        }
        return labels.next().is_none().then(|| Ipv4Addr::from(octets).into());
    }
    let labels = name.strip_suffix(".ip6.arpa")?;
    let mut bits = 0u128;
    let mut count = 0;
    for label in labels.rsplit('.') {
        let digit =
            Some(label).filter(|label| label.len() == 1).and_then(|label| u8::from_str_radix(label, 16).ok())?;
        bits = bits << 4 | u128::from(digit);
        count += 1;
    }
    (count == 32).then(|| Ipv6Addr::from_bits(bits).into())
}

/// One record about the name in the question; `None` for a name that does not fit the format.
fn record(data: &Data) -> Option<Vec<u8>> {
    let (kind, data) = match data {
        Data::Address(IpAddr::V4(address)) => (TYPE_A, address.octets().to_vec()),
        Data::Address(IpAddr::V6(address)) => (TYPE_AAAA, address.octets().to_vec()),
        Data::Name(name) => (TYPE_PTR, encode(name)?),
    };
    let mut record = Vec::with_capacity(HEADER + data.len());
    for field in [NAME_OF_QUESTION, kind, CLASS_IN] {
        record.extend(field.to_be_bytes());
    }
    record.extend(TTL.to_be_bytes());
    record.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    record.extend(data);
    Some(record)
}

/// A name as labels with their lengths: 63 bytes each, 255 all together (RFC 1035, 2.3.4).
fn encode(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        out.push(length);
        out.extend(label.as_bytes());
    }
    out.push(0);
    (out.len() <= 255).then_some(out)
}

struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    answers: u16,
    authorities: u16,
    additional: u16,
}

impl Header {
    fn read(message: &[u8]) -> Option<Self> {
        let mut reader = Reader { message, at: 0 };
        let mut next = || reader.u16();
        Some(Self {
            id: next()?,
            flags: next()?,
            questions: next()?,
            answers: next()?,
            authorities: next()?,
            additional: next()?,
        })
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let bytes = self.message.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    /// The name of the first question, which cannot be compressed. `Some(None)`: well formed, but no possible name of a
    /// container.
    fn question_name(&mut self) -> Option<Option<String>> {
        let (mut name, mut plain, mut total) = (String::new(), true, 1);
        loop {
            let length = usize::from(self.u8()?);
            if length == 0 {
                return Some(plain.then_some(name));
            }
            total += length + 1;
            if length > 63 || total > 255 {
                return None;
            }
            let label = self.take(length)?;
            plain &= label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.');
            if !name.is_empty() {
                name.push('.');
            }
            name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        }
    }

    /// Looks for the OPT record among the next records. An unparsable one counts as absent.
    fn find_edns(&mut self, records: usize) -> Option<Edns> {
        for _ in 0..records {
            let is_root = self.skip_name()?;
            let (kind, class) = (self.u16()?, self.u16()?);
            let [_, version, flags, _] = *self.take(4)?.first_chunk()?;
            let length = self.u16()?;
            self.take(usize::from(length))?;
            if kind == TYPE_OPT && is_root {
                return Some(Edns { size: class, version, dnssec: flags & 0x80 != 0 });
            }
        }
        None
    }

    /// Skips a name; whether it is the root.
    fn skip_name(&mut self) -> Option<bool> {
        let start = self.at;
        loop {
            match self.u8()? {
                0 => return Some(self.at == start + 1),
                length @ 1..=63 => drop(self.take(usize::from(length))?),
                // A pointer ends the name.
                0xc0.. => return self.u8().map(|_| false),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A query of a stub resolver.
    pub fn question(id: u16, name: &str, kind: u16, edns: Option<u16>) -> Vec<u8> {
        let mut message = Vec::new();
        for field in [id, FLAG_RECURSION_DESIRED, 1, 0, 0, u16::from(edns.is_some())] {
            message.extend(field.to_be_bytes());
        }
        message.extend(if name.is_empty() { vec![0] } else { encode(name).unwrap() });
        message.extend(kind.to_be_bytes());
        message.extend(CLASS_IN.to_be_bytes());
        if let Some(size) = edns {
            message.extend([0, 0, 41]);
            message.extend(size.to_be_bytes());
            message.extend([0, 0, 0x80, 0, 0, 0]);
        }
        message
    }

    /// Code, whether it is truncated, and how many answers.
    pub fn outcome(answer: &[u8]) -> (u16, bool, u16) {
        let header = Header::read(answer).unwrap();
        assert_ne!(header.flags & FLAG_RESPONSE, 0);
        (header.flags & 0xf, header.flags & FLAG_TRUNCATED != 0, header.answers)
    }

    #[test]
    fn questions_are_understood() {
        let message = question(7, "Web.Example", TYPE_AAAA, Some(4096));
        let parsed = parse(&message).unwrap();
        assert_eq!((parsed.id, parsed.name.as_deref(), parsed.kind), (7, Some("web.example"), TYPE_AAAA));
        assert_eq!(parsed.edns, Some(Edns { size: 4096, version: 0, dnssec: true }));
        assert_eq!((parsed.udp_limit(), parsed.section(&message).len()), (UDP_EDNS, 17));
        assert_eq!(parse(&question(7, "", 2, None)).unwrap().name.as_deref(), Some(""));
    }

    #[test]
    fn what_is_no_question_is_refused_or_ignored() {
        let good = question(7, "web", TYPE_A, None);
        let with = |at: usize, byte: u8| {
            let mut message = good.clone();
            message[at] = byte;
            message
        };
        for (message, wrong) in [
            (good[..11].to_vec(), Rejected::Noise),
            (with(2, 0x81), Rejected::Noise),
            (with(2, 0x28), Rejected::Answer(Code::NotImp)),
            (with(5, 0), Rejected::Answer(Code::FormErr)),
            (with(5, 2), Rejected::Answer(Code::FormErr)),
            (with(12, 0xc0), Rejected::Answer(Code::FormErr)),
            (with(12, 64), Rejected::Answer(Code::FormErr)),
            (good[..good.len() - 1].to_vec(), Rejected::Answer(Code::FormErr)),
        ] {
            assert_eq!(parse(&message), Err(wrong), "{message:?}");
        }
        assert_eq!(parse(&with(13, b' ')).unwrap().name, None);
        assert_eq!(refuse(&with(2, 0x29), Code::NotImp).unwrap(), [0, 7, 0xa9, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn answers_have_what_fits() {
        let message = question(7, "web", TYPE_A, None);
        let parsed = parse(&message).unwrap();
        let addresses: Vec<Data> = (0..100u8).map(|n| Data::Address(IpAddr::from([10, 0, 0, n]))).collect();
        let one = parsed.answer(&message, Code::NoError, &addresses[..1], UDP_PLAIN);
        let expected = [
            &[0, 7, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..],
            &[3, b'w', b'e', b'b', 0, 0, 1, 0, 1],
            &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, 0],
        ];
        assert_eq!(one, expected.concat());
        let many = parsed.answer(&message, Code::NoError, &addresses, UDP_PLAIN);
        assert!(many.len() <= UDP_PLAIN);
        assert_eq!(outcome(&many), (0, true, 30));
        assert_eq!(outcome(&parsed.answer(&message, Code::NoError, &addresses, MESSAGE_MAX)), (0, false, 100));
        let names = [Data::Name("web.bridge".into()), Data::Name("x".repeat(64)), Data::Name("a..b".into())];
        assert_eq!(outcome(&parsed.answer(&message, Code::NoError, &names, UDP_PLAIN)), (0, false, 1));
        let message = question(7, "web", TYPE_A, Some(100));
        let answer = parse(&message).unwrap().answer(&message, Code::NxDomain, &[], UDP_PLAIN);
        assert_eq!(answer[answer.len() - 11..], [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
    }

    #[test]
    fn answers_of_resolvers_are_told_from_guesses() {
        let message = question(7, "web.example", TYPE_A, None);
        let parsed = parse(&message).unwrap();
        let section = parsed.section(&message);
        let good = parsed.answer(&message, Code::NoError, &[], UDP_PLAIN);
        assert_eq!(judge(&good, 7, section), Answer::Good);
        assert_eq!(judge(&good, 8, section), Answer::Foreign);
        assert_eq!(judge(&message, 7, section), Answer::Foreign);
        assert_eq!(judge(&parsed.answer(&message, Code::NxDomain, &[], UDP_PLAIN), 7, section), Answer::Good);
        assert_eq!(judge(&parsed.answer(&message, Code::ServFail, &[], UDP_PLAIN), 7, section), Answer::Useless);
        assert_eq!(judge(&refuse(&message, Code::NotImp).unwrap(), 7, section), Answer::Useless);
        assert_eq!(judge(&refuse(&message, Code::NoError).unwrap(), 7, section), Answer::Foreign);
        let other = question(7, "bad.example", TYPE_A, None);
        let poisoned = parse(&other).unwrap().answer(&other, Code::NoError, &[], UDP_PLAIN);
        assert_eq!(judge(&poisoned, 7, section), Answer::Foreign);
        assert_eq!(judge(&good.to_ascii_uppercase(), 7, section), Answer::Good);
    }

    #[test]
    fn reverse_names() {
        let v6 = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        for (name, address) in [
            ("4.3.2.1.in-addr.arpa", Some("1.2.3.4")),
            ("3.2.1.in-addr.arpa", None),
            ("5.4.3.2.1.in-addr.arpa", None),
            ("x.3.2.1.in-addr.arpa", None),
            ("+4.3.2.1.in-addr.arpa", None),
            ("256.3.2.1.in-addr.arpa", None),
            (v6, Some("2001:db8::567:89ab")),
            (&v6[2..], None),
            ("1.ip6.arpa", None),
            ("in-addr.arpa", None),
        ] {
            assert_eq!(reversed(name), address.map(|address| address.parse().unwrap()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_message_breaks_the_reader(message in proptest::collection::vec(any::<u8>(), 0..600), id: u16) {
            if let Ok(question) = parse(&message) {
                let answer = question.answer(&message, Code::NoError, &[Data::Address(IpAddr::from([1, 2, 3, 4]))], UDP_PLAIN);
                prop_assert!(answer.len() <= UDP_PLAIN);
                prop_assert!(judge(&answer, question.id, question.section(&message)) == Answer::Good);
            }
            let _ = judge(&message, id, &message);
            let _ = refuse(&message, Code::FormErr);
        }

        #[test]
        fn questions_with_broken_tails_are_still_questions(
            name in "[a-z0-9-]{1,63}(\\.[a-z0-9-]{1,60}){0,2}",
            tail in proptest::collection::vec(any::<u8>(), 0..100),
            additional: u16,
        ) {
            let mut message = question(1, &name, TYPE_A, None);
            message[10..12].copy_from_slice(&additional.to_be_bytes());
            message.extend(tail);
            prop_assert_eq!(parse(&message).unwrap().name, Some(name));
        }

        #[test]
        fn reverse_of_anything(name in "\\PC{0,80}(\\.ip6|\\.in-addr)?\\.arpa") {
            let _ = reversed(&name);
        }
    }
}
