//! The image update operator: see `image-update-operator --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    image_update_operator::cli::main()
}
