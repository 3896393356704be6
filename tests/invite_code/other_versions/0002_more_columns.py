from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("invite_code", "0001_fewer_columns"),)

    operations = (
        migrations.AddField(
            model_name="invitecode",
            name="color",
            field=models.CharField(max_length=9, default="blue"),
        ),
        migrations.AddField(
            model_name="invitecode",
            name="note",
            field=models.TextField(null=True, db_column="Remark"),
        ),
        migrations.AddField(
            model_name="invitecode",
            name="facts",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="invitecode",
            name="uuid",
            field=models.UUIDField(default="12345678-1234-5678-1234-567812345678"),
        ),
    )
