"""Sign-up as people write it at first: look whether a use is left, then save."""

from django.contrib.auth.forms import UserCreationForm
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import include, path

from invite_code.forms import REFUSED, InviteCodeField
from invite_code.models import InviteCode, Redemption


class NaiveForm(UserCreationForm):
    invite_code = InviteCodeField()

    def clean_invite_code(self) -> InviteCode:
        stored = InviteCode.objects.get(code=self.cleaned_data["invite_code"])
        if stored.uses >= stored.max_uses:
            self.add_error("invite_code", REFUSED)
        return stored


def sign_up(request: HttpRequest) -> HttpResponse:
    form = NaiveForm(request.POST or None)
    if not form.is_valid():
        return render(request, "invite_code/signup.html", {"form": form})
    code = form.cleaned_data["invite_code"]
    with transaction.atomic():
        Redemption.objects.create(code=code, user=form.save())
        code.uses += 1
        code.save()
    return HttpResponseRedirect("/")


urlpatterns = [
    path("invite/signup/", sign_up),
    path("", include("example_project.urls")),
]
