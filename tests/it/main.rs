//! Everything that crosses rooms, in one binary.
