"""What errors of the user's code say: their classes are the user's too."""


def message_of(error):
    """An error's message, whatever its class makes of that."""
    try:
        return str(error)
    except BaseException:
        return "<its message can't be shown>"
