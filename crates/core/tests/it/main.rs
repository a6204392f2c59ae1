//! The tests of the library as a whole.

mod rooms;
