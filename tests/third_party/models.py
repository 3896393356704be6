"""Models as projects have them that use these packages."""

from auditlog.registry import auditlog
from django.contrib.auth.models import User
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase
from simple_history import register
from simple_history.models import HistoricalRecords


class Tag(models.Model):
    name = models.CharField(max_length=50)


class Article(models.Model):
    title = models.CharField(max_length=50)
    tags = models.ManyToManyField(Tag)


class Report(models.Model):
    title = models.CharField(max_length=50)
    tags = models.ManyToManyField(Tag)
    history = HistoricalRecords(m2m_fields=[tags])


class Dated(models.Model):
    history = HistoricalRecords(inherit=True)

    class Meta:
        abstract = True


class Poll(Dated):
    question = models.CharField(max_length=50)


class Project(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        permissions = (("assign_task", "Assign task"),)


class ProjectUserPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Project, on_delete=models.CASCADE)


class ProjectGroupPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Project, on_delete=models.CASCADE)


register(Project)
auditlog.register(Article, m2m_fields={"tags"})
auditlog.register(User, exclude_fields=["password"])
