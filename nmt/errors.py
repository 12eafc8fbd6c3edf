"""What a person can get wrong, as opposed to what we got wrong."""


class UserError(Exception):
    """A mistake a person can mend: shown as one clear line, exit code 2, never a traceback.

    The message names the file, line or key, says what was expected and what was found,
    and what to do.
    """
