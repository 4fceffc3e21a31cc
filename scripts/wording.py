#!/usr/bin/env python3
"""The wording check: texts that a person reads, against turns of phrase that are nearly always wrong here.

It reads string literals of the window, the command line and the supervisor, help texts and tool
descriptions, the guides and the comments of the settings file. It doesn't read code comments, log
messages of `tracing` and tests. A finding that is right as it is goes into ALLOWED, with the reason.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What is searched for, and what to write instead.
PATTERNS: list[tuple[str, str]] = [
    (r"\banew\b", "again, recreate, rebuild"),
    (r"\bby (itself|themselves)\b", "automatically"),
    (r"(?<!\bthere )\bis no (?!longer\b)", "is not a …, isn't …, invalid …"),
    (r"\b(is|are|it) not well\b|\b(is|are|was|were|stays?|stayed) well\b", "healthy, passed"),
    (r"\b(a|your|the person's|person's) yes\b|\bsays? (yes|no) to\b|\bsaid no\b", "approval, approve, decline"),
    (r"\blook again\b", "Retry, Refresh"),
    (r"\bof (that|this) name can\b|\bnothing of (that|this) name\b", "not found, no results"),
    (r"\b(is|are|was|were) cut off\b", "interrupted"),
    (r"\bgiv(e|es|en) (it |them )?up\b", "cancel, discard, fail"),
    (r"\b(is|are) told\b", "is reported, is shown"),
    (r"\bto (its|their) end\b", "completely, finish"),
    (r"\bgo(es)? on\b", "continue, keep running"),
    (r"\b(comes?|came|bring|brings|brought) back\b|\bput back\b", "restore, return"),
    (r"\bat the most\b", "the limit is …"),
    (r"\bany ?more\b", "no longer"),
    (r"\b(where|if) left out\b", "if omitted, defaults to …"),
    (r"\blies? (in|at|on|there|where)\b", "is in, is stored in"),
    (r"\bproves? itself\b", "passes its health checks"),
    (r"\btake part\b", "take control"),
    (r"\bmend\b", "fix"),
    (r"\bnot there yet\b", "not supported yet"),
    (r"\b(is|are) there already\b", "already exists"),
    (r"\btak(e|en|ing) along\b", "carry over"),
    (r"\bmachine( \S+)? does not run\b(?! \w)", "is not running"),
    (r"\b(machine|engine|kernel|supervisor|server|display|process|sandbox|API|it)( \S+)? (does|did)( not|n't) answer\b", "is not responding"),
    (r"\bcells that run\b", "running cells"),
    (r"(?<!\bbe )\bstarted again\b", "restarted"),
    (r"\bmay not use\b", "permission denied"),
    (r"\b1 (calls|cells|files|tools|steps)\b", "1 call, 1 cell, …"),
    (r"\btime (limit )?(passed|was over)\b", "timed out, expired"),
    (r"\b(said|says) nothing\b", "no response"),
    (r"\bas it should\b", "unexpected response"),
    (r"\bthere is no such\b", "not found"),
]
EXPRESSIONS = [(re.compile(pattern, re.IGNORECASE), better) for pattern, better in PATTERNS]

# Findings that are right: part of a path, a part of the text, the reason.
ALLOWED: list[tuple[str, str, str]] = []


@dataclass(frozen=True)
class Text:
    """A text with its place."""

    path: str
    line: int
    words: str


def check(text: Text) -> list[str]:
    """What is wrong with a text, a line each."""
    if any(path in text.path and part in text.words for path, part, _ in ALLOWED):
        return []
    found = []
    for expression, better in EXPRESSIONS:
        match = expression.search(text.words)
        if match:
            found.append(f"{text.path}:{text.line}: “{match[0]}” in “{short(text.words, match)}”; write: {better}")
    return found


def short(words: str, match: re.Match[str]) -> str:
    """The text around a finding."""
    return words[max(0, match.start() - 40):match.end() + 40].strip()


RUST = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<raw>r(?P<hashes>#*)".*?"(?P=hashes))|"(?P<string>(?:[^"\\]|\\.)*)"|\'(?:[^\'\\]|\\.[^\']*)\'',
    re.DOTALL,
)
TESTS = re.compile(r"^#\[cfg\(test\)\]\n(?:pub )?mod \w+ \{", re.MULTILINE)
# A log message, up to the string in it.
LOG = re.compile(r"\b(?:trace|debug|info|warn|error)!\([^;]*$")


def rust(path: str, source: str, documented: bool = False) -> list[Text]:
    """String literals of Rust outside of its tests and logs; with `documented` its doc comments too."""
    tests = TESTS.search(source)
    source = source[:tests.start()] if tests else source
    found = []
    block: list[str] = []
    began = 0
    for match in RUST.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        comment = match["comment"]
        if comment is not None:
            if documented and comment.startswith("///"):
                # A sentence may go over several lines.
                if block and line != began + len(block):
                    found.append(Text(path, began, " ".join(block)))
                    block = []
                if not block:
                    began = line
                block.append(comment.removeprefix("///").strip())
            continue
        words = match["raw"] if match["raw"] is not None else match["string"]
        if words is None or LOG.search(source, max(0, match.start() - 400), match.start()):
            continue
        found.append(Text(path, line, re.sub(r"\\\n\s*", "", words)))
    if block:
        found.append(Text(path, began, " ".join(block)))
    return found


SCRIPT = re.compile(
    r'(?P<regex>(?:(?<=[=(,:?|&] )|(?<=\())/(?![/*])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/)'
    r'|(?P<comment>//[^\n]*|/\*.*?\*/)|"(?P<double>(?:[^"\\\n]|\\.)*)"|`(?P<template>(?:[^`\\]|\\.)*)`',
    re.DOTALL,
)


def typescript(path: str, source: str, first_line: int = 1) -> list[Text]:
    """String literals and templates of TypeScript."""
    found = []
    for match in SCRIPT.finditer(source):
        words = match["double"] if match["double"] is not None else match["template"]
        if words is not None:
            found.append(Text(path, first_line + source.count("\n", 0, match.start()), words))
    return found


def svelte(path: str, source: str) -> list[Text]:
    """The literals of a component's script and its markup, without comments and styles."""
    found = []
    rest = source
    for script in re.finditer(r"<script\b[^>]*>(.*?)</script>", source, re.DOTALL):
        found += typescript(path, script[1], source.count("\n", 0, script.start(1)) + 1)
    for part in (r"<script\b.*?</script>", r"<style\b.*?</style>", r"<!--.*?-->", r'\b(?:data-[a-z]+|class)="[^"]*"'):
        rest = re.sub(part, lambda match: "\n" * match[0].count("\n"), rest, flags=re.DOTALL)
    found += paragraphs(path, rest)
    return found


def python(path: str, source: str) -> list[Text]:
    """String literals of Python without docstrings; the parts of an f-string are one text."""
    found = []
    tree = ast.parse(source)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            parts = [one for one in node.values if isinstance(one, ast.Constant)]
            skipped |= {id(one) for one in parts}
            found.append(Text(path, node.lineno, "…".join(str(one.value) for one in parts)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            found.append(Text(path, node.lineno, node.value))
    return found


def paragraphs(path: str, source: str) -> list[Text]:
    """The lines of a page, each with the next one: a phrase may be broken between them."""
    lines = source.split("\n")
    return [Text(path, number, f"{line} {lines[number].strip() if number < len(lines) else ''}") for number, line in enumerate(lines, 1)]


def markdown(path: str, source: str) -> list[Text]:
    """The lines of a page, without its code."""
    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    return [Text(path, number, re.sub(r"`[^`]*`", "…", line)) for number, line in enumerate(re.sub(r"```.*?```", blank, source, flags=re.DOTALL).split("\n"), 1)]


def comments(path: str, source: str) -> list[Text]:
    """Comments of a TOML file."""
    return [Text(path, number, line) for number, line in enumerate(source.split("\n"), 1) if line.startswith("#")]


# Where texts are, and how they are read.
PLACES = [
    ("crates/*/src/**/*.rs", rust),
    ("body/src/**/*.rs", rust),
    ("src-tauri/src/**/*.rs", rust),
    ("ui/src/**/*.svelte", svelte),
    ("ui/src/**/*.ts", typescript),
    ("body/kernel/vivarium_kernel/*.py", python),
    ("docs/*.md", markdown),
    ("README.md", markdown),
    ("CONTRIBUTING.md", markdown),
    ("crates/lifecycle/src/machine.toml", comments),
]
# Doc comments that clap and schemars turn into help and tool descriptions.
COMPUTER = "body/src/computer/"
DOCUMENTED = ("crates/cli/src/arguments.rs", *(COMPUTER + name for name in ("frames.rs", "input.rs", "look.rs", "machine.rs", "screen/windows.rs")))
# Tests, the fake host of the development server, and what types are generated of or to: no person reads that.
LEFT_OUT = re.compile(r"/tests?/|/tests\.rs$|\.test\.ts$|^crates/wire/src/commands\.rs$|^ui/src/wire/|^ui/src/host/fake")


def texts(root: Path = ROOT) -> list[Text]:
    """All texts of a checkout."""
    found = []
    for pattern, read in PLACES:
        for file in sorted(root.glob(pattern)):
            path = file.relative_to(root).as_posix()
            if LEFT_OUT.search(path):
                continue
            source = file.read_text(encoding="utf-8")
            found += rust(path, source, path.startswith(DOCUMENTED)) if read is rust else read(path, source)
    return found


def main() -> int:
    found = texts()
    # A check that reads nothing would always pass.
    if len(found) < 1000:
        print(f"wording: only {len(found)} texts found, the sources are not where they were", file=sys.stderr)
        return 1
    wrong = list(dict.fromkeys(line for text in found for line in check(text)))
    for line in wrong:
        print(f"wording: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
