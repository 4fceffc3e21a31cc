//! A notification's title and text.

use app::untrusted;

/// Letters of a notification's text: systems show two to four lines of it.
pub const LONGEST: usize = 240;

/// Letters of a machine's name in a title.
const LONGEST_NAME: usize = 60;

/// What a person is told.
#[derive(Debug, PartialEq, Eq)]
pub struct Notice {
    /// Always our own words.
    pub title: &'static str,
    /// One line. It may quote what runs inside, or a failure that does.
    pub body: String,
}

impl Notice {
    pub fn new(title: &'static str, body: &str) -> Self {
        Self {
            title,
            body: untrusted::sentence(body, LONGEST),
        }
    }

    /// The title; with the machine's name if there are several.
    pub fn title_about(&self, machine: Option<&str>) -> String {
        match machine {
            Some(machine) => format!(
                "{} · {}",
                untrusted::sentence(machine, LONGEST_NAME),
                self.title
            ),
            None => self.title.to_owned(),
        }
    }

    /// The text for a notification server. One that reads markup would draw links and pictures of
    /// it, so nothing in it is markup there.
    pub fn body_for(&self, reads_markup: bool) -> String {
        if !reads_markup {
            return self.body.clone();
        }
        let escaped = self.body.replace('&', "&amp;");
        escaped.replace('<', "&lt;").replace('>', "&gt;")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_machines_the_notification_names_its_own() {
        let notice = Notice::new("Evolve finished", "");
        assert_eq!(notice.title_about(None), "Evolve finished");
        assert_eq!(notice.title_about(Some("work")), "work · Evolve finished");
    }
}
