//! The entry of every fuzz target.

pub use image_update_fuzz_bodies::TARGETS;
pub use libfuzzer_sys::fuzz_target;

/// Defines the target of this name: one of [`TARGETS`].
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::fuzz_target!(|bytes: &[u8]| {
            for (name, body) in $crate::TARGETS {
                if name == $name {
                    body(bytes);
                }
            }
        });
    };
}
