"""A project that does not include the pages of invite_code."""

from tests.invite_code.contrib.urls import doors

urlpatterns = doors
