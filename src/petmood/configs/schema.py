"""Schema of a run's settings: type, range and default of each key; unknown keys are rejected. Imports no torch."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from petmood.configs.search_schema import Checked, DimensionConfig, SearchConfig
from petmood.core.errors import ConfigError
from petmood.core.image import ImageSpec
from petmood.core.mlflow_env import uri_problem
from petmood.data.augment_spec import AugmentSpec
from petmood.data.image_cache import MEMORY_LIMIT_MB
from petmood.models.catalog import HEADS, SIDES_PX, Channels, find_backbone

__all__ = [
    "OUT_OF_FOLD_BELOW",
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
Share = Annotated[float, Field(gt=0, le=1)]


class DataConfig(Checked):
    """Dataset settings; ``path`` is a folder made by `petmood data import`.

    ``include_copies``: train also on the dataset's augmented near-duplicates; they are never evaluated on.
    ``hash``: the data version, 64 hex digits; if set, a run on another one is rejected.
    ``memory_mb``: cached images above this size are memory-mapped.
    """

    path: str = "data/demo"
    include_copies: bool = False
    hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    memory_mb: float = Field(default=MEMORY_LIMIT_MB, gt=0)


class ModelConfig(Checked):
    """Network settings; ``weights`` is auto (ImageNet, except from scratch), none, imagenet, or a safetensors file.

    ``image_size``, ``mean``, ``std``: null means the backbone's own. ``test_time_flip``: predict from the mean features
    of a photo and its mirror image, which takes twice as long.
    """

    backbone: str = "efficientnet_b0"
    weights: str = "auto"
    head: Literal["linear", "mlp"] = HEADS[0]
    dropout: float = Field(default=0.2, ge=0, lt=1)
    image_size: int | None = Field(default=None, ge=SIDES_PX[0], le=SIDES_PX[-1])
    resize: Literal["squash", "center_crop", "letterbox"] = "center_crop"
    mean: Channels | None = None
    std: tuple[Positive, Positive, Positive] | None = None
    test_time_flip: bool = False

    @field_validator("backbone")
    @classmethod
    def _is_declared(cls, backbone: str) -> str:
        return find_backbone(backbone).name

    @field_validator("test_time_flip")
    @classmethod
    def _flips_once(cls, flip: bool, given: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if flip and given.data.get("backbone") == "fixed_filters":
            raise ValueError("Expected false for fixed_filters, which averages over the mirror image by itself")
        return flip

    def image_spec(self) -> ImageSpec:
        """Return the image preprocessing of this network.

        Raises:
            ConfigError: an unknown backbone, or an image size that the backbone doesn't support.
        """
        own = find_backbone(self.backbone)
        side_px = own.resolve_image_size(self.image_size)
        return ImageSpec(side_px=side_px, resize=self.resize, mean=self.mean or own.mean, std=self.std or own.std)


class RecipeConfig(Checked):
    """Training recipe; ``linear_probe`` fits a head to precomputed features, ``gradient`` trains with AdamW.

    ``freeze_epochs``: epochs with a frozen backbone. ``backbone_lr_multiplier``, ``layer_decay``: learning rates of the
    backbone, see ``OptimizationConfig``. ``ema_decay``: decay of the weights' moving average after its first steps
    (0 = off). ``patience``: epochs without a lower validation loss before training stops (0 = never). ``checkpoint``:
    keep the weights of the epoch with the lowest validation loss, or of the last one.
    ``image_scales``: side of the training images in the first and the last epoch, as shares of ``model.image_size``.
    ``class_weights``: rare classes weigh more in the loss, by their frequency to the power of ``-class_weight_power``
    (1: all classes weigh the same together). The ridge solver doesn't use them.
    ``num_views``: augmented views of each photo for a probe. ``l2_strengths``: candidate strengths of L2 regularization
    of a probe. Its ``solver`` selects one: logistic by validation photos, ridge by held-out training groups.
    ``teacher``: run whose network this one learns from (distillation). Its ``teacher_temperature`` softens the
    probabilities of both; ``teacher_weight`` is the share of the loss that it gives.
    """

    name: str = "scratch"
    kind: Literal["gradient", "linear_probe"] = "gradient"
    freeze_epochs: int = Field(default=0, ge=0)
    backbone_lr_multiplier: float = Field(default=1.0, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0)
    image_scales: tuple[Share, Share] = (1.0, 1.0)
    class_weights: bool = True
    class_weight_power: float = Field(default=1.0, gt=0, le=1)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    patience: int = Field(default=0, ge=0)
    checkpoint: Literal["best", "last"] = "best"
    num_views: int = Field(default=1, ge=1)
    solver: Literal["logistic", "ridge"] = "logistic"
    l2_strengths: tuple[Positive, ...] = Field(default=(1e-4, 1e-3, 1e-2, 1e-1), min_length=1)
    teacher: str | None = None
    teacher_temperature: float = Field(default=4.0, ge=1, le=100)
    teacher_weight: float = Field(default=0.9, ge=0, le=1)


class OptimizerConfig(Checked):
    """AdamW settings; ``warmup`` is a fraction of all steps."""

    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)


class TrainerConfig(Checked):
    """Lightning trainer settings.

    ``batch_size``: photos of a step in all processes together. ``devices``: processes on this machine, which torchrun
    starts, each with one device (auto = as many as were started). ``workers``: further processes of each for
    augmentation (0 = in the process itself).
    """

    max_epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=32, ge=2)
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    gradient_clip: float = Field(default=1.0, ge=0)
    workers: int = Field(default=0, ge=0)
    deterministic: bool = True


FALLBACK_ERRORS: Final = (0.15, 0.2)
OUT_OF_FOLD_BELOW: Final = 152
"""Validation groups from which the threshold's procedure has all its starts: 25% of them can pass without an error."""


class EvaluationConfig(Checked):
    """Evaluation settings.

    ``target_error``: maximum error rate of confident predictions; where no threshold has it, the smallest of
    ``fallback_errors`` that one has (null = 0.15 and 0.2 beside the default target, none beside another).
    ``coverage``: coverage of prediction sets.
    ``calibration_share``: share of the validation groups that choose no model and calibrate instead, if there is a
    choice among models (0 = all validation photos do both). ``calibration_min_groups``: with fewer validation groups
    all do both. ``tried``: models that a search compared before this one (0 = no search; a sweep's command has it).
    ``calibrate_on``: predictions that temperature, threshold and prediction sets come from. valid: of the validation
    photos. out_of_fold: of training and validation photos, each by a model that was fitted without its group. auto:
    out of fold for a closed-form head with fewer than ``OUT_OF_FOLD_BELOW`` validation groups.
    ``crossval``: folder of a finished `petmood crossval` of this recipe and data, in place of one made now.
    ``baselines``: also evaluate the most frequent class, HOG + SVM, permuted labels and a random split.
    ``false_alarms``: share of photos like the training photos that may be refused as another kind (0 = none are).
    ``robustness``: held-out photos, at most, that the accuracy under corruptions is measured on (0 = not measured).
    """

    target_error: float = Field(default=0.1, gt=0, lt=1)
    fallback_errors: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None
    coverage: float = Field(default=0.9, gt=0, lt=1)
    calibration_share: float = Field(default=0.5, ge=0, lt=1)
    calibration_min_groups: int = Field(default=44, ge=2)
    tried: int = Field(default=0, ge=0)
    calibrate_on: Literal["auto", "valid", "out_of_fold"] = "auto"
    crossval: str | None = None
    baselines: bool = True
    false_alarms: float = Field(default=0.02, ge=0, lt=0.5)
    robustness: int = Field(default=100, ge=0)

    @property
    def fallbacks(self) -> tuple[float, ...]:
        """The fallback errors, with those that stand for null."""
        if self.fallback_errors is not None:
            return self.fallback_errors
        is_default = self.target_error == type(self).model_fields["target_error"].default
        return FALLBACK_ERRORS if is_default else ()


class CrossvalConfig(Checked):
    """Grouped cross-validation over original photos; ``leakage`` adds a random split, ``permuted_labels`` refits."""

    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=1, ge=1)
    permuted_labels: bool = True
    leakage: bool = True


FOLDER_NAME: Final = "^[^./][^/]*$"
"""Pattern of a name that becomes a folder: one part of a path, which can't lead out of its parent."""


class RunConfig(Checked):
    """Run folder settings; ``name`` null means the current time."""

    folder: str = "runs"
    name: str | None = Field(default=None, pattern=FOLDER_NAME)


class TrackerConfig(Checked):
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


class Config(Checked):
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
    def is_closed_form(self) -> bool:
        """Whether the recipe fits a head in closed form to features computed once, so that its folds take seconds."""
        recipe = self.recipe
        return recipe.kind == "linear_probe" and recipe.solver == "ridge" and recipe.num_views == 1

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
