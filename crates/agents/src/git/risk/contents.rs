//! What the content of a changed file says: scripts of a package, where a link leads.

use std::collections::HashMap;

use gix_hash::ObjectId;
use serde_json::Value;

use super::{
    Risk,
    paths::{is_like_git, risks},
};
use crate::git::{
    bare::Bare,
    command::Git,
    diff::{FileDiff, Side},
    error::GitError,
    listing::FileMode,
    tree_path::TreePath,
};

/// The longest such file that is read.
const LONGEST: u64 = 1 << 20;

/// Marks the files of a comparison.
pub(in crate::git) fn mark(bare: &Bare, git: &Git, files: &mut [FileDiff]) -> Result<(), GitError> {
    let wanted = files.iter().flat_map(|file| [&file.old, &file.new]);
    let wanted = wanted
        .flatten()
        .filter(|side| is_package(side) || is_link(side));
    let ids: Vec<ObjectId> = wanted.map(|side| side.id).collect();
    let texts = bare.contents(git, &ids, LONGEST)?;
    for file in files {
        // What is gone runs no more; that it is gone can matter too.
        for side in [&file.old, &file.new].into_iter().flatten() {
            file.risks.extend(risks(&side.path));
        }
        let modes = [&file.old, &file.new].map(|side| side.as_ref().map(|side| side.mode));
        if modes.contains(&Some(FileMode::Submodule)) {
            file.risks.push(Risk::Submodule);
        }
        if modes[1] == Some(FileMode::Executable) && modes[0] != Some(FileMode::Executable) {
            file.risks.push(Risk::MadeExecutable);
        }
        if let Some(new) = &file.new {
            if is_link(new) && leads_out(&new.path, texts.get(&new.id).map(Vec::as_slice)) {
                file.risks.push(Risk::LinkLeadsOut);
            }
            let old = file.old.as_ref().filter(|old| is_package(old));
            if is_package(new) && has_other_scripts(old, new, &texts) {
                file.risks.push(Risk::PackageScripts);
            }
        }
        file.risks.sort();
        file.risks.dedup();
    }
    Ok(())
}

fn is_link(side: &Side) -> bool {
    side.mode == FileMode::Link
}

fn is_package(side: &Side) -> bool {
    let name = side.path.file_name().to_ascii_lowercase();
    side.mode != FileMode::Link && (name == b"package.json" || name == b"composer.json")
}

/// Whether a link leads out of the tree, or into git's own folder; one that can't be read does.
fn leads_out(path: &TreePath, target: Option<&[u8]>) -> bool {
    let Some(target) = target else {
        return true;
    };
    if target.starts_with(b"/") || target.contains(&b'\\') {
        return true;
    }
    // Folders between the root and the link.
    let mut depth = path.names().count() - 1;
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            name if is_like_git(name) => return true,
            _ => depth += 1,
        }
    }
    false
}

/// Whether the scripts of a package differ. Those that can't be read do.
fn has_other_scripts(old: Option<&Side>, new: &Side, texts: &HashMap<ObjectId, Vec<u8>>) -> bool {
    let scripts = |side: &Side| {
        let text = texts.get(&side.id)?;
        let package: Value = serde_json::from_slice(text).ok()?;
        Some(package.get("scripts").cloned().unwrap_or(Value::Null))
    };
    let is_empty = |scripts: &Value| match scripts {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let before = match old {
        Some(old) => scripts(old),
        None => Some(Value::Null),
    };
    match (before, scripts(new)) {
        (Some(before), Some(after)) => before != after && !(is_empty(&before) && is_empty(&after)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out_are_known() {
        for (path, target, is_out) in [
            ("a/link", "../b", false),
            ("a/link", "../../b", true),
            ("link", "/etc/passwd", true),
            ("a/b/link", "../../c/../d", false),
            ("a/link", "../c/../../d", true),
            ("link", ".git/hooks", true),
            ("link", "a/.GIT/x", true),
            ("link", "b", false),
        ] {
            let found = leads_out(&TreePath::new(path), Some(target.as_bytes()));
            assert_eq!(found, is_out, "{path} -> {target}");
        }
        assert!(leads_out(&TreePath::new("link"), None));
    }
}
