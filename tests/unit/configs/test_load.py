"""Composition of settings from overrides, and one-line errors for invalid ones."""

from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from petmood.configs.load import SHORT_NAMES, compose, dump, expand_multirun, from_file, groups
from petmood.configs.schema import Config
from petmood.core.errors import ConfigError

OPTIONS = [(group, option) for group, options in groups().items() for option in options]


def refusal(*overrides: str) -> str:
    """Return the one line with which overrides are refused."""
    with pytest.raises(ConfigError) as refused:
        compose(overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# --- composing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=[f"{group}={option}" for group, option in OPTIONS])
def test_every_file_of_every_group_composes_and_survives_a_file(group: str, option: str, tmp_path: Path) -> None:
    config = compose([f"{group}={option}"])
    (tmp_path / "config.yaml").write_text(dump(config), "utf-8")
    assert from_file(tmp_path / "config.yaml") == config


def test_every_promised_group_has_files() -> None:
    assert set(groups()) >= {"data", "model", "recipe", "optimizer", "augment", "trainer", "experiment"}
    assert set(groups()["recipe"]) >= {"scratch", "linear_probe", "finetune"}
    assert "demo" in groups()["experiment"]


def test_a_file_of_the_model_group_sets_the_backbone_that_it_is_named_after() -> None:
    assert {compose([f"model={name}"]).model.backbone for name in groups()["model"]} == set(groups()["model"])


def test_a_recipe_knows_its_name() -> None:
    assert {compose([f"recipe={name}"]).recipe.name for name in groups()["recipe"]} == set(groups()["recipe"])


def test_an_override_wins_over_its_group_and_over_an_experiment() -> None:
    config = compose(["experiment=demo", "recipe=finetune", "trainer.max_epochs=3", "seed=7"])
    assert (config.model.backbone, config.recipe.name) == ("tiny", "finetune")
    assert (config.trainer.max_epochs, config.seed, config.run.name) == (3, 7, "demo")


def test_the_demo_keeps_its_last_epoch_so_that_all_its_validation_photos_calibrate() -> None:
    """Half of 109 photos gave no threshold, and the first model that a newcomer sees was never confident."""
    assert compose(["experiment=demo"]).recipe.checkpoint == "last"


@pytest.mark.parametrize("key", ["model.image_size", "data.hash", "run.name"])
def test_null_means_not_set(key: str) -> None:
    group, _, name = key.partition(".")
    assert getattr(getattr(compose([f"{key}=null"]), group), name) is None
    assert compose(["name=null"]).run.name is None


def test_null_where_a_value_is_needed_is_refused() -> None:
    assert refusal("data.path=null").startswith("data.path: ")


def test_two_compositions_don_t_disturb_each_other_and_hydra_s_global_state_stays_clean() -> None:
    plain = compose()
    compose(["experiment=demo", "seed=5"])
    with pytest.raises(ConfigError):
        compose(["nonsense=1"])
    assert compose() == plain
    assert not GlobalHydra.instance().is_initialized()


# --- short names ------------------------------------------------------------------------------------------------------


def test_short_names_stand_for_long_ones() -> None:
    short = ["data=data/pets", "backbone=resnet18", "weights=none", "epochs=3", "folds=4", "repeats=2", "name=first"]
    short.append("n_trials=7")
    long = [f"{SHORT_NAMES[key]}={value}" for key, _, value in (text.partition("=") for text in short)]
    assert compose(short) == compose(long)
    assert {text.partition("=")[0] for text in short} == set(SHORT_NAMES)


def test_the_name_of_a_file_of_the_data_group_means_that_file() -> None:
    config = compose(["data=keep_copies"])
    assert (config.data.include_copies, config.data.path) == (True, "data/demo")


@pytest.mark.parametrize(
    "path",
    [
        "../pets",
        "my pets/cats (1)",
        "C:\\pets\\",
        "it's",
        "a'b\\'c",
        "2024",
        "x=y",
        "haustiere/köln",
        "ペット",
        "a+b@c",
        "a%20b",
        "[x]",
        "{y}",
    ],
)
def test_any_path_can_be_typed_as_it_is(path: str) -> None:
    assert compose([f"data={path}"]).data.path == path


def test_the_home_folder_is_found_and_quotes_of_hydra_are_understood() -> None:
    assert compose(["data=~/pets"]).data.path == str(Path.home() / "pets")
    assert compose(["data='my pets'"]).data.path == "my pets"


@pytest.mark.parametrize("name", ["007", "1e5", "yes", "true"])
def test_a_name_is_text_whatever_it_looks_like(name: str) -> None:
    assert compose([f"name={name}"]).run.name == name


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("trainer.max_epoch=3", "Unknown setting 'trainer.max_epoch'. Did you mean trainer.max_epochs?"),
        ("modle=tiny", "Unknown setting 'modle'. Did you mean model?"),
        ("+trainer.max_epocs=3", "Unknown setting 'trainer.max_epocs'. Did you mean trainer.max_epochs?"),
        ("qqq=3", "Unknown setting 'qqq'. Known groups: augment, "),
        ("model=tiy", "Unknown model 'tiy'. Did you mean tiny? Known: convnext_tiny, "),
        ("augment=nope", "Unknown augment 'nope'. Did you mean none? Known: heavy, light, none, standard."),
        ("augment=hevy", "Unknown augment 'hevy'. Did you mean heavy? Known: heavy, light, none, standard."),
        ("recipe=fintune", "Unknown recipe 'fintune'. Did you mean finetune? Known: closed_form, "),
        ("optimizer=admw", "Unknown optimizer 'admw'. Did you mean adamw? Known: adamw, adamw_fast, adamw_one_cycle."),
        ("experiment=dmo", "Unknown experiment 'dmo'. Did you mean demo? Known: demo, few_photos, many_photos."),
        ("search=frst", "Unknown search 'frst'. Did you mean first? Known: closed_form, first, none."),
        ("optimizer=zzz", "Unknown optimizer 'zzz'. Known: adamw, adamw_fast, adamw_one_cycle."),
        ("experiment=nope", "Unknown experiment 'nope'. Known: "),
        ("optimizer.lr=-1", "optimizer.lr: Expected a number greater than 0, got -1."),
        ("optimizer.lr=fast", "optimizer.lr: Expected a number, got 'fast'."),
        ("trainer.accelerator=tpu", "trainer.accelerator: Expected 'auto', 'cpu', 'gpu' or 'mps', got 'tpu'."),
        ("recipe.l2_strengths=[]", "recipe.l2_strengths: Expected a list with a length of 1 or more, got []."),
        ("epochs=many", "trainer.max_epochs: Expected an integer, got 'many'."),
        ("recipe.class_weights=maybe", "recipe.class_weights: Expected true or false, got 'maybe'."),
        ("data.hash=abc", "data.hash: Expected a SHA-256 of 64 hex digits in lower case, got 'abc'."),
        ("search.name=a/b", "search.name: Expected letters, digits, dots, hyphens and underscores, "),
        ("seed=-1", "seed: Expected a number of 0 or more, got -1."),
        ("seed=1,2", "The override can't be parsed: "),
        ("seed=${nope}", "The override can't be parsed: "),
        ("data.path=a:(", "The override can't be parsed: "),
        ("recipe", "Expected settings such as trainer.max_epochs=20, got 'recipe'."),
        ("", "Expected settings such as trainer.max_epochs=20, got ''."),
    ],
)
def test_what_can_t_be_set_is_one_line(override: str, expected: str) -> None:
    assert refusal(override).startswith(expected)


def test_a_backbone_that_flips_by_itself_is_not_flipped_again() -> None:
    """Both were computed twice, for the same prediction."""
    message = refusal("model=fixed_filters", "model.test_time_flip=true")
    assert message.startswith("model.test_time_flip: Expected false for fixed_filters")


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"seed: 0\nsede: 1\n", "Unknown setting 'sede'. Did you mean seed?"),
        (b"trainer: {max_epochs: 0}\n", "trainer.max_epochs: "),
        (b"- a\n- list\n", "Expected a mapping of keys to values, got ['a', 'list']."),
        (b"a: [", "can't be read as YAML settings"),
        (b"\xff\xfe\x00", "can't be read as YAML settings"),
        (b"!!python/object/apply:os.getcwd []\n", "can't be read as YAML settings"),
    ],
    ids=["typo", "range", "list", "no YAML", "no text", "a Python object"],
)
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        from_file(tmp_path / "config.yaml")
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read as YAML settings"):
        from_file(tmp_path / "none.yaml")


def test_what_is_dumped_holds_every_key_resolved() -> None:
    assert Config.model_validate(compose().model_dump(mode="json")) == compose()
    assert "image_size: null" in dump(compose())


# --- multirun ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], [[]]),
        (["seed=3"], [["seed=3"]]),
        (["seed=1,2", "backbone=tiny"], [["seed=1", "model.backbone='tiny'"], ["seed=2", "model.backbone='tiny'"]]),
        (["seed=range(1,4)"], [["seed=1"], ["seed=2"], ["seed=3"]]),
        (["recipe=scratch,finetune"], [["recipe=scratch"], ["recipe=finetune"]]),
        (["data=default,keep_copies"], [["data=default"], ["data=keep_copies"]]),
        (["data=a/b,c/d"], [["data.path=a/b"], ["data.path=c/d"]]),
        (["seed=choice(1,2)"], [["seed=1"], ["seed=2"]]),
        (["seed=1,2", "seed=3"], [["seed=3"]]),
        (
            ["trainer.max_epochs=5,6", "seed=1,2"],
            [[f"trainer.max_epochs={epochs}", f"seed={seed}"] for epochs in (5, 6) for seed in (1, 2)],
        ),
    ],
)
def test_lists_of_values_become_runs_each_of_which_composes(overrides: list[str], expected: list[list[str]]) -> None:
    runs = expand_multirun(overrides)
    assert runs == expected
    for run in runs:
        compose(run)


def test_an_interval_is_no_list_of_runs() -> None:
    with pytest.raises(ConfigError, match=r"Expected a list of values such as seed=1,2 .* got seed=interval\(1,4\)"):
        expand_multirun(["seed=interval(1,4)"])


def test_every_combination_is_a_run() -> None:
    runs = [compose(run) for run in expand_multirun(["seed=1,2", "backbone=tiny,resnet18", "data=my pets"])]
    assert {(run.seed, run.model.backbone) for run in runs} == {
        (1, "tiny"),
        (1, "resnet18"),
        (2, "tiny"),
        (2, "resnet18"),
    }
    assert {run.data.path for run in runs} == {"my pets"}


@pytest.mark.parametrize("override", ["seed", "seed=range(", "seed={"])
def test_a_multirun_that_can_t_be_read_is_one_line(override: str) -> None:
    with pytest.raises(ConfigError) as refused:
        expand_multirun([override])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "run.name=../../up",
            "run.name: Expected a name without slashes that doesn't begin with a dot, got '../../up'.",
        ),
        ("name=..", "run.name: Expected a name without slashes that doesn't begin with a dot, got '..'."),
        ("name=/etc/x", "run.name: Expected a name without slashes that doesn't begin with a dot, got '/etc/x'."),
        ("trainer.devices=x", "trainer.devices: Expected an integer or 'auto', got 'x'."),
    ],
)
def test_a_value_is_refused_by_the_setting_s_own_name(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        compose([override])
    assert str(refusal.value) == message


@pytest.mark.parametrize("path", ["/data/cats,dogs", "/data/a=b,c", "pets, mine", "it's,here"])
def test_a_comma_is_part_of_the_data_s_path(path: str) -> None:
    assert compose([f"data={path}"]).data.path == path


def test_a_comma_separates_runs_unless_such_a_folder_exists(tmp_path: Path) -> None:
    assert len(expand_multirun(["data=one,two"])) == 2
    (tmp_path / "cats,dogs").mkdir()
    (run,) = expand_multirun([f"data={tmp_path}/cats,dogs"])
    assert compose(run).data.path == f"{tmp_path}/cats,dogs"
