"""Evidently's report of a prediction log: its newest predictions beside those before them.

petmood log export --log sqlite:///petmood.db --output predictions.parquet
python examples/evidently_report.py predictions.parquet drift.html --newest 1000

Evidently 0.7 needs pandas below 3.1, so it has an environment of its own:
uv venv evidently && uv pip install --python evidently 'evidently>=0.7' 'pandas<3.1' pyarrow
"""

import argparse
import os

os.environ.setdefault("DO_NOT_TRACK", "1")  # before the import, which reads it

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

NUMBERS = ["brightness", "contrast", "saturation", "sharpness", "residual", "probability"]
CLASSES = ["label", "confident", "in_domain"]


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("predictions")
    parser.add_argument("page")
    parser.add_argument("--newest", type=int, default=1000)
    chosen = parser.parse_args()
    rows = pd.read_parquet(chosen.predictions).sort_values("time")
    rows["probability"] = rows["probabilities"].map(max)
    rows[CLASSES] = rows[CLASSES].astype(str)
    parts = (rows.iloc[-chosen.newest :], rows.iloc[: -chosen.newest])
    columns = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CLASSES)
    newest, earlier = (Dataset.from_pandas(part[NUMBERS + CLASSES], data_definition=columns) for part in parts)
    Report([DataDriftPreset()]).run(newest, earlier).save_html(chosen.page)


if __name__ == "__main__":
    main()
