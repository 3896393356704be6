"""The example project with its static files, as ``runserver`` serves them."""

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

from example_project.asgi import application as project

application = ASGIStaticFilesHandler(project)
