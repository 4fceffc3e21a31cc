//! Which files of `/repo` its `.gitignore` files leave out. The rules are the inside's own text:
//! they are read bounded, and matched by regular expressions that take linear time.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path, rc::Rc};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use super::{error::HistoryError, folder::Folder, path::RepoPath};

/// The name of files with rules.
pub const RULES: &[u8] = b".gitignore";
/// The longest such file.
const LONGEST_FILE: u64 = 64 << 10;
/// Bytes of all such files together.
const LONGEST: u64 = 256 << 10;

/// The rules that hold in a folder: those of the folders above it and its own.
#[derive(Clone, Default)]
pub struct Ignored {
    /// The folder's path and its rules, outermost first.
    levels: Vec<(RepoPath, Rc<Gitignore>)>,
}

impl Ignored {
    /// With the rules of one more folder; `budget` is what may still be read.
    ///
    /// # Errors
    /// [`HistoryError`] if its rules are too long or can't be read.
    pub fn with_rules_of(
        &self,
        folder: &Folder,
        path: &RepoPath,
        budget: &mut RuleBudget,
    ) -> Result<Self, HistoryError> {
        let own = path.join(RULES);
        let failed = |error| HistoryError::file("read", &folder.path_of(RULES))(error);
        // As with git, one that is a link has no effect.
        let Some((file, found)) = folder.open_file(RULES).map_err(failed)? else {
            return Ok(self.clone());
        };
        drop(file);
        let most = LONGEST_FILE.min(budget.0);
        if found.stamp.size > most {
            return Err(HistoryError::TooManyRules { path: own });
        }
        let Some((text, _)) = folder.read(RULES, most).map_err(failed)? else {
            return Err(HistoryError::TooManyRules { path: own });
        };
        self.with_rules(&text, path, own, budget)
    }

    /// With rules that hold from a folder on; `place` names them in messages.
    ///
    /// # Errors
    /// [`HistoryError`] if they are too long or can't be read.
    pub fn with_rules(
        &self,
        text: &[u8],
        path: &RepoPath,
        place: RepoPath,
        budget: &mut RuleBudget,
    ) -> Result<Self, HistoryError> {
        if text.len() as u64 > LONGEST_FILE.min(budget.0) {
            return Err(HistoryError::TooManyRules { path: place });
        }
        budget.0 -= text.len() as u64;
        let mut builder = GitignoreBuilder::new("");
        for line in text.split(|byte| *byte == b'\n') {
            // A line that is no rule has no effect, as with git.
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            if let Err(error) = builder.add_line(None, line) {
                tracing::debug!(%error, path = %place, "a rule can't be read");
            }
        }
        let rules = builder.build().map_err(|source| HistoryError::Rules {
            path: place,
            source,
        })?;
        let mut levels = self.levels.clone();
        levels.push((path.clone(), Rc::new(rules)));
        Ok(Self { levels })
    }

    /// Whether a file or folder in this folder is left out.
    pub fn leaves_out(&self, path: &RepoPath, is_folder: bool) -> bool {
        for (folder, rules) in self.levels.iter().rev() {
            let skipped = match folder.as_bytes().len() {
                0 => 0,
                length => length + 1,
            };
            let below = Path::new(OsStr::from_bytes(&path.as_bytes()[skipped..]));
            match rules.matched(below, is_folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        false
    }
}

/// Bytes of rules that may still be read.
pub struct RuleBudget(u64);

impl Default for RuleBudget {
    fn default() -> Self {
        Self(LONGEST)
    }
}
