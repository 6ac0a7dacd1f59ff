//! Classic BPF programs for seccomp(2), built from the last instruction to the first.
//!
//! # Theory of operation
//!
//! Conditional jumps of classic BPF only go forward, by at most 255 instructions. Building backwards makes every target
//! known when its jump is emitted: [`Assembler`] pushes instructions in reverse, and a [`Label`] is a position counted
//! from the program's end. A target that is too far away is reached through a copy of it, when it is a return, or an
//! unconditional jump (32 bits wide) emitted right there. Equal returns are shared while they are within reach.
//!
//! The kernel's own interpreter of filters, which finds out at load time which calls a filter allows whatever their
//! arguments are (`seccomp_cache_prepare`, Linux 5.11), knows only the instructions used here.

use std::collections::BTreeMap;

use crate::base::error::{Error, Result};

/// One instruction, as the kernel takes it.
pub type SockFilter = libc::sock_filter;

/// The most instructions of one filter (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// How far a conditional jump reaches, less the two instructions that reaching both targets may need in between.
const REACH: usize = 255 - 2;

/// A place in the program: the number of instructions from it to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(usize);

/// The comparisons of the accumulator with a constant that the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// `A == k`
    Equal,
    /// `A >= k`, unsigned.
    AtLeast,
    /// `A > k`, unsigned.
    Above,
}

impl Test {
    /// The instruction's code.
    fn code(self) -> u16 {
        let operation = match self {
            Self::Equal => libc::BPF_JEQ,
            Self::AtLeast => libc::BPF_JGE,
            Self::Above => libc::BPF_JGT,
        };
        (libc::BPF_JMP | operation | libc::BPF_K) as u16
    }
}

/// A program under construction.
#[derive(Default)]
pub struct Assembler {
    reversed: Vec<SockFilter>,
    returns: BTreeMap<u32, Label>,
}

impl Assembler {
    /// An empty program.
    pub fn new() -> Self {
        Self { reversed: Vec::with_capacity(512), returns: BTreeMap::new() }
    }

    /// Ends the filter with `value`, a `SECCOMP_RET_*` with its data.
    pub fn ret(&mut self, value: u32) -> Label {
        match self.returns.get(&value) {
            Some(&label) if self.distance(label) <= REACH => label,
            _ => {
                let label = self.push(RETURN, 0, 0, value);
                self.returns.insert(value, label);
                label
            }
        }
    }

    /// Compares the accumulator with `k`.
    pub fn branch(&mut self, test: Test, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let (yes, no) = (self.near(yes), self.near(no));
        // Both distances are at most 255: `near` may have added one instruction for each.
        let (to_yes, to_no) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push(test.code(), to_yes, to_no, k)
    }

    /// Loads the 32-bit word at `offset` of `struct seccomp_data` into the accumulator, then goes on at `next`.
    pub fn load(&mut self, offset: u32, next: Label) -> Label {
        self.fall_through(next);
        self.push(LOAD_WORD, 0, 0, offset)
    }

    /// Clears the bits of the accumulator that are not in `mask`, then goes on at `next`.
    pub fn and(&mut self, mask: u32, next: Label) -> Label {
        self.fall_through(next);
        self.push(AND, 0, 0, mask)
    }

    /// The program that starts at `entry`, in execution order.
    pub fn finish(mut self, entry: Label) -> Result<Vec<SockFilter>> {
        self.fall_through(entry);
        if self.reversed.len() > MAX_INSTRUCTIONS {
            return Err(Error::invalid(format!(
                "the seccomp profile makes a filter of {} instructions, more than the kernel's {MAX_INSTRUCTIONS}",
                self.reversed.len()
            ))
            .hint("merge its rules, or use fewer conditions on arguments"));
        }
        self.reversed.reverse();
        Ok(self.reversed)
    }

    /// Makes `next` what follows the instruction that is pushed now.
    fn fall_through(&mut self, next: Label) {
        if self.distance(next) > 0 {
            self.hop(next);
        }
    }

    /// `label`, or a place within reach that leads there.
    fn near(&mut self, label: Label) -> Label {
        if self.distance(label) <= REACH { label } else { self.hop(label) }
    }

    /// Emits an instruction that does what the one at `label` does: the same return, or a jump to it.
    fn hop(&mut self, label: Label) -> Label {
        match self.reversed[label.0 - 1] {
            SockFilter { code: RETURN, k, .. } => {
                let copy = self.push(RETURN, 0, 0, k);
                self.returns.insert(k, copy);
                copy
            }
            _ => {
                let distance = self.distance(label) as u32;
                self.push(JUMP, 0, 0, distance)
            }
        }
    }

    /// How many instructions lie between one pushed now and `label`.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label.0
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(SockFilter { code, jt, jf, k });
        Label(self.reversed.len())
    }
}

#[cfg(test)]
pub mod interpreter {
    //! An independent reading of the kernel's rules (`net/core/filter.c`, `kernel/seccomp.c`), to test programs with.

    use super::SockFilter;

    /// What the kernel shows a filter.
    #[derive(Debug, Clone, Copy)]
    pub struct Data {
        pub nr: u32,
        pub arch: u32,
        pub args: [u64; 6],
    }

    impl Data {
        fn word(&self, offset: u32) -> u32 {
            match offset {
                0 => self.nr,
                4 => self.arch,
                16..=60 if offset.is_multiple_of(4) => {
                    let argument = self.args[(offset as usize - 16) / 8];
                    (argument >> if offset.is_multiple_of(8) { 0 } else { 32 }) as u32
                }
                _ => panic!("a load that the kernel refuses: {offset}"),
            }
        }
    }

    /// Runs a program; panics where the kernel would have refused it.
    pub fn run(program: &[SockFilter], data: &Data) -> u32 {
        let (mut at, mut accumulator) = (0usize, 0u32);
        loop {
            let SockFilter { code, jt, jf, k } = program[at];
            let choose = |holds: bool| usize::from(if holds { jt } else { jf });
            at += 1;
            match code {
                0x20 => accumulator = data.word(k),
                0x54 => accumulator &= k,
                0x05 => at += k as usize,
                0x15 => at += choose(accumulator == k),
                0x25 => at += choose(accumulator > k),
                0x35 => at += choose(accumulator >= k),
                0x06 => return k,
                _ => panic!("an instruction that seccomp does not take: {code:#x}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::interpreter::{Data, run};
    use super::*;

    const DATA: Data = Data { nr: 7, arch: 9, args: [0; 6] };

    #[test]
    fn far_targets_are_reached() {
        for padding in [0, 1, 200, 252, 253, 254, 255, 256, 257, 300, 1000] {
            let mut assembler = Assembler::new();
            let far_return = assembler.ret(1);
            let returned = assembler.ret(2);
            let far_code = assembler.load(4, returned);
            let mut filler = assembler.ret(3);
            for _ in 0..padding {
                filler = assembler.and(u32::MAX, filler);
            }
            let code_or_return = assembler.branch(Test::Equal, 7, far_code, far_return);
            let entry = assembler.load(0, code_or_return);
            let program = assembler.finish(entry).unwrap();
            assert_eq!(run(&program, &DATA), 2, "{padding}");
            assert_eq!(run(&program, &Data { nr: 8, ..DATA }), 1, "{padding}");
        }
    }

    #[test]
    fn equal_returns_are_shared_within_reach() {
        let mut assembler = Assembler::new();
        let (first, second) = (assembler.ret(5), assembler.ret(5));
        assert_eq!(first, second);
        assert_eq!(assembler.branch(Test::Above, 1, first, second), first);
        let program = assembler.finish(first).unwrap();
        assert_eq!(program.len(), 1);
    }

    #[test]
    fn a_program_that_the_kernel_would_refuse_is_an_error() {
        let mut assembler = Assembler::new();
        let mut next = assembler.ret(0);
        for _ in 0..MAX_INSTRUCTIONS {
            next = assembler.and(1, next);
        }
        assert!(assembler.finish(next).unwrap_err().message().contains("4097 instructions"));
    }
}
