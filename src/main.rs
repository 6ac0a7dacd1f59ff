//! The `coracle` executable. Everything is in the library, where tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    match coracle::dispatch(&args) {
        Some(code) => ExitCode::from(code),
        None => coracle::cli::main(args),
    }
}
