from types import ModuleType

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from signals_demo.recorder import connecting


class RecorderConfig(AppConfig):
    """The flight recorder: no models, no tables, only ``connect()`` is watched."""

    name = "signals_demo.recorder"
    label = "signals_demo_recorder"
    verbose_name = _("Signals recorder")

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        """Begin to remember who connects what; ``ready()`` would miss most of them."""
        super().__init__(app_name, app_module)
        connecting.watch()

    def ready(self) -> None:
        """Register the checks."""
        from signals_demo.recorder.checks.connected import check_receivers
        from signals_demo.recorder.checks.deployment import check_explorer
        from signals_demo.recorder.checks.modules import check_imports

        register(check_receivers, "signals")
        register(check_imports, "signals")
        register(check_explorer, Tags.security, deploy=True)
