//! Links the native libraries.
fn main() {}
