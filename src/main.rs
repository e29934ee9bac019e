//! The `annals` binary.

use std::process::ExitCode;

/// A command makes some hundred small allocations; the C library's allocator took a sixth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
