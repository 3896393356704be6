from django.urls import path

from signals_demo import views

app_name = "signals_demo"

urlpatterns = [
    path("", views.index, name="catalog"),
    path("<str:name>/", views.signal, name="signal"),
]
