from importlib.util import find_spec

import django

from signals_demo import compat


def test_the_version_is_the_installed_one():
    assert django.get_version().startswith("{}.{}".format(*compat.DJANGO_VERSION))


def test_tasks_are_there_if_django_brings_them():
    assert (find_spec("django.tasks") is not None) is compat.HAS_TASKS
