"""Add the residual norm of the embedding."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty in existing rows."""
    op.add_column("predictions", sa.Column("residual", sa.Double))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("predictions") as table:
        table.drop_column("residual")
