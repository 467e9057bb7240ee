"""Create the table of feedback."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "feedback",
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("visitor", sa.String(64), nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("chosen", sa.String(16)),
        sa.PrimaryKeyConstraint("request_id", "position", "visitor"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("feedback")
