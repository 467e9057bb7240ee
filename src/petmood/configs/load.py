"""Composition of settings: Hydra merges YAML groups over the schema's defaults, and Pydantic validates the result.

In addition to Hydra's syntax, a few short names are supported: ``data=data/pets`` means ``data.path=data/pets``.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, Final

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from petmood.configs.schema import Config
from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError
from petmood.core.validation import validation_message

__all__ = ["SHORT_NAMES", "compose", "dump", "expand_multirun", "from_file", "groups", "with_demo"]

SHORT_NAMES: Final = {
    "data": "data.path",
    "backbone": "model.backbone",
    "weights": "model.weights",
    "epochs": "trainer.max_epochs",
    "folds": "crossval.folds",
    "repeats": "crossval.repeats",
    "name": "run.name",
    "n_trials": "search.n_trials",
}
TEXTS: Final = {"data", "backbone", "weights", "name"}
AS_IT_IS: Final = re.compile(r"^(?:null|'.*'|\".*\"|)$|,|^choice\(")
"""Values with a meaning in Hydra's grammar, which are not quoted: null, empty, quoted, and those of a multirun."""
BRANCH: Final = re.compile(r"[-\[(]|^(int|float|str|bool|none)$")
FOLDER: Final = Path(str(files("petmood.configs")))
DEFAULTS: Final = "schema_defaults"
"""The entry of config.yaml for the defaults of ``Config``; YAML files contain only differences from them."""


def with_demo(overrides: Sequence[str]) -> list[str]:
    """Return overrides with the demo's settings added if they set neither the data nor an experiment."""
    named = {override.partition("=")[0] for override in overrides}
    return [*([] if {"data", "data.path", "experiment"} & named else ["experiment=demo"]), *overrides]


def compose(overrides: Sequence[str] = ()) -> Config:
    """Compose the settings from the YAML groups and overrides such as ``recipe=finetune trainer.max_epochs=20``.

    Raises:
        ConfigError: a syntax error, an unknown key or group option, or a value out of its range; one line.
    """
    spelled_out = [_spell_out(override, one_run=True) for override in overrides]
    defaults = Config().model_dump(mode="json")
    defaults["search"]["space"] = None  # Hydra refuses new keys in an empty mapping, but not in place of null
    ConfigStore.instance().store(name=DEFAULTS, node=defaults, package="_global_")
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(FOLDER)):
            composed = hydra_compose("config", overrides=spelled_out)
        raw = OmegaConf.to_container(composed, resolve=True)
    except MissingConfigException as error:
        raise ConfigError(_unknown_option(error)) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(_unknown_key(error)) from error
    return _checked(raw)


def from_file(path: Path) -> Config:
    """Read the resolved settings of a run.

    Raises:
        ConfigError: the file is missing, is not YAML, or contains unknown settings.
    """
    try:
        return _checked(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} can't be read as YAML settings: {str(error).splitlines()[0]}.") from error


def dump(config: Config, *, without: Mapping[str, Set[str]] | None = None) -> str:
    """Return settings as YAML with every key resolved; ``from_file`` restores equal settings from it.

    ``without``: keys of groups to leave out.
    """
    left_out = {group: set(keys) for group, keys in (without or {}).items()}
    text: str = yaml.safe_dump(config.model_dump(mode="json", exclude=left_out), sort_keys=False)
    return text


def expand_multirun(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each run of a multirun: two for ``seed=1,2 backbone=tiny``.

    Raises:
        ConfigError: a syntax error, or values that are not a list, such as an interval.
    """
    try:
        parsed = OverridesParser.create().parse_overrides([_spell_out(override) for override in overrides])
    except HydraException as error:
        raise ConfigError(_first_line(error)) from error
    values = {override.get_key_element(): _values_of(override) for override in parsed}
    runs = product(*([f"{key}={value}" for value in texts] for key, texts in values.items()))
    return [list(run) for run in runs]


def groups() -> dict[str, tuple[str, ...]]:
    """Return every group of settings with its options, from the YAML files."""
    folders = sorted(path for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith("_"))
    return {folder.name: tuple(sorted(file.stem for file in folder.glob("*.yaml"))) for folder in folders}


def _values_of(override: Override) -> list[str]:
    """Return the values of an override as Hydra's own sweeper does: one, or one for each run."""
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if not override.is_discrete_sweep():
        raise ConfigError(f"Expected a list of values such as seed=1,2 or seed=range(1,4), got {override.input_line}.")
    return list(override.sweep_string_iterator())


def _spell_out(override: str, *, one_run: bool = False) -> str:
    """Expand a short name; quote a path or name for Hydra's grammar.

    In the settings of ``one_run``, and where such a folder exists, a comma is part of the data's path.
    """
    key, equals, value = override.partition("=")
    if not (equals or key.startswith("~")):
        raise ConfigError(f"Expected settings such as trainer.max_epochs=20, got {override!r}.")
    if key not in SHORT_NAMES or all(option in groups().get(key, ()) for option in value.split(",")):
        return override
    whole = key == "data" and "," in value and value[0] not in "'\"" and (one_run or Path(value).exists())
    if key in TEXTS and (whole or not AS_IT_IS.search(value)):
        path = str(Path(value).expanduser()) if value.startswith("~/") else value
        value = "'" + re.sub(r"(\\+)(?='|$)", r"\1\1", path).replace("'", "\\'") + "'"
    return f"{SHORT_NAMES[key]}={value}"


def _checked(raw: Any) -> Config:  # noqa: ANN401 - any content of a YAML file
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = _setting(first)
        if first["type"] == "extra_forbidden":
            raise ConfigError(_no_such_key(key)) from error
        where = f"{key}: " if key else ""
        same = [validation_message(one) for one in error.errors() if _setting(one) == key]
        expected = [message.rpartition(", got ")[0].removeprefix("Expected ") for message in same]
        message = same[0].replace(expected[0], " or ".join(dict.fromkeys(expected)), 1) if expected[0] else same[0]
        raise ConfigError(f"{where}{message}.") from error


def _setting(error: ErrorDetails) -> str:
    """Return a setting's name without the parts that pydantic adds for the branches of a union."""
    return ".".join(str(part) for part in error["loc"] if not BRANCH.search(str(part)))


def _unknown_option(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    known = groups().get(group, ()) or tuple(groups())
    near = difflib.get_close_matches(option, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"Unknown {group or 'setting'} {option!r}.{hint} Known: {', '.join(known)}."


def _unknown_key(error: Exception) -> str:
    text = str(error)
    match = re.search(r"not in struct\s+full_key: (\S+)", text) or re.search(r"Could not override '([^']+)'", text)
    return _no_such_key(match[1]) if match else _first_line(error)


def _no_such_key(key: str) -> str:
    known = [*_keys(Config), *SHORT_NAMES, *groups()]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else f" Known groups: {', '.join(groups())}."
    return f"Unknown setting {key!r}.{hint} List all with: {shell_command('config')}"


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _first_line(error: Exception) -> str:
    line = str(error).splitlines()[0]
    advice = ". Quote a value with a comma twice: \"KEY='a,b'\"" if line.startswith("Ambiguous value") else ""
    return f"The override can't be parsed: {line}{advice}"
