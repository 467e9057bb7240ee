"""Tables of the prediction log, for SQLAlchemy Core; the migrations create them."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

__all__ = ["BUNDLES", "DRIFT_STATES", "FEEDBACK", "PHOTO_FOLDERS", "PREDICTIONS", "TABLES"]

TABLES: Final = MetaData()

BUNDLES: Final = Table(
    "bundles",
    TABLES,
    Column("sha256", String(64), primary_key=True, comment="SHA-256 of the bundle's manifest"),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("classes", Text, nullable=False, comment="JSON list, in the order of the probabilities"),
)
"""Bundles that made predictions."""

PREDICTIONS: Final = Table(
    "predictions",
    TABLES,
    Column("request_id", String(64), nullable=False),
    Column("position", Integer, nullable=False, comment="of the photo in a request with several, from 0"),
    Column("time_us", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    Column("bundle", String(64), nullable=False, comment="bundles.sha256"),
    Column("label", Text, comment="null for a photo out of the domain"),
    Column("probabilities", LargeBinary, nullable=False, comment="float32 [K], in the order of the bundle's classes"),
    Column("confident", Boolean, nullable=False),
    Column("in_domain", Boolean, comment="null if the bundle has no domain scores"),
    Column("domain_warning", Text),
    Column("novelty", Double),
    Column("animal_score", Double),
    Column("latency_ms", Double, nullable=False),
    Column("brightness", Double),
    Column("contrast", Double),
    Column("saturation", Double),
    Column("sharpness", Double),
    Column("embedding", LargeBinary, comment="float16 [D]"),
    Column("residual", Double, comment="norm of what the projection of the embedding leaves out"),
    Column("photo_sha256", String(64), comment="SHA-256 of the kept photo; empty if none was kept, null in older rows"),
    PrimaryKeyConstraint("request_id", "position"),
    Index("predictions_by_bundle_and_time", "bundle", "time_us"),
    Index("predictions_by_time", "time_us"),
)
"""Predictions: the same key is written once, so rows can be replayed."""

FEEDBACK: Final = Table(
    "feedback",
    TABLES,
    Column("request_id", String(64), nullable=False),
    Column("position", Integer, nullable=False, comment="as in predictions"),
    Column("visitor", String(64), nullable=False, comment="SHA-256 of a random cookie"),
    Column("label", Text, comment="the right label; null if the predicted one is right"),
    Column("note", Text),
    Column("time_us", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    Column("bundle", String(64), nullable=False, comment="bundles.sha256 of the prediction"),
    Column("chosen", String(16), comment="how a reviewer got the photo; null of a visitor"),
    PrimaryKeyConstraint("request_id", "position", "visitor"),
)
"""Feedback on predictions: one for each photo and visitor, the last one given."""

PHOTO_FOLDERS: Final = Table(
    "photo_folders",
    TABLES,
    Column("folder", Text, primary_key=True),
    Column("used_us", BigInteger, nullable=False, comment="last start of a service with it; microseconds since 1970"),
)
"""Folders in which services have kept photos of this log."""

DRIFT_STATES: Final = Table(
    "drift_states",
    TABLES,
    Column("bundle", String(64), primary_key=True, comment="bundles.sha256"),
    Column("time_us", BigInteger, nullable=False, comment="of the last row of the last window that was tested"),
    Column("request_id", String(64), nullable=False, comment="of that row; empty if it was deleted on request"),
    Column("position", Integer, nullable=False, comment="of that row"),
    Column("in_a_row", Integer, nullable=False, comment="drifting windows at the end"),
    Column("active", Boolean, nullable=False, comment="whether the alert is"),
)
"""Where the drift tests of each bundle are, so that they continue after a restart."""
