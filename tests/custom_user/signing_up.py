"""Sign up with codes where the project has a user model of its own.

Run as a program, because a process has one user model.
"""

import json
import os

import django
from django.core.management import call_command
from django.test import Client


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.custom_user.settings"
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)

    from invite_code.forms import SignupForm
    from invite_code.models import InviteCode, Redemption
    from tests.custom_user.models import Person

    bound, free, live = InviteCode.objects.order_by("code")
    InviteCode.objects.filter(pk=bound.pk).update(email="alice@example.org")

    def sign_up(email, code):
        response = Client().post(
            "/signup/",
            {
                "email": email,
                "full_name": "Somebody",
                "password1": "correct horse battery",
                "password2": "correct horse battery",
                "invite_code": code.code,
            },
        )
        return response.status_code

    statuses = [
        sign_up("bob@example.org", bound),
        sign_up("Alice@example.org", bound),
        sign_up("bob@example.org", free),
        sign_up("bob@example.org", live),
        sign_up("carol@example.org", free),
    ]
    by_pk = {str(person.pk): person.email for person in Person.objects.all()}
    redemptions = Redemption.objects.order_by("code__code")
    result = {
        "fields": list(SignupForm().fields),
        "statuses": statuses,
        "by pk": [by_pk[redemption.user_pk] for redemption in redemptions],
        "user names": [redemption.username for redemption in redemptions],
        "uses": list(
            InviteCode.objects.order_by("code").values_list("uses", flat=True)
        ),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
