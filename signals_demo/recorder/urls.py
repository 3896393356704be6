"""Where the explorer's pages are, for ``include("signals_demo.recorder.urls")``."""

from django.urls import path

from signals_demo.recorder import views

app_name = "signals_recorder"

urlpatterns = [
    path("", views.explorer, name="explorer"),
    path("stream/", views.stream, name="stream"),
    path("receivers/", views.receivers, name="receivers"),
    path("emission/", views.emission, name="emission"),
    path("actions/<slug:slug>/", views.action, name="action"),
    path("export/<str:format>/", views.export, name="export"),
]
