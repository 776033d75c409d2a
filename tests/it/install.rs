//! The chart and the kustomizations: what they render, whether a cluster takes it, and whether the
//! operator can work with the rights that they give, and uses each.

mod chart;
mod gitops;
mod kustomizations;
mod render;
mod rights;
mod server_side;
mod values;
