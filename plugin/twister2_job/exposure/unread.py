"""What is said of a job whose own objects can't all be read: whether it is exposed is then unknown."""

from __future__ import annotations

from collections.abc import Sequence

from ..clients.resources import Unread
from ..errors import PendingError


def unknown(job: str, unread: Sequence[Unread]) -> PendingError | None:
    """Return the error for kinds of the job's own that can't be read; None if there are none.

    Args:
        job: Name of the job.
        unread: What can't be read.
    """
    own = [one for one in unread if one.plural]
    if not own:
        return None
    first = own[0]
    kinds = [one.plural for one in own if one.why == first.why]  # Of other causes the report's warnings tell.
    named = " and ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
    message = f"Not all addresses of job {job} are known: its {named} can't be read ({first.why})."
    return PendingError(message, first.hint)
