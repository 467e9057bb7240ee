"""Alembic environment: runs the revisions on the connection that ``database.migrate`` passes.

Alembic executes this file under the name ``env_py``; imported as a module, it does nothing.
"""

from alembic import context

from petmood.monitoring.prediction_log.tables import TABLES

if __name__ == "env_py":
    given = context.config.attributes
    context.configure(connection=given["connection"], version_table=given["version_table"], target_metadata=TABLES)
    context.run_migrations()
