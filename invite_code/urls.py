"""Addresses of the pages that ask for a code."""

from django.urls import path

from invite_code.views import EnterView, SignupView

app_name = "invite_code"

urlpatterns = [
    path("", EnterView.as_view(), name="enter"),
    path("signup/", SignupView.as_view(), name="signup"),
]
