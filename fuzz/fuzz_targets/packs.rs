#![no_main]

image_update_fuzz::target!("packs");
