#![no_main]

image_update_fuzz::target!("repository_paths");
