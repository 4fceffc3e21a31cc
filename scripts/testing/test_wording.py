"""Tests of the wording check: it finds a planted sentence in every place that it reads, and nothing else."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import wording
from wording import Text

BAD = "The old one comes back by itself where the new one is not well."


def wrong(texts: list[Text]) -> list[str]:
    return [line for text in texts for line in wording.check(text)]


class PatternsTest(unittest.TestCase):
    def test_each_pattern_finds_a_sentence(self):
        sentences = [
            "The image is built anew.", "It was found by itself.", "This is no JSON.", "The candidate is not well.", "It waits for your yes.",
            "Look again", "Nothing of that name can be done.", "A run was cut off.", "It gives up.", "That is told.", "A cell was not run to its end.",
            "The run goes on.", "It comes back.", "64 KiB at the most", "{0} is no server any more", "10 where left out", "It lies in /data.",
            "It did not prove itself.", "Take part", "Mend the file.", "It is not there yet.", "It is there already.", "12 names taken along",
            "The machine os-host does not run.", "The sandbox s1 doesn't answer.", "Cells that run", "It was started again once.",
            "This user may not use the engine.", "1 calls", "The time limit passed.", "It said nothing for 5 s.", "It doesn't answer as it should.",
            "There is no such command.",
        ]
        self.assertEqual(len(wording.PATTERNS), len(sentences))
        for (expression, _), sentence in zip(wording.EXPRESSIONS, sentences):
            self.assertRegex(sentence, expression)

    def test_plain_sentences_pass(self):
        for words in (
            "If the new machine isn't healthy, the old one is restored automatically.", "There is no file to open.", "The file is no longer a device.",
            "The machine does not run systemd.", "A client that does not answer requests", "It can be started again.", "11 calls", "1 call",
            "Vivarium continues automatically once the engine responds.", "well known", "Select the end of the line.",
        ):
            self.assertEqual([], wrong([Text("a", 1, words)]))

    def test_an_allowed_text_has_its_place_and_a_reason(self):
        for path, part, reason in wording.ALLOWED:
            self.assertTrue(any(path in text.path and part in text.words for text in wording.texts()), f"{path}: {part} is nowhere")
            self.assertGreater(len(reason), 10)


class ReadersTest(unittest.TestCase):
    def test_rust_is_read_without_comments_logs_and_tests(self):
        source = f'''// {BAD}
/// {BAD}
const TOLD: &str = "{BAD}";
fn f() {{ tracing::warn!(%error, "{BAD}"); let x: &'static str = r#"{BAD}"#; }}
#[error(
    "the old one \\
     comes back"
)]
#[cfg(test)]
mod tests {{ const OTHER: &str = "{BAD}"; }}
'''
        self.assertEqual({3, 4, 6}, {text.line for text in wording.rust("a.rs", source) if wording.check(text)})
        documented = {text.line for text in wording.rust("a.rs", source, documented=True) if wording.check(text)}
        self.assertEqual({2, 3, 4, 6}, documented)

    def test_a_phrase_over_two_lines_of_help_is_found(self):
        self.assertTrue(wrong(wording.rust("a.rs", "    /// The old one comes\n    /// back.\n    x: u8,\n", documented=True)))

    def test_components_are_read_without_styles_comments_and_names(self):
        source = f'''<script lang="ts">
  // {BAD}
  const told = open ? "{BAD}" : `{BAD}`;
</script>
<!-- {BAD} -->
<p data-testid="write-anew" title="{BAD}">
  The old one comes
  back.
</p>
<style>
  /* {BAD} */
</style>
'''
        self.assertEqual({3, 6, 7}, {text.line for text in wording.svelte("a.svelte", source) if wording.check(text)} - {5})

    def test_quotes_in_an_expression_of_typescript_open_no_text(self):
        source = f'const a = /[`"-~]/g;\n// {BAD}\nconst b = text.replace(/`/g, "{BAD}");\n'
        self.assertEqual([3], [text.line for text in wording.typescript("a.ts", source) if wording.check(text)])

    def test_python_is_read_without_docstrings(self):
        source = f'"""{BAD}"""\nraise ValueError(f"{{name}} is no folder")\nTOLD = ("It comes "\n        "back.")\n'
        self.assertEqual([2, 3], [text.line for text in wording.python("a.py", source) if wording.check(text)])

    def test_pages_are_read_without_code(self):
        source = f"```\n{BAD}\n```\n`anew` is a file.\n{BAD}\n"
        self.assertEqual([5], [text.line for text in wording.markdown("a.md", source) if wording.check(text)])

    def test_comments_of_settings_are_read(self):
        self.assertEqual([1], [text.line for text in wording.comments("a.toml", f"# {BAD}\nanew = 1\n") if wording.check(text)])


class CheckoutTest(unittest.TestCase):
    def test_a_sentence_is_found_in_every_place(self):
        planted = {
            "crates/app/src/deep/a.rs": f'const A: &str = "{BAD}";',
            "crates/cli/src/arguments.rs": f"/// {BAD}\nstruct A;",
            "body/src/a.rs": f'const A: &str = "{BAD}";',
            "body/src/computer/input.rs": f"/// {BAD}\nstruct A;",
            "src-tauri/src/a.rs": f'const A: &str = "{BAD}";',
            "ui/src/features/a.svelte": f"<p>{BAD}</p>",
            "ui/src/shared/a.ts": f'export const a = "{BAD}";',
            "body/kernel/vivarium_kernel/a.py": f'A = "{BAD}"',
            "docs/a.md": BAD,
            "README.md": BAD,
            "CONTRIBUTING.md": BAD,
            "crates/lifecycle/src/machine.toml": f"# {BAD}",
        }
        passed_over = {"crates/app/tests/a.rs": f'const A: &str = "{BAD}";', "ui/src/shared/a.test.ts": f'const a = "{BAD}";', "docs/decisions/1.md": BAD}
        with tempfile.TemporaryDirectory() as folder:
            for path, source in {**planted, **passed_over}.items():
                file = Path(folder) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(source, encoding="utf-8")
            found = {text.path for text in wording.texts(Path(folder)) if wording.check(text)}
        self.assertEqual(set(planted), found)

    def test_this_checkout_has_texts(self):
        self.assertGreater(len(wording.texts()), 1000)


if __name__ == "__main__":
    unittest.main()
