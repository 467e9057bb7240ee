"""Add the SHA-256 of a row's photo, and the table of the folders of photos."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty in existing rows, and create the table."""
    op.add_column("predictions", sa.Column("photo_sha256", sa.String(64)))
    op.create_table(
        "photo_folders",
        sa.Column("folder", sa.Text, primary_key=True),
        sa.Column("used_us", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("photo_folders")
    with op.batch_alter_table("predictions") as table:
        table.drop_column("photo_sha256")
