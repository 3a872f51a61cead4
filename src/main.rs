//! The binary: everything is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// No allocation waits long, however much has been freed: see `Cargo.toml`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cutover::cli::main()
}
