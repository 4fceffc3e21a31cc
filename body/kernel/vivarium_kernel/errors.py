"""What errors of the user's code say: their classes are the user's too; and errors with reasons of our own."""

import pickle


class Told(Exception):
    """Its message is the whole reason, for a person to read."""


class NotStorable(Told, pickle.PicklingError):
    """A snapshot can't hold this value."""


class FileChanged(Told):
    """A handle's file isn't what it was when the snapshot was stored."""


def message_of(error):
    """An error's message, whatever its class makes of that."""
    try:
        return str(error)
    except BaseException:
        return "<its message can't be shown>"


def reason_of(error):
    """Why a value wasn't stored or restored, in one line."""
    message = message_of(error)
    text = message if isinstance(error, Told) else f"{type(error).__name__}: {message}"
    return text.partition("\n")[0][:300]
