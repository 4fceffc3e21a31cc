//! The clipboard: X has none, only programs that own a selection and hand it out when asked.
//! <https://www.x.org/releases/current/doc/xorg-docs/icccm/icccm.html>, section 2.

use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};

use x11rb::{
    connection::Connection,
    protocol::{
        Event,
        xproto::{
            Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, GetPropertyReply,
            PropMode, Property, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent,
            SelectionRequestEvent, Window, WindowClass,
        },
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use super::{Screen, atom, display};
use crate::computer::error::ComputerError;

/// The longest text that is handed out: a property of one request, which X servers bear.
pub const LONGEST: usize = 8 << 20;
/// An owner that hangs is waited for so long.
const ANSWER: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A thread that owns the clipboard until another program takes it, or the display ends.
pub struct Owner {
    window: Window,
    serving: Option<JoinHandle<()>>,
}

/// A connection with a window that nobody sees, for what a window is needed for.
struct Party {
    connection: RustConnection,
    window: Window,
    clipboard: Atom,
    utf8: Atom,
    targets: Atom,
    text: Atom,
    mime: Atom,
    incremental: Atom,
    transfer: Atom,
}

impl Party {
    fn open() -> Result<Self, ComputerError> {
        let (connection, number) = RustConnection::connect(Some(&display()))?;
        let screen = &connection.setup().roots[number];
        let (root, visual) = (screen.root, screen.root_visual);
        let window = connection.generate_id()?;
        let events = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        connection
            .create_window(
                0,
                window,
                root,
                0,
                0,
                1,
                1,
                0,
                WindowClass::INPUT_ONLY,
                visual,
                &events,
            )?
            .check()?;
        let of = |name: &str| atom(&connection, name);
        Ok(Self {
            clipboard: of("CLIPBOARD")?,
            utf8: of("UTF8_STRING")?,
            targets: of("TARGETS")?,
            text: of("TEXT")?,
            mime: of("text/plain;charset=utf-8")?,
            incremental: of("INCR")?,
            transfer: of("VIVARIUM_CLIPBOARD")?,
            connection,
            window,
        })
    }

    /// What the owner gives of a kind; none where it has nothing of it.
    fn asked(&self, kind: Atom) -> Result<Option<Vec<u8>>, ComputerError> {
        let end = Instant::now() + ANSWER;
        self.connection.convert_selection(
            self.window,
            self.clipboard,
            kind,
            self.transfer,
            x11rb::CURRENT_TIME,
        )?;
        self.connection.flush()?;
        let answer = self.until(end, |event| match event {
            Event::SelectionNotify(answer) => Some(answer.property),
            _ => None,
        })?;
        if answer == x11rb::NONE {
            return Ok(None);
        }
        let first = self.take()?;
        if first.type_ != self.incremental {
            return Ok(Some(first.value));
        }
        // A long one comes in pieces, each once the one before was taken; an empty one is the last.
        let mut whole = Vec::new();
        loop {
            let end = Instant::now() + ANSWER;
            self.until(end, |event| match event {
                Event::PropertyNotify(change)
                    if change.atom == self.transfer && change.state == Property::NEW_VALUE =>
                {
                    Some(())
                }
                _ => None,
            })?;
            let piece = self.take()?.value;
            if piece.is_empty() {
                return Ok(Some(whole));
            }
            whole.extend(piece);
        }
    }

    fn take(&self) -> Result<GetPropertyReply, ComputerError> {
        let any = AtomEnum::ANY;
        Ok(self
            .connection
            .get_property(true, self.window, self.transfer, any, 0, u32::MAX / 4)?
            .reply()?)
    }

    fn until<T>(
        &self,
        end: Instant,
        wanted: impl Fn(&Event) -> Option<T>,
    ) -> Result<T, ComputerError> {
        loop {
            while let Some(event) = self.connection.poll_for_event()? {
                if let Some(found) = wanted(&event) {
                    return Ok(found);
                }
            }
            if Instant::now() > end {
                return Err(ComputerError::ClipboardSilent);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Hands the text out until another program owns the clipboard.
    fn serve(&self, text: &str) -> Result<(), ComputerError> {
        loop {
            match self.connection.wait_for_event()? {
                Event::SelectionClear(_) => return Ok(()),
                Event::SelectionRequest(request) => self.hand_out(&request, text)?,
                _ => {}
            }
        }
    }

    fn hand_out(&self, request: &SelectionRequestEvent, text: &str) -> Result<(), ComputerError> {
        let string = Atom::from(AtomEnum::STRING);
        // Old clients name no property: then it is the target's name.
        let property = if request.property == x11rb::NONE {
            request.target
        } else {
            request.property
        };
        let to = request.requestor;
        let replace = PropMode::REPLACE;
        let given = if request.target == self.targets {
            let kinds = [self.targets, self.utf8, self.mime, self.text, string];
            self.connection
                .change_property32(replace, to, property, AtomEnum::ATOM, &kinds)?
                .check()
        } else if [self.utf8, self.mime, self.text].contains(&request.target) {
            let kind = if request.target == self.mime {
                self.mime
            } else {
                self.utf8
            };
            self.connection
                .change_property8(replace, to, property, kind, text.as_bytes())?
                .check()
        } else if request.target == string {
            // Latin-1, as that kind is.
            let bytes: Vec<u8> = text
                .chars()
                .map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?'))
                .collect();
            self.connection
                .change_property8(replace, to, property, string, &bytes)?
                .check()
        } else {
            self.tell(request, x11rb::NONE)?;
            return Ok(());
        };
        // Who asked may be gone.
        self.tell(request, if given.is_ok() { property } else { x11rb::NONE })
    }

    fn tell(&self, request: &SelectionRequestEvent, property: Atom) -> Result<(), ComputerError> {
        let answer = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property,
        };
        self.connection
            .send_event(false, request.requestor, EventMask::NO_EVENT, answer)?;
        self.connection.flush()?;
        Ok(())
    }
}

impl Screen {
    /// The clipboard's text; empty where it has none.
    pub fn clipboard(&self) -> Result<String, ComputerError> {
        let party = Party::open()?;
        let owner = party
            .connection
            .get_selection_owner(party.clipboard)?
            .reply()?
            .owner;
        if owner == x11rb::NONE {
            return Ok(String::new());
        }
        if let Some(bytes) = party.asked(party.utf8)? {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        let latin = party.asked(AtomEnum::STRING.into())?.unwrap_or_default();
        Ok(latin.into_iter().map(char::from).collect())
    }

    /// Puts a text there, for every program of the display and every viewer.
    pub fn set_clipboard(&mut self, text: String) -> Result<(), ComputerError> {
        if text.len() > LONGEST {
            return Err(ComputerError::Invalid(format!(
                "the clipboard is limited to {} MiB",
                LONGEST >> 20
            )));
        }
        let party = Party::open()?;
        let window = party.window;
        party
            .connection
            .set_selection_owner(window, party.clipboard, x11rb::CURRENT_TIME)?
            .check()?;
        let serving = std::thread::Builder::new()
            .name("clipboard".to_owned())
            .spawn(move || {
                // The display ended, and the clipboard with it.
                let _ = party.serve(&text);
            })
            .map_err(|error| ComputerError::Internal(error.to_string()))?;
        // The owner before heard that it is none any more, and ends.
        self.clipboard = Some(Owner {
            window,
            serving: Some(serving),
        });
        Ok(())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Ends by itself: at the loss of the clipboard, or of the display. Only one that has done so
        // is waited for.
        if let Some(serving) = self.serving.take_if(|serving| serving.is_finished())
            && serving.join().is_err()
        {
            eprintln!(
                "body computer: the clipboard of window {} ended badly",
                self.window
            );
        }
    }
}
