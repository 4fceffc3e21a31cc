//! Git in an agent's container, on files that are the agent's own: what it runs there can harm nobody but
//! the agent. What comes out is checked on this side (`git::Work::receive`).

use std::{fs::File, io::Write, path::Path, str::FromStr};

use frames::message::Exec;
use init_client::Session;
use wire::agent::AgentId;

use crate::{
    container::WORKSPACE,
    error::AgentError,
    git::{GitError, IncomingLimits, ObjectId, Prepared},
    link::argv,
    transfer,
};

/// How long any of it may take.
const LONGEST_MS: u64 = 300_000;
/// The most that is read of what it says about itself.
const MOST_WORDS: usize = 64 << 10;
/// What the agent's branch, and its uncommitted files, are called when they are fetched.
const HEAD: &str = "refs/vivarium/head";
const WIP: &str = "refs/vivarium/wip";

/// `$1` is the branch, `$2` has the commits at which the history ends; the bundle comes on stdin.
const CLONE: &str = r#"
set -eu
bundle=/home/agent/.vivarium/start.bundle
trap 'rm -f "$bundle"' EXIT
cat >"$bundle"
git init -q
git symbolic-ref HEAD "$1"
if [ -n "$2" ]; then printf '%s' "$2" >.git/shallow; fi
git fetch -q --no-tags --update-head-ok "$bundle" "$1:$1"
if ! git config user.email >/dev/null; then
    git config user.name "$3"
    git config user.email "$3@localhost"
fi
git reset -q --hard
"#;

/// Says the commit that is checked out, and one with what isn't committed, which is the same one for the
/// same files.
const LOOK: &str = r#"
set -eu
head=$(git rev-parse --verify 'HEAD^{commit}')
git update-ref refs/vivarium/head "$head"
index=/home/agent/.vivarium/index.$$
trap 'rm -f "$index" "$index.lock"' EXIT
cp "$(git rev-parse --git-path index)" "$index" 2>/dev/null || :
export GIT_INDEX_FILE="$index"
git add -A
tree=$(git write-tree)
wip=-
if [ "$tree" != "$(git rev-parse 'HEAD^{tree}')" ]; then
    date="$(git show -s --format=%ct HEAD) +0000"
    export GIT_AUTHOR_DATE="$date" GIT_COMMITTER_DATE="$date"
    wip=$(git -c user.name=agent -c user.email=agent@localhost commit-tree "$tree" -p "$head" -m 'Files that the agent has not committed')
    git update-ref refs/vivarium/wip "$wip"
fi
printf '\nvivarium %s %s\n' "$head" "$wip"
"#;

/// `$1` is a ref, `$2` a commit that is known outside. One that doesn't build on it is sent whole.
const BUNDLE: &str = r#"
exec 2>/dev/null
git bundle create -q --version=2 - "$1" "^$2" || git bundle create -q --version=2 - "$1"
"#;

/// What an agent has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The commit that it has checked out.
    pub(crate) head: ObjectId,
    /// One on top of it, with what isn't committed; none if everything is.
    pub(crate) wip: Option<ObjectId>,
}

/// Which of the two is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Head,
    Wip,
}

/// Makes the clone that an agent works on.
pub(crate) async fn clone_in(
    session: &Session,
    id: &AgentId,
    tool: &str,
    prepared: &Prepared,
) -> Result<(), AgentError> {
    let bundle = tokio::fs::File::open(&prepared.bundle).await;
    let bundle = bundle.map_err(GitError::file("open", &prepared.bundle))?;
    let shallow: String = prepared
        .shallow
        .iter()
        .map(|id| format!("{id}\n"))
        .collect();
    let words = [prepared.branch.as_str(), &shallow, tool];
    let said = script(session, id, CLONE, &words, bundle).await?;
    said.ended("clone the workspace of", id).map(drop)
}

/// Looks at what an agent has made.
pub(crate) async fn look(session: &Session, id: &AgentId) -> Result<Seen, AgentError> {
    let said = script(session, id, LOOK, &[], tokio::io::empty()).await?;
    let words = said.ended("read the changes of", id)?;
    let told = words.lines().rev().find_map(|line| {
        let mut ids = line.strip_prefix("vivarium ")?.split(' ');
        let head = ObjectId::from_str(ids.next()?).ok()?;
        let wip = match ids.next()? {
            "-" => None,
            wip => Some(ObjectId::from_str(wip).ok()?),
        };
        Some(Seen { head, wip })
    });
    told.ok_or_else(|| AgentError::Command {
        id: id.clone(),
        doing: "read the changes of",
        reason: "git said what can't be read".into(),
    })
}

/// Writes a bundle of it to a file, up to the limit of what is taken.
pub(crate) async fn bundle(
    session: &Session,
    id: &AgentId,
    wanted: Wanted,
    known: ObjectId,
    to: &Path,
) -> Result<(), AgentError> {
    let name = match wanted {
        Wanted::Head => HEAD,
        Wanted::Wip => WIP,
    };
    let mut file = File::create(to).map_err(GitError::file("create", to))?;
    let most = IncomingLimits::default().bundle_bytes;
    let mut written = 0_u64;
    let take = |data: &[u8]| {
        written += data.len() as u64;
        if written > most {
            return Err(GitError::TooMuch {
                what: "the size of the agent's commits",
                limit: format!("{} MiB", most >> 20),
            }
            .into());
        }
        Ok(file.write_all(data).map_err(GitError::file("write", to))?)
    };
    let exec = shell(BUNDLE, &[name, &known.to_string()]);
    let code = transfer::run(session, id, exec, tokio::io::empty(), take).await?;
    match code {
        0 => Ok(()),
        code => Err(AgentError::Command {
            id: id.clone(),
            doing: "fetch the commits of",
            reason: format!("git returned {code}"),
        }),
    }
}

/// How a script ended, and its words.
struct Said {
    code: i32,
    words: String,
}

impl Said {
    fn ended(self, doing: &'static str, id: &AgentId) -> Result<String, AgentError> {
        match self.code {
            0 => Ok(self.words),
            code => Err(AgentError::Command {
                id: id.clone(),
                doing,
                reason: match self.words.trim() {
                    "" => format!("it returned {code}"),
                    words => agent_status::shown(words, 500),
                },
            }),
        }
    }
}

async fn script(
    session: &Session,
    id: &AgentId,
    text: &str,
    words: &[&str],
    input: impl tokio::io::AsyncRead + Unpin,
) -> Result<Said, AgentError> {
    let mut said = Vec::new();
    let take = |data: &[u8]| {
        // The end is what counts.
        said.extend_from_slice(data);
        if said.len() > 2 * MOST_WORDS {
            said.drain(..said.len() - MOST_WORDS);
        }
        Ok(())
    };
    let code = transfer::run(session, id, shell(text, words), input, take).await?;
    let words = String::from_utf8_lossy(&said).into_owned();
    Ok(Said { code, words })
}

/// A script in the workspace, with its arguments.
fn shell(text: &str, words: &[&str]) -> Exec {
    let words = [&["sh", "-c", text, "sh"], words].concat();
    let mut exec = argv(&words, true);
    exec.cwd = Some(WORKSPACE.into());
    exec.timeout_ms = Some(LONGEST_MS);
    exec
}
