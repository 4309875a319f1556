FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install -r requirements.txt

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CHATIFY_ENV_FILE=/dev/null \
    DATABASE_URL=sqlite:////data/chatify.sqlite3
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin chatify \
    && install --directory --owner chatify --mode 0700 /data
WORKDIR /app
COPY --from=build /venv /venv
COPY manage.py pyproject.toml ./
COPY config config
COPY chatify chatify
COPY sessions sessions
COPY templates_app templates_app
# The key serves this one command, and is in no layer.
RUN SECRET_KEY=only-to-collect-static-files python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q chatify config sessions templates_app
USER chatify
VOLUME /data
EXPOSE 8000
# Asks with a host name that ALLOWED_HOSTS lets in, or a healthy server would answer 400.
HEALTHCHECK --interval=15s --timeout=5s --start-period=40s --retries=3 CMD ["python", "-c", "\
import os, urllib.request; \
host = os.environ.get('ALLOWED_HOSTS', '').split(',')[0].strip().lstrip('.').replace('*', '') or 'localhost'; \
urllib.request.urlopen(urllib.request.Request('http://127.0.0.1:8000/health/live/', headers={'Host': host}), timeout=4)"]
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000"]
