"""Classification heads: modules that map backbone features to one logit per class."""

from typing import Final

from torch import nn

from petmood.core.errors import ConfigError
from petmood.models.catalog import HEADS

__all__ = ["make_head"]

HIDDEN: Final = 256


def make_head(kind: str, *, width: int, classes: int, dropout: float) -> nn.Module:
    """Build a head that maps features [B, ``width``] to logits [B, ``classes``].

    Raises:
        ConfigError: an unknown kind, or fewer than two classes.
    """
    if classes < 2:
        raise ConfigError(f"Expected at least 2 classes, got {classes}. Add photos of another class.")
    if kind == "linear":
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(width, classes))
    if kind == "mlp":
        return nn.Sequential(
            nn.Dropout(dropout), nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, classes)
        )
    raise ConfigError(f"Unknown head {kind!r}. Known: {', '.join(HEADS)}.")
