"""A tenant that writes personalities, and one that must not see them."""

import pytest

from tests.api.tenants import insert_key, insert_tenant
from tests.client import ApiClient
from tests.conftest import MakeClient
from tests.services.server import Server
from tests.templates_app.characters import KeyOf


@pytest.fixture
def tenant_id(server: Server) -> str:
    return insert_tenant(server)


@pytest.fixture
def owner(tenant_id: str, server: Server, make_client: MakeClient) -> ApiClient:
    """A client with a key that may do everything."""
    return make_client(server, key=insert_key(server, tenant_id))


@pytest.fixture
def stranger(server: Server, make_client: MakeClient) -> ApiClient:
    """A client of another tenant."""
    return make_client(server, key=insert_key(server, insert_tenant(server)))


@pytest.fixture
def key_of(tenant_id: str, server: Server, make_client: MakeClient) -> KeyOf:
    """Clients with other keys of the tenant: `key_of("chat")`."""
    return lambda *scopes: make_client(server, key=insert_key(server, tenant_id, *scopes))
