//! What a notebook file says, and how it is written again.

use serde_json::Value;

use super::{
    layout, rewrite,
    tree::{Node, TreeError},
    upgrade,
};

/// Why a file is not taken for a notebook.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotANotebook {
    #[error("it is not JSON: {0}")]
    Json(#[from] TreeError),
    #[error("it is not UTF-8")]
    Encoding(#[from] std::str::Utf8Error),
    #[error("its nbformat is {0}, but only 2, 3 and 4 are supported")]
    OtherFormat(u64),
    #[error("it has no nbformat")]
    NoFormat,
    #[error("it has no list of cells")]
    NoCells,
    #[error("cell {place} has an unknown type: {kind}")]
    Cell { place: usize, kind: Value },
}

/// What a file says, and its nbformat where that is older than 4.
pub(super) fn content_of(bytes: &[u8]) -> Result<(Value, Option<u64>), NotANotebook> {
    let text = std::str::from_utf8(bytes)?;
    let content = Node::read(text)?.view(text);
    match content["nbformat"].as_u64() {
        Some(older @ (2 | 3)) => Ok((upgrade::upgraded(content), Some(older))),
        _ => Ok((content, None)),
    }
}

/// The text of a notebook that was read from these bytes; none where they are none.
pub(super) fn over(bytes: &[u8], content: &Value) -> Option<String> {
    let (before, upgraded_from) = content_of(bytes).ok()?;
    let text = match upgraded_from {
        Some(_) => layout::written(&before),
        None => String::from_utf8(bytes.to_vec()).ok()?,
    };
    let root = Node::read(&text).ok()?;
    Some(rewrite::rewritten(&text, &root, content))
}

pub(super) fn check(content: &Value) -> Result<(), NotANotebook> {
    match content["nbformat"].as_u64() {
        Some(4) => {}
        Some(other) => return Err(NotANotebook::OtherFormat(other)),
        None => return Err(NotANotebook::NoFormat),
    }
    let cells = content["cells"].as_array().ok_or(NotANotebook::NoCells)?;
    let odd = cells.iter().position(|cell| {
        !matches!(
            cell["cell_type"].as_str(),
            Some("code" | "markdown" | "raw")
        )
    });
    odd.map_or(Ok(()), |at| {
        Err(NotANotebook::Cell {
            place: at + 1,
            kind: cells[at]["cell_type"].clone(),
        })
    })
}

#[cfg(test)]
mod tests;
