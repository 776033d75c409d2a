#![no_main]

image_update_fuzz::target!("yaml_values");
