"""All settings. The environment decides (docs/operations.md lists the names); nothing here is secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy

from config import environment
from config.environment import BASE_DIR

env = environment.load()

DEBUG = environment.switch(env, "DEBUG")
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured("SECRET_KEY is not set. Set it to a long random text, or DEBUG=1 to try Chatify.")
    SECRET_KEY = "insecure-" + "debug-only-" * 6
JWT_SIGNING_KEY = environment.secret(env, "JWT_SIGNING_KEY", derived_from=SECRET_KEY)
ENCRYPTION_KEY = environment.secret(env, "ENCRYPTION_KEY", derived_from=SECRET_KEY)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["*"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/.*$"
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "last-event-id", "x-api-key", "x-request-id",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "X-Request-ID", "Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
    "Idempotency-Replayed",
]  # fmt: skip
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
LOG_LEVEL = environment.choice(env, "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# What `manage.py bootstrap` makes.
ADMIN_EMAIL = env.str("ADMIN_EMAIL", default="")
ADMIN_PASSWORD = env.str("ADMIN_PASSWORD", default="")
DEMO_API_KEY = env.str("DEMO_API_KEY", default="")

# What chats are made of ---------------------------------------------------------------------------
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="").strip()
OPENAI_BASE_URL = environment.url(env, "OPENAI_BASE_URL", ("http", "https"), "https://api.openai.com/v1")
CHAT_MODEL = env.str("CHAT_MODEL", default="gpt-5-mini") if OPENAI_API_KEY else "offline-companion"
MODEL_PRICES = environment.prices(env, "MODEL_PRICES")
CONTEXT_MESSAGES = environment.integer(env, "CONTEXT_MESSAGES", 15, most=20)
WEBHOOK_ALLOWED_NETWORKS: tuple[environment.Network, ...] = environment.networks(env, "WEBHOOK_ALLOWED_NETWORKS")
MATCH_TIMEOUT_SECONDS = environment.integer(env, "MATCH_TIMEOUT_SECONDS", 10, most=3600)
PAUSE_AFTER_SECONDS = environment.integer(env, "PAUSE_AFTER_SECONDS", 300)
END_AFTER_SECONDS = environment.integer(env, "END_AFTER_SECONDS", 3600, most=31_536_000)
PURGE_DELETED_DAYS = environment.integer(env, "PURGE_DELETED_DAYS", 30, most=3650)
FIREBASE_PROJECT_ID = env.str("FIREBASE_PROJECT_ID", default="")
GOOGLE_APPLICATION_CREDENTIALS = env.str("GOOGLE_APPLICATION_CREDENTIALS", default="")
FIRESTORE_EMULATOR_HOST = env.str("FIRESTORE_EMULATOR_HOST", default="")
FIRESTORE_IS_ON = bool(FIREBASE_PROJECT_ID)
DEMO_TENANT = "demo"
HOUSE_TENANT = "house"

# Who may do how much --------------------------------------------------------------------------------
# In numbers per minute, per day and per month; 0 is no limit. Staff can set others for a tenant.
_LIMITS = {
    "LIMIT_KEY_REQUESTS_PER_MINUTE": 6000,
    "LIMIT_PERSON_REQUESTS_PER_MINUTE": 60,
    "LIMIT_USER_MESSAGES_PER_MINUTE": 20,
    "LIMIT_SESSION_MESSAGES_PER_MINUTE": 30,
    "LIMIT_CONCURRENT_REPLIES": 0,
    "LIMIT_TOKENS_PER_DAY": 0,
    "LIMIT_TOKENS_PER_MONTH": 0,
    "LIMIT_USER_TOKENS_PER_DAY": 0,
    "LIMIT_USER_TOKENS_PER_MONTH": 0,
}
LIMITS = {
    name.removeprefix("LIMIT_").lower(): environment.integer(env, name, default, least=0, most=10**12)
    for name, default in _LIMITS.items()
}
IS_SIGN_UP_OPEN = environment.choice(env, "SIGN_UP", "open", ("open", "closed")) == "open"
ACCESS_TOKEN_SECONDS = environment.integer(env, "ACCESS_TOKEN_SECONDS", 900, most=86_400)
REFRESH_TOKEN_DAYS = environment.integer(env, "REFRESH_TOKEN_DAYS", 30, most=365)
END_USER_TOKEN_SECONDS = environment.integer(env, "END_USER_TOKEN_SECONDS", 900, most=86_400)

# Applications -------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",  # makes runserver speak ASGI; has to come first
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "csp",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "chatify.accounts",
    "chatify.events",
    "templates_app",
    "sessions",
    "chatify.memory",
    "chatify.matchmaking",
    "chatify.webhooks",
    "chatify.mirror",
    "chatify.ui",
    "chatify.operations",
]
MIDDLEWARE = [
    "chatify.operations.middleware.observe_request",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "chatify.operations.middleware.choose_content_security_policy",
    "servestatic.middleware.ServeStaticMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "chatify.operations.middleware.TellThatDatabaseIsAway",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "chatify.accounts.passwords.PasswordRules"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
     "OPTIONS": {"user_attributes": ("email", "name")}},
    {"NAME": "chatify.accounts.passwords.CommonPasswords"},
]  # fmt: skip
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_URL = "ui:login"
LOGIN_REDIRECT_URL = "ui:chat"
LOGOUT_REDIRECT_URL = "ui:chat"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
SERVESTATIC_USE_FINDERS = DEBUG
SERVESTATIC_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "servestatic.storage.CompressedStaticFilesStorage"},
}

# Database, Redis, Celery --------------------------------------------------------------------------
DB_THREADS = 8
_DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")
DATABASE_URL = environment.url(env, "DATABASE_URL", _DATABASE_SCHEMES, f"sqlite:///{BASE_DIR / 'chatify.sqlite3'}")


def _database() -> dict[str, Any]:
    config: dict[str, Any] = {**env.db_url_config(DATABASE_URL), "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    if config["ENGINE"].endswith("sqlite3"):
        # secure_delete: what is erased is overwritten, and does not stay in free pages of the file.
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON;"
        config["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas}
        config["TEST"] = {"NAME": None}
    else:
        config["OPTIONS"] = {
            **config.get("OPTIONS", {}),
            "pool": {"min_size": 2, "max_size": DB_THREADS + 12, "timeout": 5},
            "connect_timeout": 5,
            "server_side_binding": True,
            "prepare_threshold": 5,
        }
    return config


DATABASES = {"default": _database()}
IS_SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
REDIS_URL = environment.url(env, "REDIS_URL", ("redis", "rediss", "unix"))
_BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "amqp", "amqps", "memory")
_BROKER = REDIS_URL.replace("unix://", "redis+socket://", 1) or "memory://"
CELERY_BROKER_URL = environment.url(env, "CELERY_BROKER_URL", _BROKER_SCHEMES, _BROKER)
if REDIS_URL:
    # redis-py's default socket timeout of 5 s equals the layer's blocking read: every idle link would die.
    _host = {"address": REDIS_URL, "socket_timeout": 15, "socket_connect_timeout": 3}
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [_host], "prefix": "chatify"},
        }
    }
    CACHES: dict[str, Any] = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "chatify",
            "OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000}}}
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 10_000, "CULL_FREQUENCY": 10},
        }
    }
CELERY_IS_EMBEDDED = CELERY_BROKER_URL == "memory://"

# Mail ---------------------------------------------------------------------------------------------
EMAIL_URL = environment.url(
    env, "EMAIL_URL", ("smtp", "smtp+tls", "smtp+ssl", "consolemail", "filemail"), "consolemail://"
)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="Chatify <chatify@localhost>")
vars().update(env.email_url_config(EMAIL_URL))
EMAIL_TIMEOUT = 10

# HTTP ---------------------------------------------------------------------------------------------
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 90 * 24 * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
# Chatify speaks plain HTTP itself; TLS ends at a proxy, so only with one can it be demanded.
SECURE_SSL_REDIRECT = bool(TRUSTED_PROXIES) and not DEBUG
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_SSL_REDIRECT else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_SSL_REDIRECT
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "connect-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "chatify.accounts.api.authentication.BearerAuthentication",
        "chatify.accounts.api.authentication.BrowserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["chatify.accounts.api.authentication.IsPrincipal"],
    "DEFAULT_THROTTLE_CLASSES": ["chatify.accounts.api.authentication.RequestBudget"],
    "DEFAULT_PARSER_CLASSES": ["chatify.common.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "chatify.common.problems.problem_handler",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
}
SIMPLE_JWT = {
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ALGORITHM": "HS256",
    "AUDIENCE": "chatify",
    "ISSUER": "chatify",
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=ACCESS_TOKEN_SECONDS),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=REFRESH_TOKEN_DAYS),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Chatify",
    "DESCRIPTION": "Chat with AI personalities. The WebSocket protocol is described at /api/asyncapi.json.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # pydantic's schemas are of that version
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "chatify.common.schema.describe_problems",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": r"/api/v1/",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}


# Admin --------------------------------------------------------------------------------------------
def _entry(title: str, icon: str, model: str) -> dict[str, Any]:
    """A link of the admin's sidebar, for staff who may see the model."""
    label, name = model.split(".")

    def is_allowed(request: Any) -> bool:
        return any(request.user.has_perm(f"{label}.{verb}_{name}") for verb in ("view", "change"))

    address = reverse_lazy(f"admin:{label}_{name}_changelist")
    return {"title": title, "icon": icon, "link": address, "permission": is_allowed}


def _static(path: str) -> Callable[[Any], str]:
    return lambda request: static(path)


UNFOLD = {
    "SITE_TITLE": "Chatify",
    "SITE_HEADER": "Chatify",
    "SITE_SUBHEADER": "Personalities and conversations",
    "SITE_URL": "/",
    "SITE_SYMBOL": "forum",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("ui/img/favicon.svg")}],
    "LOGIN": {"form": "chatify.accounts.forms.StaffSignInForm"},
    "DASHBOARD_CALLBACK": "sessions.admin.home.add_overview",
    "STYLES": [_static("templates_app/admin.css")],
    "BORDER_RADIUS": "9px",
    "COLORS": {  # those of chatify/ui/static/ui/css/base.css
        "base": {
            "50": "#faf8f5",
            "100": "#f3efe9",
            "200": "#e7e2da",
            "300": "#d5cfc5",
            "400": "#a09a8f",
            "500": "#6f6a61",
            "600": "#56514a",
            "700": "#414844",
            "800": "#2d3230",
            "900": "#181b1a",
            "950": "#101211",
        },
        "primary": {
            "50": "#eff7f5",
            "100": "#e3f1ee",
            "200": "#c2e1db",
            "300": "#97cfc5",
            "400": "#63c3b6",
            "500": "#2c9788",
            "600": "#0d6b63",
            "700": "#0a544e",
            "800": "#0a4541",
            "900": "#0b3936",
            "950": "#06231f",
        },
        "font": {
            "subtle-light": "#6f6a61",
            "subtle-dark": "#a9aca8",
            "default-light": "#4a463f",
            "default-dark": "#c9cac6",
            "important-light": "#201e1b",
            "important-dark": "#eceae6",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {"items": [{"title": "Home", "icon": "home", "link": reverse_lazy("admin:index")}]},
            {
                "title": "Chat",
                "items": [
                    _entry("Personalities", "theater_comedy", "templates_app.prompttemplate"),
                    _entry("Selection rules", "alt_route", "templates_app.selectionrule"),
                    _entry("Chat sessions", "forum", "chat_sessions.chatsession"),
                    _entry("End users", "group", "accounts.enduser"),
                    _entry("Feedback", "thumbs_up_down", "chat_sessions.feedback"),
                ],
            },
            {
                "title": "Matchmaking",
                "items": [
                    _entry("Match tickets", "confirmation_number", "matchmaking.matchticket"),
                    _entry("Reports", "flag", "matchmaking.report"),
                    _entry("Blocks", "block", "matchmaking.block"),
                ],
            },
            {
                "title": "Memory",
                "items": [
                    _entry("Summaries", "short_text", "chat_sessions.summary"),
                    _entry("Memories", "neurology", "memory.memory"),
                    _entry("Memory prompts", "edit_note", "memory.memoryprompt"),
                ],
            },
            {
                "title": "Access",
                "items": [
                    _entry("Tenants", "domain", "accounts.tenant"),
                    _entry("API keys", "key", "accounts.apikey"),
                    _entry("People", "badge", "accounts.user"),
                    _entry("Groups", "shield_person", "auth.group"),
                    _entry("Audit log", "history", "accounts.auditentry"),
                ],
            },
            {
                "title": "Webhooks",
                "items": [
                    _entry("Endpoints", "webhook", "webhooks.webhookendpoint"),
                    _entry("Deliveries", "outbox", "webhooks.webhookdelivery"),
                    _entry("Sources", "move_to_inbox", "webhooks.webhooksource"),
                ],
            },
            {
                "title": "Firestore",
                "items": [
                    _entry("Dead letters", "mark_email_unread", "events.outboxrow"),
                    _entry("Edits in Firestore", "sync_problem", "mirror.inboundreport"),
                ],
            },
            {
                "title": "For developers",
                "items": [
                    {"title": "API documentation", "icon": "api", "link": reverse_lazy("docs")},
                    {"title": "Health", "icon": "monitor_heart", "link": reverse_lazy("health")},
                ],
            },
        ],
    },
}

# Logs ---------------------------------------------------------------------------------------------
LOGGING_CONFIG = None  # chatify.operations.logs sets up structlog and the standard library together
SQLITE_LOCK_FILE = f"{DATABASES['default']['NAME']}.lock" if IS_SQLITE else ""

from chatify.operations.logs import configure as _configure_logs  # noqa: E402  (needs LOG_LEVEL)

_configure_logs(LOG_LEVEL)
