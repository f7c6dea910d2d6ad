"""Shell completion, through argcomplete."""

import argparse
import os
from collections.abc import Callable


def complete(make_parser: Callable[[list[str]], argparse.ArgumentParser]) -> None:
    """Answer the shell's request for completions and end the process, if it was started for that purpose.

    In argcomplete's protocol, the shell starts the command with ``_ARGCOMPLETE`` in the environment and the unfinished
    command in ``COMP_LINE``. Without argcomplete there are no completions and no message.

    Args:
        make_parser: makes the parser, from the words of the unfinished command. It is called only for a request.
    """
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        import argcomplete
    except ModuleNotFoundError:
        return
    argcomplete.autocomplete(make_parser(os.environ.get("COMP_LINE", "").split()))
