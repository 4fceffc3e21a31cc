//! Writes a notebook over the text that it was read from. What is the same as there is written as it
//! stands there: numbers, escapes, the order of fields, blanks. What is new is laid out as Jupyter does
//! it: sorted by name, with the file's own indent.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{
    layout::{Layout, lines},
    tree::{Field, Kind, Node},
};

/// Fields that need not be there: where the file has none, an empty one is not added.
const OPTIONAL: [&str; 3] = ["outputs", "execution_count", "metadata"];

/// A notebook's text, with the root of `text` as what it was before.
pub(super) fn rewritten(text: &str, root: &Node, content: &Value) -> String {
    let mut writer = Writer {
        text,
        layout: Layout::of(text, root),
        out: String::with_capacity(text.len()),
    };
    writer.out.push_str(&text[..root.place.start]);
    writer.value(root, content, 0, false);
    writer.out.push_str(&text[root.place.end..]);
    writer.out
}

struct Writer<'a> {
    text: &'a str,
    layout: Layout,
    out: String,
}

/// A field or an item of what is written.
#[derive(Clone, Copy)]
enum Part<'a, 'b> {
    /// In the place of the old one with this number.
    Old(usize, &'b Value),
    New(&'a str, &'b Value),
}

impl Writer<'_> {
    /// Writes a value in the place of an old one. `is_multiline` is said of what may be one text or a list
    /// of its lines: it stays what it was.
    fn value(&mut self, old: &Node, new: &Value, depth: usize, is_multiline: bool) {
        let split;
        let new = match (&old.kind, new) {
            _ if old.is(self.text, new) => return self.copy(old),
            (Kind::Text | Kind::List(_), _) if is_multiline => {
                let (Some(before), Some(after)) = (joined(&old.view(self.text)), joined(new))
                else {
                    return self.fresh(new, depth);
                };
                if before == after {
                    return self.copy(old);
                }
                split = match old.kind {
                    Kind::Text => Value::String(after),
                    _ => lines(&after),
                };
                &split
            }
            _ => new,
        };
        match (&old.kind, new) {
            (Kind::Object(fields), Value::Object(others)) if !fields.is_empty() => {
                self.object(old, fields, others, depth);
            }
            (Kind::List(items), Value::Array(others)) if !items.is_empty() => {
                self.list(old, items, others, depth);
            }
            _ => self.fresh(new, depth),
        }
    }

    fn object(&mut self, old: &Node, fields: &[Field], new: &Map<String, Value>, depth: usize) {
        let names: Vec<String> = fields.iter().map(|field| field.name(self.text)).collect();
        let known: HashSet<&str> = names.iter().map(String::as_str).collect();
        let is_same_kind = ["cell_type", "output_type"].iter().any(|kind| {
            let before = old.field(self.text, kind);
            before.is_some_and(|before| new.get(*kind).is_some_and(|now| before.is(self.text, now)))
        });
        let mut added: Vec<(&str, &Value)> = new
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(name, _)| !known.contains(name))
            .filter(|(name, value)| !(is_same_kind && OPTIONAL.contains(name) && is_empty(value)))
            .collect();
        added.sort_unstable_by_key(|(name, _)| *name);
        let is_sorted = names.is_sorted();
        let mut added = added.into_iter().peekable();
        let mut parts: Vec<Part<'_, '_>> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            while is_sorted
                && let Some((first, value)) = added.next_if(|(first, _)| *first < name.as_str())
            {
                parts.push(Part::New(first, value));
            }
            if let Some(value) = new.get(name) {
                parts.push(Part::Old(at, value));
            }
        }
        parts.extend(added.map(|(name, value)| Part::New(name, value)));
        let begin = |at: usize| fields[at].name.start;
        let end = |at: usize| fields[at].value.place.end;
        let is_bundle = |name: &str| name == "data" && new.contains_key("output_type");
        // The fields of a bundle are known by what it is in.
        self.parts(
            old,
            fields.len(),
            &parts,
            (&begin, &end),
            |writer, part| match part {
                Part::Old(at, value) => {
                    let field = &fields[at];
                    let colon = &writer.text[field.name.start..field.value.place.start];
                    writer.out.push_str(colon);
                    if is_bundle(&names[at]) {
                        writer.bundle(&field.value, value, depth + 1);
                    } else {
                        let is_multiline = ["source", "text"].contains(&names[at].as_str());
                        writer.value(&field.value, value, depth + 1, is_multiline);
                    }
                }
                Part::New(name, value) => {
                    let name = writer.layout.quoted(name);
                    writer.out.push_str(&name);
                    writer.out.push_str(&writer.layout.colon);
                    writer.fresh(value, depth + 1);
                }
            },
        );
    }

    /// Values by mime type: most are text.
    fn bundle(&mut self, old: &Node, new: &Value, depth: usize) {
        let (Kind::Object(fields), Value::Object(others)) = (&old.kind, new) else {
            return self.value(old, new, depth, false);
        };
        // Each text in the shape that the file has it in; then it is an object as any other.
        let mut others = others.clone();
        for field in fields {
            let name = field.name(self.text);
            if let Some(other) = others.get_mut(&name)
                && !field.value.is(self.text, other)
                && let (Some(before), Some(after)) =
                    (joined(&field.value.view(self.text)), joined(other))
            {
                *other = match field.value.kind {
                    _ if before == after => field.value.view(self.text),
                    Kind::Text => Value::String(after),
                    _ => lines(&after),
                };
            }
        }
        self.value(old, &Value::Object(others), depth, false);
    }

    fn list(&mut self, old: &Node, items: &[Node], new: &[Value], depth: usize) {
        let pairs = paired(self.text, items, new);
        let parts: Vec<Part<'_, '_>> = new
            .iter()
            .zip(pairs)
            .map(|(value, at)| at.map_or(Part::New("", value), |at| Part::Old(at, value)))
            .collect();
        let begin = |at: usize| items[at].place.start;
        let end = |at: usize| items[at].place.end;
        self.parts(
            old,
            items.len(),
            &parts,
            (&begin, &end),
            |writer, part| match part {
                Part::Old(at, value) => writer.value(&items[at], value, depth + 1, false),
                Part::New(_, value) => writer.fresh(value, depth + 1),
            },
        );
    }

    /// Writes what is in brackets, with what stood between the old ones: each separator stays before what
    /// it stood before, and others are like the first.
    fn parts<'a, 'b>(
        &mut self,
        old: &Node,
        count: usize,
        parts: &[Part<'a, 'b>],
        (begin, end): (&dyn Fn(usize) -> usize, &dyn Fn(usize) -> usize),
        mut write: impl FnMut(&mut Self, Part<'a, 'b>),
    ) {
        let text = self.text;
        let (open, close) = (old.place.start, old.place.end - 1);
        self.out.push_str(&text[open..=open]);
        if !parts.is_empty() {
            let gap = &text[open + 1..begin(0)];
            self.out.push_str(gap);
            let usual = match count {
                1 if gap.is_empty() => self.layout.comma.clone(),
                1 => format!(",{gap}"),
                _ => text[end(0)..begin(1)].to_owned(),
            };
            for (place, part) in parts.iter().enumerate() {
                match part {
                    _ if place == 0 => {}
                    Part::Old(at @ 1.., _) => self.out.push_str(&text[end(at - 1)..begin(*at)]),
                    _ => self.out.push_str(&usual),
                }
                write(self, *part);
            }
            self.out.push_str(&text[end(count - 1)..close]);
        }
        self.out.push_str(&text[close..=close]);
    }

    fn copy(&mut self, old: &Node) {
        self.out.push_str(&self.text[old.place.clone()]);
    }

    fn fresh(&mut self, value: &Value, depth: usize) {
        self.layout.write(value, depth, &mut self.out);
    }
}

/// One text, or lines, as one text.
fn joined(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(lines) => lines.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// For each new item the old one in whose place it is written.
fn paired(text: &str, old: &[Node], new: &[Value]) -> Vec<Option<usize>> {
    let shortest = old.len().min(new.len());
    let same = |(one, other): &(&Node, &Value)| one.is(text, other);
    let first = old.iter().zip(new).take_while(same).count();
    let ends = old[first..].iter().rev().zip(new[first..].iter().rev());
    let last = ends.take_while(same).count().min(shortest - first);
    let mut pairs: Vec<Option<usize>> = vec![None; new.len()];
    for (at, pair) in pairs.iter_mut().enumerate() {
        if at < first {
            *pair = Some(at);
        } else if at >= new.len() - last {
            *pair = Some(old.len() - (new.len() - at));
        }
    }
    let middle = first..old.len() - last;
    let views: Vec<Value> = middle.clone().map(|at| brief(text, &old[at])).collect();
    let mut taken = vec![false; views.len()];
    // By its id; then what says the same; then in their order, like beside like.
    for mark in [id, said] {
        let mut known: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, view) in views.iter().enumerate().rev() {
            if !taken[at]
                && let Some(mark) = mark(view)
            {
                known.entry(mark).or_default().push(at);
            }
        }
        for at in first..new.len() - last {
            if pairs[at].is_none()
                && let Some(at_old) = mark(&new[at]).and_then(|mark| known.get_mut(&mark)?.pop())
            {
                pairs[at] = Some(first + at_old);
                taken[at_old] = true;
            }
        }
    }
    let mut left = 0;
    for at in first..new.len() - last {
        match pairs[at] {
            Some(pair) => left = left.max(pair + 1 - first),
            None => {
                let like = (left..views.len())
                    .take_while(|at| !taken[*at])
                    .find(|at_old| kind(&views[*at_old]) == kind(&new[at]));
                if let Some(like) = like {
                    pairs[at] = Some(first + like);
                    taken[like] = true;
                    left = like + 1;
                }
            }
        }
    }
    pairs
}

/// What an old item is known by, without all that a cell put out.
fn brief(text: &str, node: &Node) -> Value {
    let Kind::Object(_) = node.kind else {
        return match node.kind {
            Kind::List(_) => Value::Array(Vec::new()),
            _ => node.view(text),
        };
    };
    let fields = ["id", "cell_type", "output_type", "source"].into_iter();
    let fields =
        fields.filter_map(|name| Some((name.to_owned(), node.field(text, name)?.view(text))));
    Value::Object(fields.collect())
}

fn id(item: &Value) -> Option<String> {
    item["id"].as_str().map(str::to_owned)
}

fn said(item: &Value) -> Option<String> {
    match item {
        Value::String(text) => Some(text.clone()),
        _ => Some(format!(
            "{} {}",
            item["cell_type"].as_str()?,
            joined(&item["source"])?
        )),
    }
}

/// Which items are like each other.
fn kind(item: &Value) -> (u8, Option<&str>) {
    let number = match item {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    };
    let name = item["cell_type"].as_str().or(item["output_type"].as_str());
    (number, name)
}
