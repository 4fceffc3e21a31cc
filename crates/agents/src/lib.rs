//! Agents: AI coding tools, each in a container of its own.
