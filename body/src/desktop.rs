//! The desktop's services: the display, the window manager, the icons.

use std::{io::Write, os::unix::fs::OpenOptionsExt};

use des::{
    Des,
    cipher::{BlockCipherEncrypt, KeyInit},
};

use crate::supervisor::service::{Probe, Service};

/// The X socket of display :99.
pub const X_SOCKET: &str = "/tmp/.X11-unix/X99";

/// The key with which every VNC server hides its password file; bits mirrored, as RFB wants DES keys.
const FIXED_KEY: [u8; 8] = [0xe8, 0x4a, 0xd6, 0x60, 0xc4, 0x72, 0x1a, 0xe0];

/// Writes the password file that Xvnc reads, for its owner alone.
pub fn write_password(path: &std::path::Path, password: &str) -> std::io::Result<()> {
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&hidden(password))
}

fn hidden(password: &str) -> [u8; 8] {
    let mut block = [0; 8];
    for (place, byte) in block.iter_mut().zip(password.bytes()) {
        *place = byte;
    }
    let mut block = block.into();
    Des::new(&FIXED_KEY.into()).encrypt_block(&mut block);
    block.into()
}

/// Display, window manager and file manager, in order of dependency.
pub fn services(port: u16) -> Vec<Service> {
    let password_file = crate::paths::run_dir().join("vnc.passwd");
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut xvnc = words(
        ":99 -geometry 1280x800 -depth 24 -SecurityTypes VncAuth -UseBlacklist=0 -AlwaysShared",
    );
    xvnc.insert(0, "Xvnc".to_owned());
    xvnc.extend(words(
        "-AcceptSetDesktopSize=1 -nolisten tcp -localhost=0 -desktop Vivarium",
    ));
    xvnc.extend(["-rfbport".to_owned(), port.to_string()]);
    xvnc.extend([
        "-PasswordFile".to_owned(),
        password_file.display().to_string(),
    ]);
    let display = [("DISPLAY".to_owned(), ":99".to_owned())];
    let on_display = |name: &str, argv: Vec<String>| Service {
        env: display.clone().into(),
        after: vec!["xvnc"],
        ..Service::new(name, argv)
    };
    // From their menus and icons the person opens programs, which stay when they end.
    let holding = |service: Service| Service {
        takes_group: false,
        ..service
    };
    vec![
        Service {
            probe: Probe::Display(X_SOCKET.into()),
            // A socket of the life before would answer for this one; its lock would stop it.
            leftovers: vec![X_SOCKET.into(), "/tmp/.X99-lock".into()],
            ..Service::new("xvnc", xvnc)
        },
        holding(on_display("openbox", words("openbox"))),
        holding(on_display("pcmanfm", words("pcmanfm --desktop"))),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_the_person_opened_is_not_taken_by_who_opened_it() {
        let services = super::services(5900);
        let taking = services.iter().filter(|service| service.takes_group);
        let taking: Vec<_> = taking.map(|service| service.name.as_str()).collect();
        assert_eq!(taking, ["xvnc"]);
    }

    #[test]
    fn a_password_is_hidden_as_vncpasswd_does() {
        // `printf 'password' | vncpasswd -f | xxd`
        assert_eq!(
            super::hidden("password"),
            [0xdb, 0xd8, 0x3c, 0xfd, 0x72, 0x7a, 0x14, 0x58]
        );
    }
}
