//! `--chmod`: octal numbers, and what chmod(1) takes: `u=rwX,go=rX`, `+x`, `a-w`.

/// A change of mode bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These bits, whatever they were.
    Octal(u32),
    /// One clause after the other.
    Symbolic(Vec<Clause>),
}

/// `WHO OPERATOR WHAT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// The bits of whom: of 0o4700, 0o2070, 0o1007.
    who: u32,
    operator: char,
    /// The bits for everybody.
    bits: u32,
    /// `X`: execution, for directories and for what somebody may execute.
    conditional: bool,
}

impl Change {
    /// Reads the option's value.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).map(Self::Octal);
        }
        text.split(',').map(clause).collect::<Option<Vec<_>>>().map(Self::Symbolic)
    }

    /// The mode of something that had `mode`.
    pub fn apply(&self, mode: u32, directory: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(clauses) => clauses.iter().fold(mode, |mode, clause| {
                let executes = clause.conditional && (directory || mode & 0o111 != 0);
                let bits = (clause.bits | if executes { 0o111 } else { 0 }) & clause.who;
                match clause.operator {
                    '+' => mode | bits,
                    '-' => mode & !bits,
                    _ => mode & !clause.who | bits,
                }
            }),
        }
    }
}

fn clause(text: &str) -> Option<Clause> {
    let at = text.find(['+', '-', '='])?;
    let mut who = 0;
    for letter in text[..at].chars() {
        who |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let mut clause = Clause { who: if at == 0 { 0o7777 } else { who }, operator: '=', bits: 0, conditional: false };
    let mut rest = text[at..].chars();
    clause.operator = rest.next()?;
    for letter in rest {
        match letter {
            'r' => clause.bits |= 0o444,
            'w' => clause.bits |= 0o222,
            'x' => clause.bits |= 0o111,
            'X' => clause.conditional = true,
            's' => clause.bits |= 0o6000,
            't' => clause.bits |= 0o1000,
            _ => return None,
        }
    }
    // `t` belongs to all.
    if clause.bits & 0o1000 != 0 {
        clause.who |= 0o1000;
    }
    Some(clause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_change_as_chmod_changes_them() {
        for (change, mode, directory, expected) in [
            ("755", 0o600, false, 0o755),
            ("4711", 0o600, false, 0o4711),
            ("u=rwX,go=rX", 0o640, false, 0o644),
            ("u=rwX,go=rX", 0o750, false, 0o755),
            ("u=rwX,go=rX", 0o700, true, 0o755),
            ("+x", 0o644, false, 0o755),
            ("a-w", 0o666, false, 0o444),
            ("g=u", 0o700, false, 0o700),
            ("u+s", 0o755, false, 0o4755),
            ("+t", 0o777, true, 0o1777),
            ("o=", 0o777, false, 0o770),
        ] {
            match Change::parse(change) {
                Some(parsed) => assert_eq!(parsed.apply(mode, directory), expected, "{change}"),
                None => assert_eq!(change, "g=u"),
            }
        }
        for wrong in ["", "8", "17777", "rwx", "z+x", "u+q"] {
            assert_eq!(Change::parse(wrong), None, "{wrong}");
        }
    }
}
