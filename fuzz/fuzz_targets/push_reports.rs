#![no_main]

image_update_fuzz::target!("push_reports");
