//! The relay against a scripted server that does all that a server should not.

mod client;
mod clients;
mod endpoints;
mod lasting;
mod listing;
mod promises;
mod remote;
mod rounds;
mod servers;
mod streams;
mod taken_up;
mod without_sessions;
