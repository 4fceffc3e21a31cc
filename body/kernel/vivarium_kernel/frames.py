"""Tracebacks without this package's own frames, which say nothing about the user's code."""

import os
import types

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
MOST_CAUSES = 50


def without_ours(trace):
    """The traceback without our frames; IPython takes its first frame off itself, so that stays."""
    kept, first = [], trace
    while trace is not None:
        if trace is first or not trace.tb_frame.f_code.co_filename.startswith(_OURS):
            kept.append(trace)
        trace = trace.tb_next
    found = None
    for one in reversed(kept):
        found = types.TracebackType(found, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return found


def hide_ours(error):
    """Takes our frames out of the tracebacks of what caused an error, too."""
    for _ in range(MOST_CAUSES):
        if not isinstance(error, BaseException):
            return
        if error.__traceback__ is not None:
            error.__traceback__ = without_ours(error.__traceback__)
        error = error.__cause__ or error.__context__
