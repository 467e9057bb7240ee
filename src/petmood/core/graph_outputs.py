"""Outputs of a bundle's network ``model.onnx``, by name."""

from typing import Final, Literal

__all__ = ["CLASS_MAPS", "EMBEDDING", "LOGITS", "MEASURED", "MOST_COLUMNS", "RESIDUAL", "GraphOutput"]

GraphOutput = Literal["logits", "embedding", "residual", "animal", "novelty", "maps"]

LOGITS: Final = "logits"
"""Logits float32 [B, K], of every network."""
CLASS_MAPS: Final = "maps"
"""Class maps float32 [B, K, H, W]."""
EMBEDDING: Final = "embedding"
"""Embeddings float32 [B, D] that drift is measured by: those of the layer before the head, or their projection."""
RESIDUAL: Final = "residual"
"""Residual norms float32 [B]: lengths of the parts of the embeddings that the projection leaves out."""
MEASURED: Final[tuple[GraphOutput, GraphOutput]] = (EMBEDDING, RESIDUAL)
"""What the prediction log keeps of a network's outputs; a network has both or none."""
MOST_COLUMNS: Final = 640
"""Largest D: wider embeddings are projected."""
