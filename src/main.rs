//! The `annals` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _points = failpoints();
    annals::ops::cli::main()
}

/// Arms the points that the variable `FAILPOINTS` names. A point that panics ends the process at once, as a crash would.
#[cfg(feature = "failpoints")]
fn failpoints() -> fail::FailScenario<'static> {
    if std::env::var_os("FAILPOINTS_ABORT").is_some() {
        std::panic::set_hook(Box::new(|_| std::process::abort()));
    }
    fail::FailScenario::setup()
}
