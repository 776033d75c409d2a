//! The chart and the kustomizations: what they render, whether a cluster takes it, and whether the
//! operator can work with the rights that they give, and uses each.

mod chart;
mod gitops;
mod guide;
mod kubectl;
mod kustomizations;
mod lands;
mod render;
mod replicas;
mod rights;
mod server_side;
mod settings;
mod values;
