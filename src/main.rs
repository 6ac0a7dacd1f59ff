//! The `coracle` executable. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    match coracle::dispatch(&args) {
        Some(code) => ExitCode::from(code),
        None => coracle::main(args),
    }
}
