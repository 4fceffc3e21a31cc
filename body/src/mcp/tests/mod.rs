//! The relay against small scripted servers.
