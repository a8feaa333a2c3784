"""A command on a slow disk: SQLite needs a third of a second for each commit, before anything of it is on the disk."""

import sqlite3
import sys
import time

from trueup.faces.cli.main import main

SECONDS = 0.3
connect = sqlite3.connect


class Slow(sqlite3.Connection):
    def execute(self, sql, *values):
        if sql == "commit":
            time.sleep(SECONDS)
        return super().execute(sql, *values)


def slowly(database, **how):
    return connect(database, **({"factory": Slow} if "captures" in str(database) else {}), **how)


if __name__ == "__main__":
    sqlite3.connect = slowly
    sys.exit(main())
