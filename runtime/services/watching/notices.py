"""Problems that last for many scans of a folder are said once."""

from collections.abc import Callable


class Notices:
    """Says a problem when it begins, and again only after it had ended.

    Args:
        say: shows a line to the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        # The problems of the scan before and of this one so far, and the reasons that were said in this one.
        self._before: set[str] = set()
        self._now: set[str] = set()
        self._reasons: set[str] = set()

    def next_scan(self) -> None:
        """Begin a scan. A problem that is not reported until the next one has ended."""
        self._before, self._now, self._reasons = self._now, set(), set()

    def report(self, place: str, message: str) -> None:
        """Say ``message``, unless the problem lasts, or other places in this scan have it for the same reason.

        Args:
            place: a file or folder.
            message: the problem. It may begin with ``place``; the rest is the reason.
        """
        reason = message.removeprefix(place)
        if message not in self._before and message not in self._now and reason not in self._reasons:
            self._say(message)
            self._reasons.add(reason)
        self._now.add(message)
