"""Player: which frame of a clip is due at a moment. No Qt; the clock is given."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median


class Player:
    """Real time at frame times, any speed, in a loop; frames that come too late are dropped."""

    def __init__(self, times: Sequence[float], clock: Callable[[], float]) -> None:
        """`times`: seconds at which each frame begins, from 0 and rising."""
        self.times, self._clock = list(times), clock
        steps = [b - a for a, b in pairwise(self.times)]
        self.step = median(steps) if steps else 1.0  # seconds that the last frame is shown, too
        self.loop = 0, len(self.times) - 1  # first and last frame
        self.speed = 1.0
        self.playing = False
        self.dropped = 0
        self.at = 0
        self._began = self._offset = 0.0
        self._shown: deque[float] = deque()

    @property
    def rate(self) -> float:
        """Frames a second that the clip has at this speed."""
        return self.speed / self.step

    @property
    def measured(self) -> float:
        """Frames a second that were shown lately; 0 where that cannot be told yet."""
        if len(self._shown) < 2:
            return 0.0
        spent = self._shown[-1] - self._shown[0]
        return (len(self._shown) - 1) / spent if spent > 0 else 0.0

    def play(self, at: int) -> None:
        """Go on from a frame, or from the loop's first where it lies outside."""
        self.at = at if self.loop[0] <= at < self.loop[1] else self.loop[0]
        self.playing, self.dropped = True, 0
        self._shown.clear()
        self._anchor()

    def pause(self) -> None:
        """Stay at the frame that is shown."""
        self.playing = False

    def set_speed(self, speed: float) -> None:
        """Times the clip's own."""
        self.speed = speed
        self._shown.clear()
        self._anchor()

    def set_loop(self, first: int, last: int) -> None:
        """Both frames belong to it."""
        self.loop = min(first, last), max(first, last)
        if not self.loop[0] <= self.at <= self.loop[1]:
            self.at = self.loop[0]
        self._anchor()

    def due(self) -> int | None:
        """The frame to show now, None where that is the one shown; counts those left out."""
        if not self.playing:
            return None
        first, last = self.loop
        length = self.times[last] - self.times[first] + self.step
        passed = (self._clock() - self._began) * self.speed + self._offset
        now = self.times[first] + passed % length
        found = min(max(bisect_right(self.times, now + 1e-9) - 1, first), last)
        if found == self.at:
            return None
        self.dropped += (found - self.at - 1) % (last - first + 1)
        self.at = found
        return found

    def shown(self) -> None:
        """A frame is on screen."""
        now = self._clock()
        self._shown.append(now)
        while now - self._shown[0] > 2:
            self._shown.popleft()

    def _anchor(self) -> None:
        self._began = self._clock()
        self._offset = self.times[self.at] - self.times[self.loop[0]]
