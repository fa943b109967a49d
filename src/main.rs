//! datadrop
fn main() {}
