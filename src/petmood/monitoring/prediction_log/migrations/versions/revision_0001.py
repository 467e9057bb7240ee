"""Create the tables of bundles and predictions."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables and their indexes."""
    op.create_table(
        "bundles",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("classes", sa.Text, nullable=False),
    )
    op.create_table(
        "predictions",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("probabilities", sa.LargeBinary, nullable=False),
        sa.Column("confident", sa.Boolean, nullable=False),
        sa.Column("in_domain", sa.Boolean),
        sa.Column("domain_warning", sa.Text),
        *(sa.Column(name, sa.Double) for name in ("novelty", "animal_score")),
        sa.Column("latency_ms", sa.Double, nullable=False),
        *(sa.Column(name, sa.Double) for name in ("brightness", "contrast", "saturation", "sharpness")),
        sa.Column("embedding", sa.LargeBinary),
        sa.PrimaryKeyConstraint("request_id", "position"),
    )
    op.create_index("predictions_by_bundle_and_time", "predictions", ["bundle", "time_us"])
    op.create_index("predictions_by_time", "predictions", ["time_us"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("predictions")
    op.drop_table("bundles")
