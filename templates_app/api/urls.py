"""Routes of personalities, below /api/v1/."""

from django.urls import path

from templates_app.api import views

urlpatterns = [
    path("templates/", views.TemplateList.as_view(), name="template-list"),
    path("templates/<slug:slug>/", views.TemplateDetail.as_view(), name="template-detail"),
]
