from django.apps import AppConfig


class ExampleProjectConfig(AppConfig):
    """The project as an app, which gives it the command ``demo``."""

    name = "example_project"
