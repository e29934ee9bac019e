//! The `annals` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    annals::ops::cli::main()
}
