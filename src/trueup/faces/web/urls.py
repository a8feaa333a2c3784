"""All addresses of the server: the API, the shell's own pages, and those that rooms bring."""

from django.urls import include, path

from trueup.faces.web import assets, shell, views

urlpatterns = [
    path("", views.home, name="home"),
    path("tenant/", views.switch_tenant, name="switch-tenant"),
    path("favicon.ico", views.favicon),
    path("robots.txt", views.robots),
    path("static/<path:name>", assets.serve),
    path("", include("trueup.faces.api.urls")),
    *(path("", include(room)) for room in shell.rooms()),
]

handler400 = "trueup.kernel.http.middleware.bad_request"
handler403 = "trueup.kernel.http.middleware.forbidden"
handler404 = "trueup.kernel.http.middleware.not_found"
handler500 = "trueup.kernel.http.middleware.server_error"
