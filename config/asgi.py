"""The ASGI application: HTTP by Django, sockets by Channels, and the services' life."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  (after Django is set up)

from chatify.matchmaking import routing as matchmaking  # noqa: E402
from chatify.operations.body_limit import with_body_limit  # noqa: E402
from chatify.operations.lifespan import lifespan, with_services  # noqa: E402
from chatify.realtime import routing as realtime  # noqa: E402

sockets = URLRouter([*realtime.urlpatterns, *matchmaking.urlpatterns, *realtime.nowhere])

application = ProtocolTypeRouter(
    {
        "http": with_services(with_body_limit(django_application)),
        "websocket": with_services(sockets),
        "lifespan": lifespan,
    }
)
