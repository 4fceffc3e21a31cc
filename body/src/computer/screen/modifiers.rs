//! Modifiers that somebody else holds, or that a viewer which went away left held: a text that is
//! typed meanwhile would arrive as chords, and a click as another one. They are released for as long
//! as the work takes, on the keyboard that holds them, and pressed again there, unless whoever holds
//! them released them meanwhile.

use x11rb::{
    connection::{Connection, RequestConnection as _},
    protocol::{
        Event,
        xinput::{
            self, ConnectionExt as _, DEVICE_KEY_PRESS_EVENT, DEVICE_KEY_RELEASE_EVENT, DeviceId,
            DeviceType, EventMask, InputStateData, XIEventMask,
        },
        xkb::{self, ConnectionExt as _},
        xproto::{ConnectionExt as _, Keycode, ModMask},
        xtest::ConnectionExt as _,
    },
    rust_connection::RustConnection,
};

use super::{Screen, display};
use crate::computer::error::ComputerError;

/// All devices; the protocol's XIAllDevices.
const ALL_DEVICES: DeviceId = 0;

/// A key that is held at a keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    keyboard: DeviceId,
    code: Keycode,
}

/// Keys that were released here, on a connection that hears of all keyboards.
struct Lifted {
    connection: RustConnection,
    held: Vec<Held>,
}

impl Screen {
    /// Works while nobody else holds a modifier.
    pub fn without_modifiers(
        &self,
        work: impl FnOnce() -> Result<(), ComputerError>,
    ) -> Result<(), ComputerError> {
        let codes = self.held_modifiers()?;
        let lifted = match codes.as_slice() {
            [] => None,
            codes => Some(Lifted::lift(self.root, codes)?),
        };
        let worked = work();
        match lifted {
            Some(lifted) => lifted.give_back().and(worked),
            None => worked,
        }
    }

    /// Works while Caps Lock is off, which would change what keys mean.
    pub(super) fn without_caps_lock(
        &self,
        work: impl FnOnce() -> Result<(), ComputerError>,
    ) -> Result<(), ComputerError> {
        let was_on = self.set_caps_lock(false)?;
        let worked = work();
        if was_on {
            self.set_caps_lock(true)?;
        }
        worked
    }

    /// Keys that are modifiers and held at any keyboard.
    fn held_modifiers(&self) -> Result<Vec<Keycode>, ComputerError> {
        let held = self.connection.query_keymap()?;
        let modifiers = self.connection.get_modifier_mapping()?.reply()?.keycodes;
        let held = held.reply()?.keys;
        let mut codes: Vec<Keycode> = modifiers
            .into_iter()
            .filter(|code| *code != 0 && is_down(&held, *code))
            .collect();
        codes.sort_unstable();
        codes.dedup();
        Ok(codes)
    }

    /// Whether it was on before.
    fn set_caps_lock(&self, on: bool) -> Result<bool, ComputerError> {
        let keyboard = xkb::ID::USE_CORE_KBD.into();
        self.connection.xkb_use_extension(1, 0)?.reply()?;
        let locked = self
            .connection
            .xkb_get_state(keyboard)?
            .reply()?
            .locked_mods;
        let was_on = locked.contains(ModMask::LOCK);
        if was_on != on {
            let lock = if on {
                ModMask::LOCK
            } else {
                ModMask::default()
            };
            self.connection
                .xkb_latch_lock_state(
                    keyboard,
                    ModMask::LOCK,
                    lock,
                    false,
                    xkb::Group::M1,
                    ModMask::default(),
                    false,
                    0,
                )?
                .check()?;
        }
        Ok(was_on)
    }
}

impl Lifted {
    fn lift(root: u32, codes: &[Keycode]) -> Result<Self, ComputerError> {
        let (connection, _) = RustConnection::connect(Some(&display()))?;
        connection.xinput_xi_query_version(2, 2)?.reply()?;
        let mut held = Vec::new();
        for device in connection
            .xinput_xi_query_device(ALL_DEVICES)?
            .reply()?
            .infos
        {
            let is_keyboard = [DeviceType::SLAVE_KEYBOARD, DeviceType::FLOATING_SLAVE];
            let (true, Ok(id)) = (
                is_keyboard.contains(&device.type_),
                u8::try_from(device.deviceid),
            ) else {
                continue;
            };
            connection.xinput_open_device(id)?.reply()?;
            let state = connection.xinput_query_device_state(id)?.reply()?;
            for class in state.classes {
                let InputStateData::Key(keys) = class.data else {
                    continue;
                };
                let down = codes.iter().filter(|code| is_down(&keys.keys, **code));
                held.extend(down.map(|code| Held {
                    keyboard: device.deviceid,
                    code: *code,
                }));
            }
        }
        let lifted = Self { connection, held };
        for held in &lifted.held {
            lifted.fake(DEVICE_KEY_RELEASE_EVENT, *held)?;
        }
        // From here on: whoever lets go of one.
        let releases = EventMask {
            deviceid: ALL_DEVICES,
            mask: vec![XIEventMask::RAW_KEY_RELEASE],
        };
        lifted
            .connection
            .xinput_xi_select_events(root, &[releases])?
            .check()?;
        Ok(lifted)
    }

    fn give_back(mut self) -> Result<(), ComputerError> {
        // All that was released before this answer has been heard after it.
        self.connection.get_input_focus()?.reply()?;
        while let Some(event) = self.connection.poll_for_event()? {
            if let Event::XinputRawKeyRelease(release) = event {
                self.held.retain(|held| {
                    (u32::from(held.code), held.keyboard) != (release.detail, release.sourceid)
                });
            }
        }
        for held in &self.held {
            self.fake(DEVICE_KEY_PRESS_EVENT, *held)?;
        }
        Ok(())
    }

    /// One event, as from that keyboard.
    fn fake(&self, kind: u8, held: Held) -> Result<(), ComputerError> {
        let first = self
            .connection
            .extension_information(xinput::X11_EXTENSION_NAME)?
            .map_or(0, |extension| extension.first_event);
        let device = u8::try_from(held.keyboard).unwrap_or_default();
        let kind = first.saturating_add(kind);
        self.connection
            .xtest_fake_input(
                kind,
                held.code,
                x11rb::CURRENT_TIME,
                x11rb::NONE,
                0,
                0,
                device,
            )?
            .check()?;
        Ok(())
    }
}

/// Of a map with a bit for each key.
fn is_down(keys: &[u8; 32], code: Keycode) -> bool {
    keys[usize::from(code / 8)] & (1 << (code % 8)) != 0
}
