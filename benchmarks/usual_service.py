"""Baseline service as most projects write it: FastAPI, the torch model, torchvision's transforms.

Written like tutorials and templates and not slowed down: one process, uvicorn's defaults (uvloop and httptools where
installed), the model loaded once, eval mode, no gradients. The network is torchvision's own with random weights. Its
batch norms are warmed up on one batch, since NaN would be slower.
BACKBONE=... uvicorn benchmarks.usual_service:app
"""

import io
import os
from typing import Any

import torch
from fastapi import FastAPI, UploadFile
from PIL import Image
from torchvision import models, transforms

__all__ = ["app", "predict"]

CLASSES = ("angry", "happy", "other", "sad")

transform = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


def load_model(backbone: str) -> Any:  # noqa: ANN401 - torchvision's models have no common type here
    """Build the network."""
    torch.manual_seed(0)
    network = models.get_model(backbone, weights=None, num_classes=len(CLASSES))
    with torch.no_grad():
        for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
            norm.momentum = None
        network.train()(torch.randn(16, 3, 224, 224))
    return network.eval()


app = FastAPI()
model = load_model(os.environ.get("BACKBONE", "efficientnet_b0"))


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, Any]:
    """Predict one photo."""
    image = Image.open(io.BytesIO(await file.read())).convert("RGB")
    with torch.no_grad():
        logits = model(transform(image).unsqueeze(0))
        probabilities = torch.softmax(logits, dim=1)[0].tolist()
    best = max(range(len(CLASSES)), key=probabilities.__getitem__)
    return {
        "label": CLASSES[best],
        "probability": probabilities[best],
        "probabilities": dict(zip(CLASSES, probabilities, strict=True)),
    }
