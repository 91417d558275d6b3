"""Databases that want to talk: everything in them points at a listener that counts who comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgresql import Server

LAUNCHER_SECONDS = 1.5  # a subscription that is enabled connects in less


class Listener:
    """Counts connections and hangs up."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.visits = 0
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        while True:
            try:
                visitor, _address = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    try:
        yield listener
    finally:
        listener.close()


def talkative(server: Server, listener: Listener) -> str:
    """Make a database that asked its own server while it was filled, and from then on would ask the listener."""
    other = server.new_database("create table t (a int); insert into t values (1), (2)", prefix="other")
    near = f"host={server.sockets} port={server.port} dbname={other} user=postgres"
    far = f"host=127.0.0.1 port={listener.port} dbname=x user=u password=p connect_timeout=3"
    name = server.new_database(prefix="talks")
    sql = f"""
    create extension postgres_fdw; create extension dblink;
    create table conf (dsn text); insert into conf values ('{near}');
    create server far foreign data wrapper postgres_fdw options (host '{server.sockets}', port '{server.port}', dbname '{other}');
    create user mapping for postgres server far options (user 'postgres', password 'canary');
    create foreign table remote (a int) server far options (table_name 't');
    create view over_remote as select a from remote;
    create materialized view seen as select count(*) from over_remote;
    create function called() returns setof int language plpgsql as $$ begin return query select * from public.dblink((select dsn from public.conf), 'select a from t') as x(a int); end $$;
    create materialized view called_seen as select * from called();
    create materialized view straight as select * from public.dblink((select dsn from conf), 'select a from t') as x(a int);
    create materialized view own as select count(*) from conf;
    create table parent (a int); create foreign table child () inherits (parent) server far options (table_name 't');
    create table parts (a int) partition by list (a); create table parts_1 partition of parts for values in (1); insert into parts values (1);
    create foreign table parts_2 partition of parts for values in (2) server far options (table_name 't');
    create materialized view of_parts as select count(*) from parts;
    create table fires (a int); insert into fires select generate_series(1, 1000);
    create function fire() returns trigger language plpgsql as $$ begin perform public.dblink_exec('{far}', 'select 1'); return new; end $$;
    create trigger fire before insert or update or delete or truncate on fires execute function fire();
    create function on_ddl() returns event_trigger language plpgsql as $$ begin perform public.dblink_exec('{far}', 'select 1'); end $$;
    """
    server.run(sql, name)
    server.run(
        f"update conf set dsn = '{far}'; alter server far options (set host '127.0.0.1', set port '{listener.port}')",
        name,
    )
    subscription = f"create subscription sub connection '{far}' publication p with (connect = false, slot_name = 'sub')"
    server.run(subscription, name)
    server.run(
        "alter subscription sub enable; create event trigger on_ddl on ddl_command_end execute function on_ddl()", name
    )
    return name


def silence(server: Server, name: str) -> None:
    """Drop such a database, and wait until nobody speaks any more."""
    server.run("drop event trigger on_ddl", name)
    for statement in ("disable", "set (slot_name = none)"):
        server.run(f"alter subscription sub {statement}", name)
    server.run("drop subscription sub", name)
    server.run(f"drop database {name} with (force)" if server.major >= 13 else f"drop database {name}")
    threading.Event().wait(0.3)
