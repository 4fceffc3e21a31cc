//! A connection of the supervisor's: requests and their answers, a line each. Nobody is waited for: what
//! the other side does not read yet is kept until it does.

use std::{
    io::{ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use nix::poll::PollFlags;
use wire::table::{TableAnswer, TableRequest};

use super::table::Table;

/// A request longer than this is no request of ours.
const LONGEST_LINE: usize = 1 << 20;
/// Who leaves more than this unread reads no more.
const MOST_UNREAD: usize = 16 << 20;

/// One connection.
pub struct Connection {
    stream: UnixStream,
    asked: Vec<u8>,
    unread: Vec<u8>,
    watches: bool,
}

impl Connection {
    /// Serves this stream from now on.
    pub fn new(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            asked: Vec::new(),
            unread: Vec::new(),
            watches: false,
        })
    }

    /// For what it waits.
    pub fn interest(&self) -> (BorrowedFd<'_>, PollFlags) {
        let flags = match self.unread.is_empty() {
            true => PollFlags::POLLIN,
            false => PollFlags::POLLOUT,
        };
        (self.stream.as_fd(), flags)
    }

    /// Reads what came and answers it; more only once the answers before are read. An error means that
    /// the connection is over.
    pub fn serve(&mut self, table: &mut Table) -> std::io::Result<()> {
        let mut chunk = [0; 4096];
        loop {
            self.send()?;
            if !self.unread.is_empty() {
                return Ok(());
            }
            if let Some(end) = self.asked.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.asked.drain(..=end).collect();
                let answer = self.answer(&line, table);
                self.write(&answer)?;
                continue;
            }
            if self.asked.len() > LONGEST_LINE {
                return Err(ErrorKind::InvalidData.into());
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.asked.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Tells of an end, where this connection watches. An error means that it is over.
    pub fn tell(&mut self, exited: &TableAnswer) -> std::io::Result<()> {
        if !self.watches {
            return Ok(());
        }
        self.write(exited)?;
        self.send()
    }

    fn answer(&mut self, line: &[u8], table: &mut Table) -> TableAnswer {
        match serde_json::from_slice(line) {
            Ok(TableRequest::Watch) => {
                self.watches = true;
                TableAnswer::Done
            }
            Ok(request) => table.answer(request),
            Err(error) => TableAnswer::Refused {
                reason: format!("not a request: {error}"),
            },
        }
    }

    fn write(&mut self, answer: &TableAnswer) -> std::io::Result<()> {
        if self.unread.len() > MOST_UNREAD {
            return Err(ErrorKind::WriteZero.into());
        }
        serde_json::to_writer(&mut self.unread, answer).map_err(std::io::Error::other)?;
        self.unread.push(b'\n');
        Ok(())
    }

    /// Sends what there is room for.
    fn send(&mut self) -> std::io::Result<()> {
        while !self.unread.is_empty() {
            match self.stream.write(&self.unread) {
                Ok(count) => drop(self.unread.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use wire::table::TableEntry;

    use super::*;
    use crate::init::given::Given;

    #[test]
    fn who_reads_late_gets_all_of_it_and_holds_nobody_up() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours).unwrap();
        let mut table = Table::new(Given::default());
        (&theirs).write_all(b"{\"op\":\"watch\"}\n").unwrap();
        connection.serve(&mut table).unwrap();
        // More than a socket holds.
        let ends: Vec<TableAnswer> = (0..20_000)
            .map(|pid| TableAnswer::Exited {
                service: TableEntry {
                    name: format!("kernel-{pid}"),
                    pid,
                    started_at_ms: 0,
                    exit: Some(0),
                    restarts: 0,
                    last_exit: None,
                },
            })
            .collect();
        for end in &ends {
            connection.tell(end).unwrap();
        }
        assert_eq!(connection.interest().1, PollFlags::POLLOUT);
        // What is asked meanwhile is answered after that.
        (&theirs).write_all(b"{\"op\":\"list\"}\n").unwrap();
        let mut heard = Vec::new();
        let mut lines = BufReader::new(theirs).lines();
        let mut hear = |count: usize, connection: &mut Connection| {
            for _ in 0..count {
                connection.serve(&mut table).unwrap();
                let line = lines.next().unwrap().unwrap();
                heard.push(serde_json::from_str::<TableAnswer>(&line).unwrap());
            }
        };
        hear(1 + ends.len() + 1, &mut connection);
        assert_eq!(connection.interest().1, PollFlags::POLLIN);
        assert_eq!(heard.remove(0), TableAnswer::Done);
        let list = heard.pop();
        assert!(matches!(list, Some(TableAnswer::Services { .. })));
        assert_eq!(heard, ends);
    }

    #[test]
    fn who_never_reads_is_let_go() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours).unwrap();
        (&theirs).write_all(b"{\"op\":\"watch\"}\n").unwrap();
        connection.serve(&mut Table::new(Given::default())).unwrap();
        let reason = "x".repeat(1 << 20);
        let long = TableAnswer::Refused { reason };
        let told = (0..64).position(|_| connection.tell(&long).is_err());
        assert!(told.is_some_and(|told| told > 16));
    }
}
