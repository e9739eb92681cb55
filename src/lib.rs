//! Terrarium.
