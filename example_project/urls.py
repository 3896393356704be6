from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from example_project.views import home

login = LoginView.as_view(template_name="example_project/login.html")
icon = RedirectView.as_view(url=static("example_project/icon.svg"))

urlpatterns = [
    path("", home, name="home"),
    path("login/", login, name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("invite/", include("invite_code.urls")),
    path("signals/live/", include("signals_demo.recorder.urls")),
    path("signals/", include("signals_demo.urls")),
    path("favicon.ico", icon),
    path("admin/", admin.site.urls),
]
