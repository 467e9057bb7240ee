"""Schema of a run's settings: type, range and default of each key; unknown keys are rejected. Imports no torch."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_serializer, field_validator, model_validator
from pydantic_core import PydanticCustomError

from petmood.core.errors import ConfigError
from petmood.core.image import ImageSpec
from petmood.core.mlflow_env import uri_problem
from petmood.core.redact import without_credentials
from petmood.data.augment_spec import AugmentSpec
from petmood.data.image_cache import MEMORY_LIMIT_MB
from petmood.models.catalog import HEADS, SIDES_PX, Channels, find_backbone

__all__ = [
    "Config",
    "CrossvalConfig",
    "DataConfig",
    "DimensionConfig",
    "EvaluationConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RecipeConfig",
    "RunConfig",
    "SearchConfig",
    "TrackerConfig",
    "TrainerConfig",
    "flatten_settings",
]


Positive = Annotated[float, Field(gt=0)]


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(_Checked):
    """Dataset settings; ``path`` is a folder made by `petmood data import`.

    ``include_copies``: train also on the dataset's augmented near-duplicates; they are never evaluated on.
    ``hash``: the data version, 64 hex digits; if set, a run on another one is rejected.
    ``memory_mb``: cached images above this size are memory-mapped.
    """

    path: str = "data/demo"
    include_copies: bool = False
    hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    memory_mb: float = Field(default=MEMORY_LIMIT_MB, gt=0)


class ModelConfig(_Checked):
    """Network settings; ``weights`` is auto (ImageNet, except from scratch), none, imagenet, or a safetensors file.

    ``image_size``, ``mean``, ``std``: null means the backbone's own.
    """

    backbone: str = "efficientnet_b0"
    weights: str = "auto"
    head: Literal["linear", "mlp"] = HEADS[0]
    dropout: float = Field(default=0.2, ge=0, lt=1)
    image_size: int | None = Field(default=None, ge=SIDES_PX[0], le=SIDES_PX[-1])
    resize: Literal["squash", "center_crop", "letterbox"] = "center_crop"
    mean: Channels | None = None
    std: tuple[Positive, Positive, Positive] | None = None

    @field_validator("backbone")
    @classmethod
    def _is_declared(cls, backbone: str) -> str:
        return find_backbone(backbone).name

    def image_spec(self) -> ImageSpec:
        """Return the image preprocessing of this network.

        Raises:
            ConfigError: an unknown backbone, or an image size that the backbone doesn't support.
        """
        own = find_backbone(self.backbone)
        side_px = own.resolve_image_size(self.image_size)
        return ImageSpec(side_px=side_px, resize=self.resize, mean=self.mean or own.mean, std=self.std or own.std)


class RecipeConfig(_Checked):
    """Training recipe; ``linear_probe`` fits a head to precomputed features, ``gradient`` trains with AdamW.

    ``freeze_epochs``: epochs with a frozen backbone. ``backbone_lr_multiplier``, ``layer_decay``: learning rates of the
    backbone, see ``OptimizationConfig``. ``ema_decay``: decay of the weights' moving average (0 = off). ``patience``:
    epochs without a lower validation loss before training stops (0 = never). ``checkpoint``: keep the weights of the
    epoch with the lowest validation loss, or of the last one.
    ``class_weights``: rare classes weigh more in the loss, by their frequency to the power of ``-class_weight_power``
    (1: all classes weigh the same together; a probe uses 1).
    ``num_views``: augmented views of each photo for a probe. ``l2_strengths``: candidate strengths of L2 regularization
    of a probe. Its ``solver`` selects one: logistic by validation photos, ridge by held-out training groups.
    """

    name: str = "scratch"
    kind: Literal["gradient", "linear_probe"] = "gradient"
    freeze_epochs: int = Field(default=0, ge=0)
    backbone_lr_multiplier: float = Field(default=1.0, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0)
    class_weights: bool = True
    class_weight_power: float = Field(default=1.0, gt=0, le=1)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    patience: int = Field(default=0, ge=0)
    checkpoint: Literal["best", "last"] = "best"
    num_views: int = Field(default=1, ge=1)
    solver: Literal["logistic", "ridge"] = "logistic"
    l2_strengths: tuple[Positive, ...] = Field(default=(1e-4, 1e-3, 1e-2, 1e-1), min_length=1)


class OptimizerConfig(_Checked):
    """AdamW settings; ``warmup`` is a fraction of all steps."""

    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)


class TrainerConfig(_Checked):
    """Lightning trainer settings; ``workers``: processes for augmentation (0 = in the main process)."""

    max_epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=32, ge=2)
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    gradient_clip: float = Field(default=1.0, ge=0)
    workers: int = Field(default=0, ge=0)
    deterministic: bool = True


class EvaluationConfig(_Checked):
    """Evaluation settings.

    ``target_error``: maximum error rate of confident predictions. ``coverage``: coverage of prediction sets.
    ``calibration_share``: share of the validation groups that choose no model and calibrate instead, if there is a
    choice among models (0 = all validation photos do both). ``calibration_min_groups``: with fewer validation groups
    all do both. ``tried``: models that a search compared before this one (0 = no search; a sweep's command has it).
    ``baselines``: also evaluate the most frequent class, HOG + SVM, permuted labels and a random split.
    ``false_alarms``: share of photos like the training photos that may be refused as another kind (0 = none are).
    """

    target_error: float = Field(default=0.1, gt=0, lt=1)
    coverage: float = Field(default=0.9, gt=0, lt=1)
    calibration_share: float = Field(default=0.5, ge=0, lt=1)
    calibration_min_groups: int = Field(default=44, ge=2)
    tried: int = Field(default=0, ge=0)
    baselines: bool = True
    false_alarms: float = Field(default=0.02, ge=0, lt=0.5)


class CrossvalConfig(_Checked):
    """Grouped cross-validation over original photos; ``leakage`` adds a random split, ``permuted_labels`` refits."""

    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=1, ge=1)
    permuted_labels: bool = True
    leakage: bool = True


FOLDER_NAME: Final = "^[^./][^/]*$"
"""Pattern of a name that becomes a folder: one part of a path, which can't lead out of its parent."""


class RunConfig(_Checked):
    """Run folder settings; ``name`` null means the current time."""

    folder: str = "runs"
    name: str | None = Field(default=None, pattern=FOLDER_NAME)


class DimensionConfig(_Checked):
    """One dimension of a search: a number from ``low`` to ``high``, or one of ``choices`` in command-line syntax.

    ``log``: sample uniformly in log space. ``step``: sample only ``low`` plus multiples of the step. ``integer``:
    sample integers only.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = Field(default=None, gt=0)
    integer: bool = False
    choices: tuple[bool | int | float | str | None, ...] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "DimensionConfig":
        if fault := self._fault():
            raise PydanticCustomError("bad_dimension", "{fault}", {"fault": fault})
        return self

    def _fault(self) -> str:
        if self.choices is not None:
            numbers = self.model_dump(exclude={"choices"}, exclude_defaults=True)
            several = len(set(map(repr, self.choices))) == len(self.choices) > 1
            return "" if several and not numbers else "Expected two or more different choices and no other key"
        if self.low is None or self.high is None or self.low >= self.high:
            return "Expected low and high with low < high, or choices"
        if self.log and (self.low <= 0 or self.step is not None):
            return "Expected low > 0 and no step if log is true"
        if self.integer and any(number is not None and number % 1 for number in (self.low, self.high, self.step)):
            return "Expected integers for low, high and step if integer is true"
        if self.step is not None and abs((steps := (self.high - self.low) / self.step) - round(steps)) > 1e-6:
            return "Expected high - low to be a multiple of step"
        return ""


class SearchConfig(_Checked):
    """Hyperparameter search: the settings that `petmood sweep` varies (``space``), its sampler and its pruner.

    ``metric`` is computed on the validation photos; selection by test photos is not possible.
    ``startup``: random trials before the sampler and the pruner use results. ``warmup``: epochs before a trial can be
    pruned. ``workers``: processes. ``storage``: null (SQLite in the sweep's folder), or postgresql://USER@HOST/NAME
    with the password in PGPASSWORD or a pgpass file.
    """

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    folder: str = "runs/sweeps"
    space: Annotated[dict[str, DimensionConfig], BeforeValidator(lambda space: space or {})] = {}
    n_trials: int = Field(default=20, ge=1)
    metric: Literal["val/loss", "val/accuracy"] = "val/loss"
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    pruner: Literal["median", "none"] = "median"
    startup: int = Field(default=5, ge=1)
    warmup: int = Field(default=2, ge=0)
    workers: int = Field(default=1, ge=1)
    storage: str | None = Field(default=None, repr=False)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Direction of optimization: minimize a loss, maximize an accuracy."""
        return "minimize" if self.metric == "val/loss" else "maximize"

    @field_serializer("storage")
    def _hide(self, storage: str | None) -> str | None:
        return storage and without_credentials(storage)


class TrackerConfig(_Checked):
    """Experiment tracker; ``kind`` is MLflow, Weights & Biases, or none.

    ``uri``: MLflow's URI; null means ``MLFLOW_TRACKING_URI``, else ``sqlite:///mlflow.db`` in the working folder. It
    must not contain a password, since settings are stored and uploaded.
    ``experiment``: MLflow experiment. ``project``, ``mode``: of W&B; auto is online if there is an API key.
    ``deadline_s``: seconds that a finished training waits for its upload to the tracker.
    """

    kind: Literal["mlflow", "wandb", "none"] = "mlflow"
    uri: str | None = None
    experiment: str = Field(default="petmood", min_length=1)
    project: str = Field(default="petmood", min_length=1)
    mode: Literal["auto", "online", "offline"] = "auto"
    deadline_s: float = Field(default=30, gt=0)

    @field_validator("uri")
    @classmethod
    def _has_no_password(cls, uri: str | None) -> str | None:
        if uri is not None and (problem := uri_problem(uri)):
            raise ConfigError(f"tracker.uri: {problem}")  # not a ValidationError, which would print the password
        return uri


class Config(_Checked):
    """All settings of one run."""

    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    recipe: RecipeConfig = RecipeConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    augment: AugmentSpec = AugmentSpec()
    trainer: TrainerConfig = TrainerConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    crossval: CrossvalConfig = CrossvalConfig()
    run: RunConfig = RunConfig()
    tracker: TrackerConfig = TrackerConfig()
    search: SearchConfig = SearchConfig()

    @property
    def first_weights(self) -> str:
        """Initial weights of the backbone: none, imagenet, or a file."""
        if self.model.weights != "auto":
            return self.model.weights
        return "none" if self.recipe.name == "scratch" else "imagenet"


def flatten_settings(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as a flat dict with dotted names such as ``optimizer.lr``; empty groups are omitted."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            flatten_settings(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
        )
    return flat
