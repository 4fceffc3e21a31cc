//! A commit of files as they are in a folder, written by `git fast-import`: it takes bytes and names
//! from its input, and looks at no file.

use std::io::Write;

use gix_hash::ObjectId;

use super::{
    bare::Bare,
    command::{Git, write},
    error::GitError,
    listing::FileMode,
    ref_name::RefName,
    refs,
    signature::Signature,
    tree_path::TreePath,
    work_tree::{Changed, LeftOut, Wanted, WorkTree},
};

/// Whose commit it is and what it follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commit<'a> {
    pub branch: &'a RefName,
    pub parent: Option<ObjectId>,
    pub author: &'a Signature,
    pub message: &'a str,
}

/// Commits what a folder has beyond the parent on a branch of ours. Without a difference there is no
/// commit, unless there is no parent either.
pub(super) fn commit(
    bare: &Bare,
    git: &Git,
    tree: &WorkTree<'_>,
    wanted: Wanted,
    commit: Commit<'_>,
) -> Result<(Option<ObjectId>, LeftOut), GitError> {
    let mut left_out = LeftOut::default();
    let mut is_commit = false;
    let call = bare.call(git, "fast-import");
    call.args(["--quiet", "--force", "--done"]).fed(
        |stdin| {
            // What is gone comes first, so that a folder can have the name of what was a file.
            let (mut removed, mut files) = (Vec::new(), Vec::new());
            let mut marks = 0_u64;
            left_out = tree.each(wanted, &mut |changed| {
                match changed {
                    Changed::Put(path, mode, bytes) => {
                        marks += 1;
                        let head = format!("blob\nmark :{marks}\ndata {}\n", bytes.len());
                        write(stdin, head.as_bytes())?;
                        write(stdin, bytes)?;
                        write(stdin, b"\n")?;
                        files.push(put(path, mode, marks));
                    }
                    Changed::Gone(path) => removed.push(gone(path)),
                }
                Ok(())
            })?;
            is_commit = !removed.is_empty() || !files.is_empty() || commit.parent.is_none();
            if is_commit {
                write(stdin, &head(&commit))?;
                for file in removed.iter().chain(&files) {
                    write(stdin, file)?;
                }
            }
            write(stdin, b"done\n")
        },
        |output| {
            std::io::copy(output, &mut std::io::sink())
                .map(drop)
                .map_err(GitError::file("read", std::path::Path::new("git's output")))
        },
    )?;
    let made = match is_commit {
        true => refs::id(&bare.folder()?, commit.branch)?,
        false => None,
    };
    if is_commit && made.is_none() {
        return Err(GitError::damaged(
            "git made no commit of the folder's files",
        ));
    }
    Ok((made, left_out))
}

fn head(commit: &Commit<'_>) -> Vec<u8> {
    let who = commit.author.line();
    let message = commit.message.replace('\0', " ");
    let mut text = format!(
        "commit {}\nauthor {who}\ncommitter {who}\ndata {}\n{message}\n",
        commit.branch,
        message.len()
    );
    if let Some(parent) = commit.parent {
        text += &format!("from {parent}\n");
    }
    text.into_bytes()
}

fn put(path: &TreePath, mode: FileMode, mark: u64) -> Vec<u8> {
    let mut line = format!("M {} :{mark} ", mode.as_str()).into_bytes();
    quote(path, &mut line);
    line
}

fn gone(path: &TreePath) -> Vec<u8> {
    let mut line = b"D ".to_vec();
    quote(path, &mut line);
    line
}

/// A path in quotes, so that no name can be taken for another command.
fn quote(path: &TreePath, line: &mut Vec<u8>) {
    line.push(b'"');
    for byte in path.as_bytes() {
        match byte {
            b'"' | b'\\' => line.extend([b'\\', *byte]),
            b' '..=b'~' => line.push(*byte),
            // Writing to a vector can't fail.
            byte => drop(write!(line, "\\{byte:03o}")),
        }
    }
    line.extend(b"\"\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_be_taken_for_a_command() {
        let path = TreePath::new(b"a\nD \"b\\\xff".as_slice());
        assert_eq!(gone(&path), b"D \"a\\012D \\\"b\\\\\\377\"\n");
        let line = put(&TreePath::new("a b"), FileMode::Executable, 7);
        assert_eq!(line, b"M 100755 :7 \"a b\"\n");
    }
}
