"""What a scratch server is asked and told, in the words of its engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The questions yield one column: names, and for ``sessions`` statements, each of which ends a session in the database ``{name}``.

    ``identity`` is what tells the server from every other, empty where nothing does. ``drop_role`` is told a name as ``roles`` yields it.
    """

    databases: str
    roles: str
    sessions: str
    version: str
    identity: str
    quote: str

    def drop_database(self, name: str) -> str:
        """Return the statement that drops a database."""
        return f"drop database if exists {self._quoted(name)}"

    def sessions_in(self, name: str) -> str:
        """Return the question for the statements that end the sessions in a database."""
        return self.sessions.replace("{name}", name.replace("'", "''"))

    def drop_role(self, name: str) -> str:
        """Return the statement that drops a role, or an account."""
        if self.quote == "`":  # the name comes quoted, as an account or as a role
            return f"drop {name}"
        return f"drop role if exists {self._quoted(name)}"

    def _quoted(self, name: str) -> str:
        return f"{self.quote}{name.replace(self.quote, 2 * self.quote)}{self.quote}"


POSTGRESQL = Words(
    databases="select datname from pg_catalog.pg_database",
    roles="select rolname from pg_catalog.pg_roles",
    sessions="select 'select pg_catalog.pg_terminate_backend(' || pid || ')::text' from pg_catalog.pg_stat_activity"
    " where datname = '{name}' and pid <> pg_catalog.pg_backend_pid()",
    version="select pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1)",
    identity="select system_identifier::text from pg_catalog.pg_control_system()",
    quote='"',
)
MARIADB = Words(
    databases="select schema_name from information_schema.schemata",
    roles="select if(is_role = 'Y', concat('role ', quote(user)), concat('user ', quote(user), '@', quote(host))) from mysql.user",
    sessions="select concat('kill connection ', id) from information_schema.processlist where db = '{name}'",
    version="select substring_index(version(), '-', 1)",
    identity="",
    quote="`",
)
