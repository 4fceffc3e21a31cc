"""Short ways through IPython for what most cells are, with the same outcome.

What a cell costs is less the work than the code it runs through after others had the processor's
caches. Each short way asks first whether the long one could come to anything else, and takes it then.
"""

import linecache
import re

from IPython.core.autocall import IPyAutocall
from IPython.core.formatters import DisplayFormatter
from IPython.core.history import HistoryManager
from IPython.core.macro import Macro
from IPython.lib.pretty import _repr_pprint

# Cells whose input and output IPython's variables hold; it would itself warn at a thousand.
REMEMBERED = 900

# Types that have no rich form of their own: only a formatter that the user registered can give one.
_PLAIN = {kind: kind.__mro__ for kind in (int, float, complex, bool, str, bytes)}

# What a transformer of IPython could look for: magics, escapes and help; prompts of pasted code;
# a first line or an empty one with blanks, which dedenting changes; ends of lines other than \n.
_SPECIAL = re.compile(
    r"[%!?]|>>>|\.\.\.|In \[|PYTHON-MODE|\A\s|^[ \t]*[,;/]|^[ \t]+$|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", re.M)
_DEFINES = re.compile(r"\b(?:def|class|lambda)\b")
# As IPython's own `line_split` takes a line's first word.
_WORD = re.compile(r"[\w.*]*")


class Formatter(DisplayFormatter):
    """Numbers and texts have one form, the plain one, unless somebody registered another."""

    def format(self, obj, include=None, exclude=None):
        mro = _PLAIN.get(type(obj))
        if mro is None or include or exclude or self._may_differ(obj, mro):
            return super().format(obj, include=include, exclude=exclude)
        plain = self.formatters["text/plain"]
        text = self._short(plain, obj) or plain(obj)
        return ({"text/plain": text}, {}) if isinstance(text, str) else super().format(obj)

    def _short(self, plain, obj):
        """What the pretty printer makes of a small number: its repr, unless it was told otherwise."""
        if type(obj) is not int or not -1 << 63 < obj < 1 << 63 or id(obj) in plain.singleton_printers:
            return None
        return repr(obj) if plain.type_printers.get(int) is _repr_pprint and plain.enabled else None

    def _may_differ(self, obj, mro):
        formatters = [self.ipython_display_formatter, self.mimebundle_formatter, *self.formatters.values()]
        for formatter in formatters:
            if formatter.format_type == "text/plain":
                continue
            if id(obj) in formatter.singleton_printers:
                return True
            registered, named = formatter.type_printers, formatter.deferred_printers
            if registered and any(kind in registered for kind in mro):
                return True
            if named and any((kind.__module__, kind.__name__) in named for kind in mro):
                return True
        return False


class History(HistoryManager):
    """Its `_i` and so on are plain attributes: as traits, each was validated and announced per cell.

    Of cells long ago it forgets input and output: `In`, `Out`, `_i7`, `_7`.
    """

    _i00 = _i = _ii = _iii = ""

    def store_inputs(self, line_num, source, source_raw=None):
        super().store_inputs(line_num, source, source_raw)
        self.db_input_cache.clear()  # there is no database that it would go to
        old = line_num - REMEMBERED
        if old > 0:
            for name in (f"_i{old}", f"_{old}"):
                self.shell.user_ns.pop(name, None)
                self.shell.user_ns_hidden.pop(name, None)
            self.shell.user_ns["_oh"].pop(old, None)
            self.output_hist_reprs.pop(old, None)
            self.exceptions.pop(old, None)
            # In is indexed by a cell's number.
            for history in (self.input_hist_parsed, self.input_hist_raw):
                if old < len(history):
                    history[old] = ""
            self._forget_source()

    def _forget_source(self):
        """What tracebacks quote; not that of a cell whose functions and classes may still be there."""
        files = self.shell.compile._filename_map
        while len(files) > REMEMBERED:
            name = next(iter(files))
            del files[name]
            source = "".join(linecache.cache.get(name, (0, None, ()))[2])
            if not _DEFINES.search(source):
                linecache.cache.pop(name, None)


class Transforms:
    """Knows which cells IPython's transformers leave as they are."""

    def __init__(self, shell):
        self._shell = shell
        self._usual = self._present()

    def leave(self, cell):
        """Whether they do. A plain cell comes out with a newline at its end, and no other change."""
        if _SPECIAL.search(cell) or self._present() != self._usual:
            return False
        if not cell or cell.find("\n", 0, -1) != -1:
            return True
        # A single line may be the name of a magic, or of what is called by its name alone.
        shell = self._shell
        word = _WORD.match(cell)[0]
        if isinstance(shell.user_ns.get(word), (Macro, IPyAutocall)) or shell.autocall:
            return False
        return not (word and shell.automagic and shell.find_magic(word))

    def _present(self):
        manager, prefilter = self._shell.input_transformer_manager, self._shell.prefilter_manager
        return (manager.cleanup_transforms[:], manager.line_transforms[:], manager.token_transformers[:],
                self._shell.input_transformers_post[:], prefilter.checkers[:], prefilter.transformers[:])


def ends(frame):
    """Whether the frame is at its very end: what is displayed there is the last that its code does.

    Three instructions are left: the one that displays, the drop of its value, the return.
    """
    return len(frame.f_code.co_code) - frame.f_lasti <= 6


def may_await(cell):
    """Whether a cell could want an event loop: a coroutine can't be written without one of these words."""
    return "await" in cell or "async" in cell
