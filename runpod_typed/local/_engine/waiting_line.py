"""The order in which waiting jobs are handed out."""

from collections import OrderedDict


class WaitingLine:
    """First come, first served; low-priority jobs only when nothing more urgent waits."""

    def __init__(self) -> None:
        self._normal: OrderedDict[str, None] = OrderedDict()
        self._low: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._normal) + len(self._low)

    def append(self, job_id: str, *, low_priority: bool) -> None:
        """Join the end of the line."""
        (self._low if low_priority else self._normal)[job_id] = None

    def put_first(self, job_id: str, *, low_priority: bool) -> None:
        """Go back to the front: the job has waited its time already."""
        line = self._low if low_priority else self._normal
        line[job_id] = None
        line.move_to_end(job_id, last=False)

    def pop(self) -> str | None:
        """Take out whose turn it is."""
        for line in (self._normal, self._low):
            if line:
                return line.popitem(last=False)[0]
        return None

    def discard(self, job_id: str) -> bool:
        """Leave the line; tell whether the job stood in it."""
        for line in (self._normal, self._low):
            if job_id in line:
                del line[job_id]
                return True
        return False

    def clear(self) -> list[str]:
        """Empty the line; the ids, in order."""
        ids = [*self._normal, *self._low]
        self._normal.clear()
        self._low.clear()
        return ids
