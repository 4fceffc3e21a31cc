//! Keys by their names, characters as keysyms, and chords such as `ctrl+shift+t`.
//! Values: <https://www.x.org/releases/current/doc/xproto/x11protocol.html#keysym_encoding>.

use crate::computer::error::ComputerError;

/// What a key means, whichever key it is.
pub type Keysym = u32;

pub const SHIFT: Keysym = 0xffe1;
pub const CAPS_LOCK: Keysym = 0xffe5;
/// Keysyms of characters beyond Latin-1 are these and the code point.
pub const UNICODE: Keysym = 0x0100_0000;

/// Names in lower case; the first of a keysym is the one that errors show.
const NAMES: &[(&str, Keysym)] = &[
    ("enter", 0xff0d),
    ("return", 0xff0d),
    ("tab", 0xff09),
    ("escape", 0xff1b),
    ("esc", 0xff1b),
    ("space", 0x20),
    ("backspace", 0xff08),
    ("delete", 0xffff),
    ("del", 0xffff),
    ("insert", 0xff63),
    ("home", 0xff50),
    ("end", 0xff57),
    ("pageup", 0xff55),
    ("page_up", 0xff55),
    ("prior", 0xff55),
    ("pagedown", 0xff56),
    ("page_down", 0xff56),
    ("next", 0xff56),
    ("left", 0xff51),
    ("arrowleft", 0xff51),
    ("up", 0xff52),
    ("arrowup", 0xff52),
    ("right", 0xff53),
    ("arrowright", 0xff53),
    ("down", 0xff54),
    ("arrowdown", 0xff54),
    ("menu", 0xff67),
    ("print", 0xff61),
    ("pause", 0xff13),
    ("capslock", CAPS_LOCK),
    ("caps_lock", CAPS_LOCK),
    ("numlock", 0xff7f),
    ("num_lock", 0xff7f),
    ("kp_enter", 0xff8d),
    ("plus", 0x2b),
    ("minus", 0x2d),
    ("ctrl", 0xffe3),
    ("control", 0xffe3),
    ("shift", SHIFT),
    ("alt", 0xffe9),
    ("option", 0xffe9),
    ("altgr", 0xfe03),
    ("super", 0xffeb),
    ("meta", 0xffeb),
    ("win", 0xffeb),
    ("cmd", 0xffeb),
    ("command", 0xffeb),
];

/// Modifiers, and the key that is pressed with them; none where they are pressed alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chord {
    pub modifiers: Vec<Keysym>,
    pub key: Option<Keysym>,
}

impl Chord {
    /// Reads `ctrl+shift+t`, `Return`, `alt+F4`, `ctrl++`.
    pub fn read(text: &str) -> Result<Self, ComputerError> {
        let mut parts: Vec<&str> = Vec::new();
        let mut rest = text.trim();
        // A plus at the end, or doubled, is the key of that name.
        while let Some(at) = rest
            .char_indices()
            .skip(1)
            .find(|(_, letter)| *letter == '+')
        {
            parts.push(&rest[..at.0]);
            rest = &rest[at.0 + 1..];
        }
        parts.push(rest);
        let keys = parts
            .iter()
            .map(|part| named(part.trim()))
            .collect::<Result<Vec<_>, _>>()?;
        let (last, before) = keys.split_last().ok_or_else(|| unknown(text))?;
        if let Some(place) = before.iter().position(|key| !is_modifier(*key)) {
            return Err(ComputerError::Invalid(format!(
                "invalid modifier {:?} in {text:?} (expected ctrl, shift, alt, altgr or super)",
                parts[place]
            )));
        }
        let mut modifiers = before.to_vec();
        if is_modifier(*last) {
            modifiers.push(*last);
            return Ok(Self {
                modifiers,
                key: None,
            });
        }
        // Ctrl+T is the key T with Control, not with Shift.
        let key = match char::from_u32(*last).filter(char::is_ascii_uppercase) {
            Some(letter) if !modifiers.is_empty() => letter.to_ascii_lowercase().into(),
            _ => *last,
        };
        Ok(Self {
            modifiers,
            key: Some(key),
        })
    }

    /// Modifiers alone.
    pub fn of_modifiers(names: &[String]) -> Result<Self, ComputerError> {
        if names.is_empty() {
            return Ok(Self {
                modifiers: Vec::new(),
                key: None,
            });
        }
        let chord = Self::read(&names.join("+"))?;
        match chord.key {
            None => Ok(chord),
            Some(_) => Err(ComputerError::Invalid(
                "modifiers are ctrl, shift, alt, altgr and super".to_owned(),
            )),
        }
    }
}

fn is_modifier(key: Keysym) -> bool {
    (0xffe1..=0xffee).contains(&key) && key != CAPS_LOCK || key == 0xfe03
}

/// The keysym of a character, or of a key's name.
fn named(name: &str) -> Result<Keysym, ComputerError> {
    let mut letters = name.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return of(letter).ok_or_else(|| unknown(name));
    }
    let lower = name.to_lowercase();
    if let Some((_, keysym)) = NAMES.iter().find(|(known, _)| *known == lower) {
        return Ok(*keysym);
    }
    let function = lower
        .strip_prefix('f')
        .and_then(|number| number.parse::<u32>().ok());
    match function {
        Some(number @ 1..=24) => Ok(0xffbe + number - 1),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> ComputerError {
    let mut names: Vec<&str> = Vec::new();
    let mut keysyms = Vec::new();
    for (name, keysym) in NAMES {
        if !keysyms.contains(keysym) {
            keysyms.push(*keysym);
            names.push(name);
        }
    }
    ComputerError::Invalid(format!(
        "unknown key {name:?}; keys are single characters, F1 to F24, {}",
        names.join(", ")
    ))
}

/// The keysym of a character; none of a control character that no key has.
pub fn of(letter: char) -> Option<Keysym> {
    let code = u32::from(letter);
    match code {
        0x0a | 0x0d => Some(0xff0d),
        0x09 => Some(0xff09),
        0x08 => Some(0xff08),
        0x1b => Some(0xff1b),
        0x20..=0x7e | 0xa0..=0xff => Some(code),
        0x100.. => Some(UNICODE | code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chord(modifiers: &[Keysym], key: Option<Keysym>) -> Chord {
        Chord {
            modifiers: modifiers.to_vec(),
            key,
        }
    }

    #[test]
    fn chords_are_read() {
        let read = |text: &str| Chord::read(text).unwrap();
        assert_eq!(read("ctrl+shift+t"), chord(&[0xffe3, SHIFT], Some(0x74)));
        assert_eq!(read("Ctrl + T"), chord(&[0xffe3], Some(0x74)));
        assert_eq!(read("T"), chord(&[], Some(0x54)));
        assert_eq!(read("alt+F4"), chord(&[0xffe9], Some(0xffc1)));
        assert_eq!(read("Return"), chord(&[], Some(0xff0d)));
        assert_eq!(read("ctrl++"), chord(&[0xffe3], Some(0x2b)));
        assert_eq!(read("+"), chord(&[], Some(0x2b)));
        assert_eq!(read("ctrl+plus"), chord(&[0xffe3], Some(0x2b)));
        assert_eq!(read("super"), chord(&[0xffeb], None));
        assert_eq!(read("ctrl+alt"), chord(&[0xffe3, 0xffe9], None));
        assert_eq!(read("€"), chord(&[], Some(0x0100_20ac)));
        for wrong in ["", "ctrl+", "hyper+x", "a+b", "ctrl+nothing", "F99"] {
            assert!(Chord::read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_character_that_is_typed_has_a_keysym() {
        assert_eq!(of('a'), Some(0x61));
        assert_eq!(of('ä'), Some(0xe4));
        assert_eq!(of('ß'), Some(0xdf));
        assert_eq!(of('Ω'), Some(0x0100_03a9));
        assert_eq!(of('漢'), Some(0x0100_6f22));
        assert_eq!(of('🙂'), Some(0x0101_f642));
        assert_eq!(of('\n'), Some(0xff0d));
        assert_eq!(of('\u{1}'), None);
    }

    #[test]
    fn modifiers_alone_are_no_keys() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(Chord::of_modifiers(&[]).unwrap(), chord(&[], None));
        assert_eq!(
            Chord::of_modifiers(&names(&["ctrl", "shift"])).unwrap(),
            chord(&[0xffe3, SHIFT], None)
        );
        assert!(Chord::of_modifiers(&names(&["ctrl", "x"])).is_err());
    }
}
