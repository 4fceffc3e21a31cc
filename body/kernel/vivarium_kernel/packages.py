"""Packages that a cell, or a shell beside it, installs into the home: found without a restart.

A folder that wasn't there when Python started is not on its path.
"""

import importlib
import os
import site
import sys


def look():
    """Takes the home's packages on the path as soon as there are any, in front of the system's as at a start."""
    if not site.ENABLE_USER_SITE or site.USER_SITE in sys.path or not os.path.isdir(site.USER_SITE):
        return
    before = list(sys.path)
    site.addsitedir(site.USER_SITE)
    added = [path for path in sys.path if path not in before]
    own = [at for at, path in enumerate(before) if path.startswith(sys.prefix + os.sep)]
    place = own[-1] + 1 if own else len(before)
    sys.path[:] = before[:place] + added + before[place:]
    importlib.invalidate_caches()


def installed():
    """After a command that may have installed some."""
    look()
    importlib.invalidate_caches()
