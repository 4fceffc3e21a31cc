//! One-time tickets: good once, for thirty seconds, for one VNC port.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
/// How long a ticket is good.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// Tickets that were given out and not used yet.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    open: Mutex<HashMap<String, Ticket>>,
}

#[derive(Debug)]
struct Ticket {
    vnc_port: u16,
    until: Instant,
}

impl Tickets {
    /// A new ticket to a VNC port.
    pub(crate) fn issue(&self, vnc_port: u16) -> String {
        self.issue_at(vnc_port, Instant::now())
    }

    /// Takes a ticket; the VNC port where it is good.
    pub(crate) fn redeem(&self, ticket: &str) -> Option<u16> {
        self.redeem_at(ticket, Instant::now())
    }

    fn issue_at(&self, vnc_port: u16, now: Instant) -> String {
        let ticket = format!("{:032x}", rand::random::<u128>());
        let mut open = self.open.lock();
        open.retain(|_, ticket| ticket.until > now);
        let until = now + GOOD_FOR;
        open.insert(ticket.clone(), Ticket { vnc_port, until });
        ticket
    }

    fn redeem_at(&self, ticket: &str, now: Instant) -> Option<u16> {
        let mut open = self.open.lock();
        let ticket = open.remove(ticket)?;
        (ticket.until > now).then_some(ticket.vnc_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once() {
        let tickets = Tickets::default();
        let ticket = tickets.issue(5900);
        assert_eq!(tickets.redeem("other"), None);
        assert_eq!(tickets.redeem(&ticket), Some(5900));
        assert_eq!(tickets.redeem(&ticket), None);
    }

    #[test]
    fn a_ticket_expires() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let ticket = tickets.issue_at(5900, now);
        assert_eq!(tickets.redeem_at(&ticket, now + GOOD_FOR), None);
        let ticket = tickets.issue_at(5900, now);
        assert_eq!(
            tickets.redeem_at(&ticket, now + GOOD_FOR - Duration::from_millis(1)),
            Some(5900)
        );
    }
}
