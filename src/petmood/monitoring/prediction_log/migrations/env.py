"""Alembic environment: runs the revisions on the connection that ``database.migrate`` passes."""

from alembic import context

from petmood.monitoring.prediction_log.tables import TABLES

given = context.config.attributes
context.configure(connection=given["connection"], version_table=given["version_table"], target_metadata=TABLES)
context.run_migrations()
