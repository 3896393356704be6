from django.contrib import admin

from signals_demo.models import Pizza, Profile, Question, Topping

admin.site.register([Pizza, Profile, Question, Topping])
