#![no_main]

image_update_fuzz::target!("pkt_lines");
