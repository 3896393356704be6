"""The form of a catalog entry: what one built-in signal is made of."""

from dataclasses import dataclass

from django.dispatch import Signal
from django.utils.module_loading import import_string

from signals_demo.compat import DJANGO_VERSION

#: A feature release of Django, such as ``(6, 1)``.
Version = tuple[int, int]

DOCS = "https://docs.djangoproject.com/en/"


@dataclass(frozen=True, kw_only=True)
class Dated:
    """What some versions of Django have and others do not.

    Attributes:
        since: the first version that has it.
        removed: the first version that no longer has it; None while it lasts.
    """

    since: Version = (1, 0)
    removed: Version | None = None

    def is_in(self, version: Version) -> bool:
        """Return whether that version of Django has it."""
        return self.since <= version and (
            self.removed is None or version < self.removed
        )


@dataclass(frozen=True)
class Argument(Dated):
    """One keyword argument of a signal, beside ``sender`` and ``signal``.

    Attributes:
        name: the keyword.
        what: what it holds.
        sometimes: why it may be absent; empty if it always comes.
    """

    name: str
    what: str
    sometimes: str = ""


@dataclass(frozen=True)
class SendSite(Dated):
    """A function of Django that sends a signal.

    Its dates are told only where the supported versions of Django differ.

    Attributes:
        function: dotted path; a class is named without what it is nested in.
        method: ``"send"``, ``"asend"`` or ``"send_robust"``.
    """

    function: str
    method: str = "send"


@dataclass(frozen=True, kw_only=True)
class BuiltinSignal(Dated):
    """All there is to know before connecting to one of Django's signals.

    Attributes:
        group: heading of Django's reference under which it stands.
        path: where to import it from.
        sender: what receivers get as ``sender``.
        when: when it is sent.
        sent_by: the functions of Django that send it.
        arguments: what is sent beside the sender, in Django's order.
        pitfalls: what surprises people, one sentence or two each.
        documented: whether Django's reference knows it.
        page: page and anchor of Django's documentation, below ``DOCS``; empty
            for its usual place on the signals page.
    """

    group: str
    path: str
    sender: str
    when: str
    sent_by: tuple[SendSite, ...]
    arguments: tuple[Argument, ...] = ()
    pitfalls: tuple[str, ...] = ()
    documented: bool = True
    page: str = ""

    @property
    def name(self) -> str:
        """The name of the signal in its module."""
        return self.path.rpartition(".")[2]

    @property
    def docs(self) -> str:
        """The address of its documentation."""
        return DOCS + (self.page or f"stable/ref/signals/#{self.path}")

    def arguments_in(self, version: Version = DJANGO_VERSION) -> tuple[Argument, ...]:
        """Return the arguments that version of Django sends."""
        return tuple(arg for arg in self.arguments if arg.is_in(version))

    def sent_by_in(self, version: Version = DJANGO_VERSION) -> tuple[SendSite, ...]:
        """Return the functions that send it in that version of Django."""
        return tuple(site for site in self.sent_by if site.is_in(version))

    def load(self) -> Signal:
        """Import the signal itself.

        Raises:
            ImportError: the installed Django does not have it.
        """
        signal: Signal = import_string(self.path)
        return signal
