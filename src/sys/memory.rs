//! Memory: giving back the pages of the program that a role has used once, at its start, and what the allocator keeps.

use std::fs;
use std::io;

/// Unmaps this program's own code and constants; what is used again is mapped again from the page cache, a microsecond
/// each. A process that will mostly sleep shrinks by megabytes.
pub fn release_program_pages() -> io::Result<()> {
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        if let Some((start, end)) = unwritten_part(line) {
            // SAFETY: the range is a private mapping of the program file that has never been writable: code, or the
            // first segment, which holds headers and constants. So no page of it differs from the file, and
            // MADV_DONTNEED (madvise(2)) brings back the same bytes. The program runs on meanwhile: the code that is
            // executing now is mapped again at once.
            if unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// Lets all threads share one arena of the allocator (mallopt(3)): each further one costs a thread that allocates a few
/// times some 100 KiB.
pub fn share_one_arena() {
    // SAFETY: sets a number in the allocator; unknown ones are refused.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Gives freed memory back to the kernel.
pub fn trim() {
    // SAFETY: locks the heaps and returns pages that hold nothing (malloc_trim(3)).
    unsafe { libc::malloc_trim(0) };
}

/// The range of a line of proc_pid_maps(5), if it is a part of a file that cannot have been written: executable, or
/// read-only from the file's very beginning. A read-only part further on may be relocated data, protected afterwards.
fn unwritten_part(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, permissions, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let (_device, inode) = (fields.next()?, fields.next()?);
    let from_start = offset.bytes().all(|digit| digit == b'0');
    let unwritten = permissions == "r-xp" || permissions == "r--p" && from_start;
    let (start, end) = range.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    (unwritten && inode != "0").then_some((number(start)?, number(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_have_been_written_is_released() {
        assert_eq!(unwritten_part("00200000-0038d000 r--p 00000000 fe:00 12 /x"), Some((0x20_0000, 0x38_d000)));
        assert_eq!(unwritten_part("0038d000-00400000 r-xp 0018c000 fe:00 12 /x"), Some((0x38_d000, 0x40_0000)));
        for kept in [
            "006d6000-006de000 r--p 004d5000 fe:00 12 /x",
            "006de000-006e0000 rw-p 004dc000 fe:00 12 /x",
            "7ffd0000-7ffd2000 r-xp 00000000 00:00 0 [vdso]",
            "3d9b5000-3d9d7000 rw-p 00000000 00:00 0 [heap]",
        ] {
            assert_eq!(unwritten_part(kept), None, "{kept}");
        }
    }

    #[test]
    fn the_program_runs_on() {
        release_program_pages().unwrap();
        assert_eq!("still here".to_uppercase(), "STILL HERE");
    }

    #[test]
    fn the_allocator_goes_on() {
        share_one_arena();
        trim();
        assert_eq!(vec![1u8; 1 << 20].len(), 1 << 20);
    }
}
