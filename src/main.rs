//! The program: everything lies in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    datadrop::cli::run(std::env::args_os())
}
