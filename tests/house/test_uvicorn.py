"""Tests that pin what the service takes from inside uvicorn; its next minor version is let in by hand."""

import ast
import asyncio
import inspect
import tomllib
from importlib.metadata import version
from types import ModuleType

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from petmood.inference.fake import FakePredictor
from petmood.serving import protocol, server, upgrades
from petmood.serving.app import create_app
from petmood.serving.protocol import BoundedProtocol
from petmood.serving.server import DrainingServer, config_for
from petmood.serving.settings import Settings
from petmood.serving.upgrades import UpgradeIgnoringProtocol, ignore_upgrades
from tests.support.source_tree import ROOT

CASES = [
    (upgrades, UpgradeIgnoringProtocol, HttpToolsProtocol),
    (protocol, BoundedProtocol, UpgradeIgnoringProtocol),
    (server, DrainingServer, uvicorn.Server),
]
cases = pytest.mark.parametrize(("module", "own", "base"), CASES, ids=[base.__name__ for _, _, base in CASES])


def inherited_names(source: str, own: type, base: type) -> set[str]:
    """Return the attributes of ``self`` and ``super()`` in a class that it neither defines nor sets itself."""
    (found,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == own.__name__]
    nodes = [node for node in ast.walk(found) if isinstance(node, ast.Attribute)]
    nodes = [node for node in nodes if ast.unparse(node.value) in {"self", "super()"}]
    set_here = {node.attr for node in nodes if isinstance(node.ctx, ast.Store) and node.attr.startswith("_")}
    return {node.attr for node in nodes} - set_here - (set(vars(own)) - set(dir(base))) - {"__init__"}


async def instance(base: type) -> object:
    """Return an object of a base class, as it is before a connection or a start."""
    settings = Settings(threads=1)
    config = config_for(create_app(FakePredictor(), settings=settings), settings)
    if base is uvicorn.Server:
        return uvicorn.Server(config)
    assert issubclass(base, HttpToolsProtocol)
    made = base(config, ServerState(), {}, asyncio.get_running_loop())
    made.on_message_begin()  # sets what a request has
    return made


@cases
def test_every_inherited_name_is_still_there(module: ModuleType, own: type, base: type) -> None:
    inherited = inherited_names(inspect.getsource(module), own, base)
    theirs = asyncio.run(instance(base))
    assert len(inherited) > 4
    assert {name for name in inherited if not hasattr(theirs, name)} == set()


@pytest.mark.parametrize(("own", "base"), [(own, base) for _, own, base in CASES])
def test_what_is_overridden_takes_the_same_arguments(own: type, base: type) -> None:
    overridden = {name for name in vars(own) if not name.startswith("__") and name in dir(base)}
    assert len(overridden) >= 4
    for name in overridden:
        theirs, ours = (list(inspect.signature(getattr(one, name)).parameters) for one in (base, own))
        assert ours == theirs, name


def test_a_cycle_still_knows_whether_it_is_complete_and_its_body_read() -> None:
    assert {"response_complete", "more_body", "keep_alive"} <= set(
        inspect.getsource(RequestResponseCycle).replace(".", " ").split()
    )
    assert STATUS_LINE[503].startswith(b"HTTP/1.1 503 ")


def test_the_next_minor_version_is_not_installed_unseen() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    (wanted,) = [one for one in extras["serve"] if one.startswith("uvicorn")]
    major, minor = map(int, version("uvicorn").split(".")[:2])
    assert wanted.endswith(f",<{major}.{minor + 1}")


def test_a_server_that_leaves_the_protocol_to_uvicorn_ignores_upgrades() -> None:
    ignore_upgrades()
    config = uvicorn.Config(create_app(FakePredictor(), settings=Settings(threads=1)), log_config=None)
    config.load()
    assert config.http_protocol_class is UpgradeIgnoringProtocol
