//! From a profile to a filter.
//!
//! # Theory of operation
//!
//! For each architecture the rules become a list of [`Span`]s that covers all call numbers; each span has one [`Outcome`],
//! and neighbours differ. A list is emitted as a balanced tree of comparisons ([`emit_tree`]), so a call is judged in about
//! log2(spans) instructions. x32 calls are x86_64 calls with bit 30 set, so they are spans of the same list.
//!
//! Where a call's outcome depends on its arguments, the leaf is code for its rules. If these all look at one argument and
//! compare it with 32-bit values, as docker's rules for `socket` and `personality` do, they become spans of the argument
//! and the same kind of tree; else the conditions are tested one after the other.
//!
//! Arguments are 64-bit values of which a filter loads 32 bits at a time. For 32-bit architectures (x32, too) only the low
//! half is what the kernel will use, so only that is compared.

use super::bpf::{Assembler, Label, SockFilter, Test};
use super::profile::{Action, Arch, Comparison, Condition, Host, Profile, Rule};
use super::syscalls::{NONE, SYSCALLS};
use crate::base::error::{Error, Result};
use crate::spec::capabilities::CapSet;

/// Set in the number of every x32 call (`__X32_SYSCALL_BIT`).
const X32_BIT: u32 = 0x4000_0000;

/// The first private call of 32-bit arm (`__ARM_NR_BASE`): far above all others, so no measure of what is new.
const ARM_PRIVATE: u32 = 0x0f_0000;

/// Offsets in `struct seccomp_data`; an argument's low half comes first on the little-endian machines known here.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Compiles a profile for this machine and for a container whose bounding set is `capabilities`.
///
/// # Errors
///
/// [`crate::base::error::Kind::Unsupported`] on an architecture without a number table;
/// [`crate::base::error::Kind::Invalid`] when the program is larger than the kernel takes.
pub fn compile(profile: &Profile, capabilities: CapSet) -> Result<Vec<SockFilter>> {
    compile_for(profile, capabilities, &Host::current())
}

/// [`compile`] for a given host.
pub fn compile_for(profile: &Profile, capabilities: CapSet, host: &Host) -> Result<Vec<SockFilter>> {
    let native = host.arch.ok_or_else(|| {
        Error::unsupported("seccomp filters are not available on this architecture")
            .hint("run without one: `--security-opt seccomp=unconfined`")
    })?;
    let rules: Vec<&Rule> = profile.rules.iter().filter(|rule| rule.applies(capabilities, host)).collect();
    let has_x32 = profile.architectures.contains(&Arch::X32);
    let others = profile.architectures.iter().filter(|&&arch| arch != native && arch != Arch::X32);

    let mut assembler = Assembler::new();
    let mut next = assembler.ret(Action::KillProcess.code());
    // Built backwards: what is emitted last, the native architecture, is what the filter tests first.
    for &arch in others.chain([&native]) {
        let mut spans = Spans::default();
        add_calls(&mut spans, &rules, profile.default_action, arch);
        match (arch, has_x32) {
            (Arch::X86_64, true) => add_calls(&mut spans, &rules, profile.default_action, Arch::X32),
            (Arch::X86_64, false) => spans.push(X32_BIT, Outcome::Return(Action::KillProcess.code())),
            _ => {}
        }
        let judged = emit_tree(&mut assembler, &spans.list, &mut |assembler, outcome| match outcome {
            Outcome::Return(code) => assembler.ret(*code),
            Outcome::Judge(judgement) => judgement.emit(assembler),
        });
        let known = assembler.load(NUMBER, judged);
        next = assembler.branch(Test::Equal, arch.audit(), known, next);
    }
    let entry = assembler.load(ARCHITECTURE, next);
    assembler.finish(entry)
}

/// A run of numbers with one outcome, up to where the next span begins.
#[derive(Debug, PartialEq, Eq)]
struct Span<T> {
    first: u32,
    outcome: T,
}

/// Spans in ascending order; the first begins at 0, neighbours differ.
#[derive(Debug)]
struct Spans<T> {
    list: Vec<Span<T>>,
}

impl<T> Default for Spans<T> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

impl<T: PartialEq> Spans<T> {
    /// From `first` on, which lies after all earlier ones, the outcome is this.
    fn push(&mut self, first: u32, outcome: T) {
        if self.list.last().is_none_or(|last| last.outcome != outcome) {
            self.list.push(Span { first, outcome });
        }
    }
}

/// What happens to a call.
#[derive(Debug, PartialEq, Eq)]
enum Outcome<'a> {
    /// The filter's value, whatever the arguments are.
    Return(u32),
    /// The arguments decide.
    Judge(Judgement<'a>),
}

/// The conditional rules for one call; the first one that holds decides.
#[derive(Debug, PartialEq, Eq)]
struct Judgement<'a> {
    alternatives: Vec<Alternative<'a>>,
    /// The filter's value when none holds.
    otherwise: u32,
    /// Whether all 64 bits of an argument count.
    wide: bool,
}

/// One conditional rule.
#[derive(Debug, PartialEq, Eq)]
struct Alternative<'a> {
    /// All of these must hold.
    conditions: &'a [Condition],
    code: u32,
}

/// Adds the spans of all calls of an architecture.
fn add_calls<'a>(spans: &mut Spans<Outcome<'a>>, rules: &[&'a Rule], default: Action, arch: Arch) {
    let base = if arch == Arch::X32 { X32_BIT } else { 0 };
    let mut calls: Vec<(u32, u16)> = Vec::with_capacity(512);
    for (position, rule) in rules.iter().enumerate() {
        let numbers = rule.calls.iter().map(|&row| SYSCALLS[usize::from(row)].1[arch.column()]);
        // A profile has fewer than 65,536 rules (`parse` bounds it).
        calls.extend(numbers.filter(|&number| number != NONE).map(|number| (number, position as u16)));
    }
    calls.sort_unstable();
    let newest = calls.iter().map(|&(number, _)| number).rfind(|&number| number < ARM_PRIVATE);
    let unnamed = |number: u32| match newest {
        Some(newest) if number > newest && !default.is_permissive() => {
            Outcome::Return(Action::Errno(libc::ENOSYS as u16).code())
        }
        _ => Outcome::Return(default.code()),
    };
    spans.push(base, unnamed(0));
    let mut end = 0;
    for group in calls.chunk_by(|a, b| a.0 == b.0) {
        let number = group[0].0;
        if number > end {
            spans.push(base + end, unnamed(end));
        }
        let rules = group.iter().map(|&(_, position)| rules[usize::from(position)]);
        spans.replace_or_push(base + number, outcome_of(rules, default, arch));
        end = number + 1;
    }
    spans.push(base + end, unnamed(end));
}

impl<T: PartialEq> Spans<T> {
    /// As [`Spans::push`], where the last span may begin at the same number and then loses it.
    fn replace_or_push(&mut self, first: u32, outcome: T) {
        if self.list.last().is_some_and(|last| last.first == first) {
            self.list.pop();
        }
        self.push(first, outcome);
    }
}

/// What the rules for one call make of it, as the module's head promises. A rule with the default action is no rule, as in
/// runc.
fn outcome_of<'a>(rules: impl Iterator<Item = &'a Rule>, default: Action, arch: Arch) -> Outcome<'a> {
    let mut alternatives = Vec::new();
    for rule in rules.filter(|rule| rule.action != default) {
        let (conditions, code) = (rule.conditions.as_slice(), rule.action.code());
        let one_each = (0..6).any(|argument| conditions.iter().filter(|c| c.argument == argument).count() > 1);
        match conditions {
            [] => return Outcome::Return(code),
            _ if one_each => {
                alternatives.extend(conditions.chunks(1).map(|conditions| Alternative { conditions, code }));
            }
            _ => alternatives.push(Alternative { conditions, code }),
        }
    }
    match alternatives.is_empty() {
        true => Outcome::Return(default.code()),
        false => Outcome::Judge(Judgement { alternatives, otherwise: default.code(), wide: arch.is_64_bit() }),
    }
}

/// Emits the search for the span that the accumulator lies in.
fn emit_tree<T: PartialEq>(
    assembler: &mut Assembler,
    spans: &[Span<T>],
    leaf: &mut impl FnMut(&mut Assembler, &T) -> Label,
) -> Label {
    match spans {
        [only] => leaf(assembler, &only.outcome),
        // One number that is different from what surrounds it.
        [around, one, after] if around.outcome == after.outcome && one.first + 1 == after.first => {
            let no = leaf(assembler, &around.outcome);
            let yes = leaf(assembler, &one.outcome);
            assembler.branch(Test::Equal, one.first, yes, no)
        }
        _ => {
            let (below, above) = spans.split_at(spans.len() / 2);
            let yes = emit_tree(assembler, above, leaf);
            let no = emit_tree(assembler, below, leaf);
            assembler.branch(Test::AtLeast, above[0].first, yes, no)
        }
    }
}

impl Judgement<'_> {
    /// Emits the code that judges a call by its arguments.
    fn emit(&self, assembler: &mut Assembler) -> Label {
        match self.as_spans() {
            Some((argument, spans, beyond)) => {
                let low = emit_tree(assembler, &spans.list, &mut |assembler, &code| assembler.ret(code));
                let low = assembler.load(low_half(argument), low);
                match self.wide {
                    false => low,
                    true => {
                        let beyond = assembler.ret(beyond);
                        let fits = assembler.branch(Test::Equal, 0, low, beyond);
                        assembler.load(high_half(argument), fits)
                    }
                }
            }
            None => self.emit_in_turn(assembler),
        }
    }

    /// The judgement as spans of one argument's low half, and the value for arguments beyond 32 bits.
    fn as_spans(&self) -> Option<(u8, Spans<u32>, u32)> {
        let argument = self.alternatives.first()?.conditions.first()?.argument;
        let mut bounds = vec![0];
        for alternative in &self.alternatives {
            match alternative.conditions {
                [Condition { comparison: Comparison::MaskedEqual(_), .. }] => return None,
                [condition] if condition.argument == argument => {
                    let value = u32::try_from(condition.value).ok()?;
                    bounds.extend([Some(value), value.checked_add(1)].into_iter().flatten());
                }
                _ => return None,
            }
        }
        bounds.sort_unstable();
        bounds.dedup();
        let code_at = |value: u64| {
            let holds = |alternative: &&Alternative<'_>| alternative.conditions.iter().all(|c| holds_for(c, value));
            self.alternatives.iter().find(holds).map_or(self.otherwise, |alternative| alternative.code)
        };
        let mut spans = Spans::default();
        for bound in bounds {
            spans.push(bound, code_at(u64::from(bound)));
        }
        Some((argument, spans, code_at(u64::from(u32::MAX) + 1)))
    }

    /// One condition after the other.
    fn emit_in_turn(&self, assembler: &mut Assembler) -> Label {
        let mut next = assembler.ret(self.otherwise);
        for alternative in self.alternatives.iter().rev() {
            let mut matched = assembler.ret(alternative.code);
            for condition in alternative.conditions.iter().rev() {
                matched = match self.wide {
                    true => emit_wide(assembler, condition, matched, next),
                    false => emit_narrow(assembler, condition, matched, next),
                };
            }
            next = matched;
        }
        next
    }
}

/// Whether a condition that is not masked holds for a value of its argument.
fn holds_for(condition: &Condition, argument: u64) -> bool {
    match condition.comparison {
        Comparison::NotEqual => argument != condition.value,
        Comparison::Less => argument < condition.value,
        Comparison::LessOrEqual => argument <= condition.value,
        Comparison::Equal => argument == condition.value,
        Comparison::GreaterOrEqual => argument >= condition.value,
        Comparison::Greater => argument > condition.value,
        Comparison::MaskedEqual(mask) => argument & mask == condition.value & mask,
    }
}

/// Tests a condition on all 64 bits of its argument.
fn emit_wide(assembler: &mut Assembler, condition: &Condition, yes: Label, no: Label) -> Label {
    let (low, high) = (low_half(condition.argument), high_half(condition.argument));
    let (value_low, value_high) = (condition.value as u32, (condition.value >> 32) as u32);
    // The high half decides unless it is equal; `yes` and `no` swap for the comparisons that are others' opposites.
    let (test, yes, no) = match condition.comparison {
        Comparison::Equal => (Test::Equal, yes, no),
        Comparison::NotEqual => (Test::Equal, no, yes),
        Comparison::Greater => (Test::Above, yes, no),
        Comparison::LessOrEqual => (Test::Above, no, yes),
        Comparison::GreaterOrEqual => (Test::AtLeast, yes, no),
        Comparison::Less => (Test::AtLeast, no, yes),
        Comparison::MaskedEqual(mask) => {
            let masked = |assembler: &mut Assembler, offset, mask: u32, value: u32, yes| match mask {
                0 => yes,
                _ => {
                    let test = assembler.branch(Test::Equal, value & mask, yes, no);
                    let test = assembler.and(mask, test);
                    assembler.load(offset, test)
                }
            };
            let yes = masked(assembler, low, mask as u32, value_low, yes);
            return masked(assembler, high, (mask >> 32) as u32, value_high, yes);
        }
    };
    let low_test = assembler.branch(test, value_low, yes, no);
    let low_test = assembler.load(low, low_test);
    let equal = assembler.branch(Test::Equal, value_high, low_test, no);
    let high_test = match test {
        Test::Equal => equal,
        Test::Above | Test::AtLeast => assembler.branch(Test::Above, value_high, yes, equal),
    };
    assembler.load(high, high_test)
}

/// Tests a condition on the low half of its argument, the high half being 0.
fn emit_narrow(assembler: &mut Assembler, condition: &Condition, yes: Label, no: Label) -> Label {
    let Ok(value) = u32::try_from(condition.value) else {
        // No argument reaches the value; under a mask, only its low half can tell.
        return match condition.comparison {
            Comparison::NotEqual | Comparison::Less | Comparison::LessOrEqual => yes,
            Comparison::Equal | Comparison::Greater | Comparison::GreaterOrEqual => no,
            Comparison::MaskedEqual(mask) if (condition.value & mask) >> 32 != 0 => no,
            Comparison::MaskedEqual(_) => {
                let value = condition.value & u64::from(u32::MAX);
                emit_narrow(assembler, &Condition { value, ..*condition }, yes, no)
            }
        };
    };
    let (test, yes, no) = match condition.comparison {
        Comparison::Equal | Comparison::MaskedEqual(_) => (Test::Equal, yes, no),
        Comparison::NotEqual => (Test::Equal, no, yes),
        Comparison::Greater => (Test::Above, yes, no),
        Comparison::LessOrEqual => (Test::Above, no, yes),
        Comparison::GreaterOrEqual => (Test::AtLeast, yes, no),
        Comparison::Less => (Test::AtLeast, no, yes),
    };
    let offset = low_half(condition.argument);
    match condition.comparison {
        Comparison::MaskedEqual(mask) => {
            let test = assembler.branch(test, value & mask as u32, yes, no);
            let test = assembler.and(mask as u32, test);
            assembler.load(offset, test)
        }
        _ => {
            let test = assembler.branch(test, value, yes, no);
            assembler.load(offset, test)
        }
    }
}

/// Where the low 32 bits of an argument are.
fn low_half(argument: u8) -> u32 {
    ARGUMENTS + 8 * u32::from(argument)
}

/// Where the high 32 bits of an argument are.
fn high_half(argument: u8) -> u32 {
    low_half(argument) + 4
}
