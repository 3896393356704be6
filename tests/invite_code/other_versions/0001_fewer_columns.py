from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    operations = (
        migrations.CreateModel(
            name="InviteBatch",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("key", models.CharField(max_length=50, unique=True, null=True)),
                ("label", models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="InviteCode",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("code", models.CharField(max_length=64, unique=True)),
                (
                    "batch",
                    models.ForeignKey("invite_code.InviteBatch", models.PROTECT),
                ),
            ],
        ),
    )
