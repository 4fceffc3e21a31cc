//! One-time tickets: good once, for thirty seconds, for one destination.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::agents::TerminalPlace;

/// How long a ticket is good.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// Tickets that were given out and not used yet.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    open: Mutex<HashMap<String, Ticket>>,
}

#[derive(Debug)]
struct Ticket {
    destination: Destination,
    until: Instant,
}

/// Where a ticket leads.
#[derive(Debug)]
pub(crate) enum Destination {
    /// A VNC port of loopback.
    Vnc(u16),
    /// An agent's terminal.
    Terminal(TerminalPlace),
}

impl Destination {
    /// The path that leads there, and no other.
    pub(crate) fn path(&self) -> &'static str {
        match self {
            Self::Vnc(_) => "/vnc",
            Self::Terminal(_) => "/agent",
        }
    }
}

impl Tickets {
    /// A new ticket.
    pub(crate) fn issue(&self, destination: Destination) -> String {
        self.issue_at(destination, Instant::now())
    }

    /// Takes a ticket; where it leads if it is good.
    pub(crate) fn redeem(&self, ticket: &str) -> Option<Destination> {
        self.redeem_at(ticket, Instant::now())
    }

    fn issue_at(&self, destination: Destination, now: Instant) -> String {
        let ticket = format!("{:032x}", rand::random::<u128>());
        let mut open = self.open.lock();
        open.retain(|_, ticket| ticket.until > now);
        let until = now + GOOD_FOR;
        open.insert(ticket.clone(), Ticket { destination, until });
        ticket
    }

    fn redeem_at(&self, ticket: &str, now: Instant) -> Option<Destination> {
        let mut open = self.open.lock();
        let ticket = open.remove(ticket)?;
        (ticket.until > now).then_some(ticket.destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The port that it leads to.
    fn port(destination: Option<Destination>) -> Option<u16> {
        match destination? {
            Destination::Vnc(port) => Some(port),
            Destination::Terminal(_) => None,
        }
    }

    #[test]
    fn a_ticket_is_good_once() {
        let tickets = Tickets::default();
        let ticket = tickets.issue(Destination::Vnc(5900));
        assert!(tickets.redeem("other").is_none());
        assert_eq!(port(tickets.redeem(&ticket)), Some(5900));
        assert!(tickets.redeem(&ticket).is_none());
    }

    #[test]
    fn a_ticket_expires() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let ticket = tickets.issue_at(Destination::Vnc(5900), now);
        assert!(tickets.redeem_at(&ticket, now + GOOD_FOR).is_none());
        let ticket = tickets.issue_at(Destination::Vnc(5900), now);
        let at = now + GOOD_FOR - Duration::from_millis(1);
        assert_eq!(port(tickets.redeem_at(&ticket, at)), Some(5900));
    }
}
