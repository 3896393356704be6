"""What a project lets its developers do by one click, to see what comes of it."""

from asyncio import CancelledError
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.validators import slug_re
from django.utils.module_loading import import_string
from django.utils.text import slugify
from django.utils.translation import get_language, override

from signals_demo.recorder import capture, export, text
from signals_demo.recorder.conf import conf
from signals_demo.recorder.findings import found
from signals_demo.recorder.live.depth import shallow
from signals_demo.recorder.live.feed import feed
from signals_demo.recorder.recording import record
from signals_demo.recorder.trace import Recording


@dataclass(frozen=True)
class Action:
    """Something that makes Django send signals.

    Attributes:
        slug: what it is called in addresses: letters, digits, hyphens and underscores.
        title: what it is called on the page; may be translated lazily.
        description: what it does, in a sentence; may be translated lazily.
        run: does it. What it raises is part of what there is to see.
    """

    slug: str
    title: str
    description: str
    run: Callable[[], object]

    def __post_init__(self) -> None:
        """Refuse what no address could be made of.

        Raises:
            ImproperlyConfigured: the slug is none.
        """
        if not slug_re.fullmatch(self.slug):
            raise ImproperlyConfigured(
                f"{self.slug!r} is no slug: type letters, digits, hyphens and "
                f"underscores, such as {(slugify(self.slug) or 'sell-book')!r}."
            )


@dataclass(frozen=True)
class Outcome:
    """What came of an action.

    Attributes:
        action: which was run.
        recording: what was seen meanwhile.
        raised: the class of the exception that it raised, or None.
    """

    action: Action
    recording: Recording
    raised: str | None

    @property
    def tree(self) -> str:
        """The lines of the tree."""
        return "\n".join(text.tree(self.recording))

    def as_data(self) -> dict[str, Any]:
        """Return what the page needs to know of it."""
        return {
            "slug": self.action.slug,
            "title": str(self.action.title),
            "process": feed.process,
            "recording": export.as_data(self.recording),
            "numbers": [each.order for each in self.recording.entries],
            "tree": self.tree,
            "findings": [each.as_data() for each in found(self.recording)],
            "raised": self.raised,
        }


class Busy(Exception):
    """The action is being run at this moment."""


_running: Final[set[str]] = set()
_lock: Final = Lock()


def actions() -> Sequence[Action]:
    """Return those that the setting names.

    Raises:
        ImportError: there is nothing of that name.
        ImproperlyConfigured: two of them have the same slug.
    """
    name = conf.SIGNALS_RECORDER_ACTIONS
    found: Sequence[Action] = import_string(name) if name else ()
    for slug, times in Counter(each.slug for each in found).items():
        if times > 1:
            raise ImproperlyConfigured(
                f"{name} has {times} actions with the slug {slug!r}: type another one."
            )
    return found


def find(slug: str) -> Action | None:
    """Return the action that addresses call so, or None."""
    return next((each for each in actions() if each.slug == slug), None)


def run(action: Action) -> Outcome:
    """Run an action, and return what came of it.

    Raises:
        Busy: it is being run already. Twice at the same moment, each would find what
            the other has half done.
    """
    raised = None
    # An action may change the language, as commands do.
    language = override(get_language())
    group = feed.group(str(action.title))
    with _alone(action), language, group, record() as recording:
        try:
            action.run()
        # Commands may raise the second, and what an action awaits the third.
        except (Exception, SystemExit, CancelledError) as error:
            raised = capture.type_name(type(error))
    recording.entries = shallow(recording.entries)
    return Outcome(action, recording, raised)


@contextmanager
def _alone(action: Action) -> Iterator[None]:
    with _lock:
        if action.slug in _running:
            raise Busy(action.slug)
        _running.add(action.slug)
    try:
        yield
    finally:
        _running.discard(action.slug)
