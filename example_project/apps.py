from django.apps import AppConfig


class ExampleProjectConfig(AppConfig):
    """The project as an app, which gives it the command ``demo``."""

    name = "example_project"

    def ready(self) -> None:
        """Connect the receivers, which the import does."""
        from example_project import signals  # noqa: F401 - it may import models
