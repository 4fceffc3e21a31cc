//! The keyboard: keys pressed through XTest. A character that no key of the layout has is put on a
//! key that has none, as VNC servers do; it stays there until that key is needed for another.

use std::{collections::HashSet, time::Duration};

use x11rb::{
    connection::Connection,
    protocol::xproto::{ConnectionExt as _, KEY_PRESS_EVENT, KEY_RELEASE_EVENT},
};

use super::{
    Screen,
    keysym::{self, CAPS_LOCK, Chord, Keysym, SHIFT, UNICODE},
};
use crate::computer::error::ComputerError;

/// After a change of the layout: programs fetch it anew when they hear of it.
const HEARD: Duration = Duration::from_millis(25);
/// A program that is slow may still read keys that were pressed before; then the layout stays.
const READ: Duration = Duration::from_millis(400);

/// Which key means what, as the server has it.
struct Layout {
    first: u8,
    /// Per key: without and with Shift.
    keys: Vec<[Keysym; 2]>,
}

impl Layout {
    /// The key, and whether Shift is needed.
    fn find(&self, wanted: Keysym) -> Option<(u8, bool)> {
        let at = |level: usize| self.keys.iter().position(|key| key[level] == wanted);
        let code = |place: usize| u8::try_from(place).ok()?.checked_add(self.first);
        match at(0) {
            Some(place) => Some((code(place)?, false)),
            None => Some((code(at(1)?)?, true)),
        }
    }

    /// Keys that mean nothing, then those that were given a meaning here before and are not `needed`.
    fn spare(&self, needed: &HashSet<Keysym>) -> Vec<u8> {
        let (mut empty, mut used) = (Vec::new(), Vec::new());
        for (place, key) in self.keys.iter().enumerate() {
            let Some(code) = u8::try_from(place)
                .ok()
                .and_then(|place| place.checked_add(self.first))
            else {
                continue;
            };
            if *key == [0, 0] {
                empty.push(code);
            } else if key[0] == key[1] && key[0] >= UNICODE && !needed.contains(&key[0]) {
                used.push(code);
            }
        }
        empty.extend(used);
        empty
    }

    fn set(&mut self, code: u8, keysym: Keysym) {
        self.keys[usize::from(code - self.first)] = [keysym, keysym];
    }
}

impl Screen {
    /// Types a text, whichever keys there are.
    pub fn type_text(&self, text: &str, pause: Duration) -> Result<(), ComputerError> {
        let keysyms = text
            .replace("\r\n", "\n")
            .chars()
            .map(|letter| {
                keysym::of(letter).ok_or_else(|| {
                    ComputerError::Invalid(format!(
                        "the control character {letter:?} can't be typed; use the tool `key`"
                    ))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut rest = keysyms.as_slice();
        while !rest.is_empty() {
            let (mut layout, count) = self.layout_for(rest)?;
            let (now, later) = rest.split_at(count);
            self.without_caps_lock(|| {
                for keysym in now {
                    self.tap(&mut layout, *keysym)?;
                    std::thread::sleep(pause);
                }
                Ok(())
            })?;
            rest = later;
            if !rest.is_empty() {
                std::thread::sleep(READ);
            }
        }
        Ok(())
    }

    /// Presses a chord.
    pub fn press(&self, chord: &Chord) -> Result<(), ComputerError> {
        self.holding(chord, |screen, layout| match chord.key {
            Some(CAPS_LOCK) => screen.tap(layout, CAPS_LOCK),
            Some(key) => screen.without_caps_lock(|| screen.tap(layout, key)),
            None => Ok(()),
        })
    }

    /// Holds the modifiers meanwhile.
    pub fn with_modifiers(
        &self,
        chord: &Chord,
        work: impl FnOnce() -> Result<(), ComputerError>,
    ) -> Result<(), ComputerError> {
        self.holding(chord, |_, _| work())
    }

    fn holding(
        &self,
        chord: &Chord,
        work: impl FnOnce(&Self, &mut Layout) -> Result<(), ComputerError>,
    ) -> Result<(), ComputerError> {
        let mut needed = chord.modifiers.clone();
        needed.extend(chord.key);
        let (mut layout, _) = self.layout_for(&needed)?;
        let mut held = Vec::new();
        let mut pressed = Ok(());
        for modifier in &chord.modifiers {
            let Some((code, _)) = layout.find(*modifier) else {
                pressed = Err(no_key(*modifier));
                break;
            };
            pressed = self.fake(KEY_PRESS_EVENT, code, (0, 0));
            if pressed.is_err() {
                break;
            }
            held.push(code);
        }
        let worked = pressed.and_then(|()| work(self, &mut layout));
        // Whatever happened, none stays pressed.
        for code in held.iter().rev() {
            self.fake(KEY_RELEASE_EVENT, *code, (0, 0))?;
        }
        self.sync()?;
        worked
    }

    fn tap(&self, layout: &mut Layout, keysym: Keysym) -> Result<(), ComputerError> {
        let (code, shifted) = layout.find(keysym).ok_or_else(|| no_key(keysym))?;
        let shift = layout.find(SHIFT).map(|(code, _)| code).filter(|_| shifted);
        if let Some(shift) = shift {
            self.fake(KEY_PRESS_EVENT, shift, (0, 0))?;
        }
        self.fake(KEY_PRESS_EVENT, code, (0, 0))?;
        self.fake(KEY_RELEASE_EVENT, code, (0, 0))?;
        if let Some(shift) = shift {
            self.fake(KEY_RELEASE_EVENT, shift, (0, 0))?;
        }
        self.sync()
    }

    /// The layout, with keys for as many of these as there is room for; how many those are.
    fn layout_for(&self, keysyms: &[Keysym]) -> Result<(Layout, usize), ComputerError> {
        let mut layout = self.layout()?;
        let needed: HashSet<Keysym> = keysyms.iter().copied().collect();
        let mut spare = layout.spare(&needed).into_iter();
        let mut changed = false;
        let mut count = keysyms.len();
        for (place, keysym) in keysyms.iter().enumerate() {
            if layout.find(*keysym).is_some() {
                continue;
            }
            let Some(code) = spare.next() else {
                count = place;
                break;
            };
            self.connection
                .change_keyboard_mapping(1, code, 2, &[*keysym, *keysym])?;
            layout.set(code, *keysym);
            changed = true;
        }
        if changed {
            self.sync()?;
            std::thread::sleep(HEARD);
        }
        if count == 0 && !keysyms.is_empty() {
            return Err(no_key(keysyms[0]));
        }
        Ok((layout, count))
    }

    fn layout(&self) -> Result<Layout, ComputerError> {
        let setup = self.connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let mapping = self
            .connection
            .get_keyboard_mapping(first, last - first + 1)?
            .reply()?;
        let per = usize::from(mapping.keysyms_per_keycode).max(1);
        let keys = mapping
            .keysyms
            .chunks(per)
            .map(|key| {
                let plain = key[0];
                let shifted = key.get(1).copied().unwrap_or(0);
                // A letter alone on its key is the small one, and with Shift the large one.
                let letter = char::from_u32(plain).filter(char::is_ascii_lowercase);
                match letter {
                    Some(letter) if shifted == 0 => [plain, letter.to_ascii_uppercase().into()],
                    _ => [plain, shifted],
                }
            })
            .collect();
        Ok(Layout { first, keys })
    }
}

fn no_key(keysym: Keysym) -> ComputerError {
    ComputerError::Refused(format!(
        "the keyboard has no key left for keysym {keysym:#x}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_spare_ones_given() {
        let layout = Layout {
            first: 8,
            keys: vec![
                [0x61, 0x41],
                [0x31, 0x21],
                [0, 0],
                [UNICODE | 0x3a9; 2],
                [0xffe1, 0],
                [UNICODE | 0x3b1; 2],
            ],
        };
        assert_eq!(layout.find(0x61), Some((8, false)));
        assert_eq!(layout.find(0x21), Some((9, true)));
        assert_eq!(layout.find(0xe4), None);
        assert_eq!(layout.spare(&HashSet::new()), [10, 11, 13]);
        assert_eq!(layout.spare(&HashSet::from([UNICODE | 0x3a9])), [10, 13]);
    }
}
