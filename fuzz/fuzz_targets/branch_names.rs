#![no_main]

image_update_fuzz::target!("branch_names");
