//! Tests that cross rooms live in `it/`; this library is empty.
