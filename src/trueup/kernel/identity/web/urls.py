"""Addresses of identity's pages."""

from django.urls import path

from trueup.kernel.http.navigation import Item
from trueup.kernel.identity.web import views_account, views_admin, views_door

ADMINISTER = frozenset({"administer"})
NAVIGATION = (
    Item("Administration", "Users", "/users/", "users", ADMINISTER),
    Item("Administration", "API keys", "/keys/", "key", ADMINISTER),
    Item("Administration", "Sessions", "/sessions/", "device-desktop", ADMINISTER),
)

urlpatterns = [
    path("login/", views_door.login, name="login"),
    path("login/code/", views_door.code, name="login-code"),
    path("logout/", views_door.logout, name="logout"),
    path("password/", views_door.password, name="password"),
    path("account/", views_account.account, name="account"),
    path("account/authenticator/", views_account.totp, name="totp"),
    path("account/authenticator/remove/", views_account.totp_off, name="totp-off"),
    path("account/recovery-codes/", views_account.codes, name="recovery-codes"),
    path("account/sessions/", views_account.end_sessions, name="own-sessions"),
    path("users/", views_admin.users, name="users"),
    path("users/<id>/", views_admin.user, name="user"),
    path("keys/", views_admin.keys, name="keys"),
    path("keys/<id>/", views_admin.key, name="key"),
    path("sessions/", views_admin.sessions, name="sessions"),
]
