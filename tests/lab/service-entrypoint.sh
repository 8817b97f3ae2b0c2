#!/bin/sh
# What the official images of PostgreSQL, Redis and MySQL do on start, as far as tests can tell the difference: as root
# they hand over to a user of their own, and an empty folder of data is prepared from the environment.
set -eu

postgres_data() {
    [ -n "${POSTGRES_PASSWORD:-}" ] || { echo "Error: superuser password is not specified" >&2; exit 1; }
    user=${POSTGRES_USER:-postgres}
    (umask 077 && printf %s "$POSTGRES_PASSWORD" >/run/password && chown postgres /run/password)
    gosu postgres initdb --username="$user" --pwfile=/run/password -D "$PGDATA" >/dev/null
    rm /run/password
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    # As in the official image the server that prepares the data is not reached over the network.
    gosu postgres pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start >/dev/null
    [ "${POSTGRES_DB:-$user}" = postgres ] || gosu postgres createdb -U "$user" --maintenance-db=postgres "${POSTGRES_DB:-$user}"
    gosu postgres pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
}

mysql_data() {
    [ -n "${MYSQL_ROOT_PASSWORD:-}" ] || { echo "[ERROR] [Entrypoint]: password option is not specified" >&2; exit 1; }
    mariadb-install-db --no-defaults --user=mysql --datadir=/var/lib/mysql --skip-test-db >/dev/null
    mysqld --no-defaults --user=mysql --datadir=/var/lib/mysql --bootstrap <<SQL
FLUSH PRIVILEGES;
ALTER USER root@localhost IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
CREATE DATABASE \`$MYSQL_DATABASE\`;
CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';
SQL
}

case $1 in
    postgres)
        mkdir -p "$PGDATA" /run/postgresql
        chown postgres /run/postgresql "$PGDATA"
        chmod 700 "$PGDATA"
        [ -s "$PGDATA/PG_VERSION" ] || postgres_data
        exec gosu postgres "$@"
        ;;
    redis-server)
        chown redis .
        # Debian's build listens on loopback unless it is told otherwise; the official one does not.
        exec gosu redis "$@"
        ;;
    mysqld)
        mkdir -p /run/mysqld
        chown mysql /run/mysqld /var/lib/mysql
        [ -d /var/lib/mysql/mysql ] || mysql_data
        shift
        exec mysqld --no-defaults --user=mysql --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock "$@"
        ;;
    *) exec "$@" ;;
esac
