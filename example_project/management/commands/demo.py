import os
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q
from django.urls import reverse
from django.utils.crypto import get_random_string

from invite_code.conf import conf
from invite_code.models import InviteCode
from invite_code.signals import invite_codes_issued
from signals_demo import catalog, report
from signals_demo.exercising import exercise

ADDRESS = "127.0.0.1:8000"

#: The account that may enter the admin.
USERNAME = "demo"

#: Codes that let in anybody, now and later.
UNUSED = Q(
    uses=0,
    email="",
    valid_from=None,
    expires_at=None,
    revoked_at=None,
    batch__revoked_at=None,
)

NEXT = """
Try next
  manage.py demo --serve        the same, then pages to look at
  manage.py issue_invite_codes 50 --label Newsletter --expires 2030-12-31
  manage.py exercise_signals --only post_save
  signals_demo/signals.py       a useful receiver for each signal above"""


class Command(BaseCommand):
    """Do all there is to see here, and report it."""

    help = "Migrates, which seeds invite codes, and makes Django send every signal."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--serve``."""
        parser.add_argument(
            "--serve",
            nargs="?",
            const=ADDRESS,
            metavar="ADDRESS",
            help="Then start the server, at %(const)s unless told otherwise.",
        )

    def handle(self, *, serve: str | None, **options: Any) -> None:
        """Run the demonstration, then the server if asked to.

        Raises:
            CommandError: there are no codes, or a signal did not come as it should.
        """
        # After each change of the code, the server's reloader starts all this anew.
        if os.environ.get("RUN_MAIN") != "true":
            self.show_codes()
            self.show_account()
            self.show_signals()
            self.stdout.write(NEXT)
            if serve:
                self.show_sign_up(serve)
                self.show_explorer(serve)
        if serve:
            call_command("runserver", serve)

    def show_codes(self) -> None:
        """Migrate, and say where the codes come from.

        Raises:
            CommandError: there are none, or not as many as the settings ask for.
        """
        self.heading("Invite codes")
        seeded = codes_issued_by_migrate()
        stored = InviteCode.objects.count()
        wanted = conf.INVITE_CODE_SEED_COUNT
        if seeded != wanted and not (seeded == 0 and stored):
            raise CommandError(
                f"migrate seeded {seeded} codes, and {stored} are stored, but"
                f" INVITE_CODE_SEED_COUNT is {wanted}."
            )
        if not wanted:
            self.stdout.write("Seeding is switched off: INVITE_CODE_SEED_COUNT is 0.")
        elif seeded:
            self.stdout.write(f"migrate has seeded {seeded:,} codes.")
        else:
            self.stdout.write(f"{stored:,} codes were there already: none was added.")

    def show_account(self) -> None:
        """Make an account for the admin, and say how to sign in."""
        users = get_user_model().objects
        if users.filter(username=USERNAME).exists():
            hint = f"password as shown before, or: manage.py changepassword {USERNAME}"
        else:
            password = get_random_string(12)
            users.create_superuser(USERNAME, password=password)
            hint = f"password {password}"
        self.stdout.write(f"See them in the admin, as user {USERNAME}; {hint}.")

    def show_signals(self) -> None:
        """Exercise the signals and print what came.

        Raises:
            CommandError: one did not come, or with other arguments.
        """
        self.heading("Signals: each sent by Django, and compared with the catalog")
        exercises = exercise(catalog.signals())
        self.stdout.write("\n".join(report.table(exercises, self.style)))
        summary = report.summary(exercises)
        if any(exercise.problems for exercise in exercises):
            raise CommandError(summary)
        self.stdout.write("\n" + self.style.SUCCESS(summary))

    def show_sign_up(self, address: str) -> None:
        """Say where to sign up, and with which code.

        Args:
            address: where the server will listen, as ``runserver`` takes it.
        """
        unused = InviteCode.objects.filter(UNUSED).order_by("pk").first()
        if unused is None:
            return
        page = address_of("invite_code:signup", address)
        code = conf.code_format.display(unused.code)
        self.stdout.write(f"\nSign up at {page}\nwith the code {code}.")

    def show_explorer(self, address: str) -> None:
        """Say where to look at signals.

        Args:
            address: where the server will listen, as ``runserver`` takes it.
        """
        page = address_of("signals_recorder:explorer", address)
        self.stdout.write(f"\nSee signals live at {self.style.SUCCESS(page)}\n\n")

    def heading(self, text: str) -> None:
        """Write a heading."""
        self.stdout.write("\n" + self.style.MIGRATE_HEADING(text))


def address_of(view: str, address: str) -> str:
    """Return the address of a page.

    Args:
        view: name of its URL.
        address: where the server will listen, as ``runserver`` takes it.
    """
    host, _, port = address.rpartition(":")
    if host in ("", "0", "0.0.0.0", "[::]"):  # All addresses; one of them is ours.
        host = "127.0.0.1"
    return f"http://{host}:{port}{reverse(view)}"


def codes_issued_by_migrate() -> int:
    """Migrate, and return how many codes that has issued."""
    counts: list[int] = []

    def note(count: int, **kwargs: Any) -> None:
        counts.append(count)

    invite_codes_issued.connect(note)
    try:
        call_command("migrate", verbosity=0)
    finally:
        invite_codes_issued.disconnect(note)
    return sum(counts)
