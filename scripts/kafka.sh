#!/usr/bin/env bash
# Fetches the jars of an Apache Kafka broker into build/kafka, through Maven; does nothing if they are there.
#
# Needs Java 17 or later and Maven; both are installed with apt-get where that is allowed.
set -euo pipefail
cd "$(dirname "$0")/.."

JARS=$PWD/build/kafka
DONE=$JARS/.complete

say() { printf 'kafka: %s\n' "$*"; }
fail() { printf 'kafka: %s\n' "$*" >&2; exit 1; }

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

need() { # command package
    command -v "$1" >/dev/null && return
    can_install || fail "'$1' is missing; install it ($2) and run this again"
    say "installing $2 with apt-get"
    apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
}

# What was fetched belongs to one pom: another version is fetched anew.
cmp -s scripts/kafka/pom.xml "$DONE" && exit 0
need java default-jre-headless
need mvn maven
say "fetching the broker's jars"
rm -rf "$JARS"
mkdir -p "$JARS"
mvn -B -q -Dstyle.color=never -f scripts/kafka/pom.xml dependency:copy-dependencies "-Djars=$JARS" >&2 ||
    fail "Maven could not fetch the broker; what it said stands above"
cp scripts/kafka/pom.xml "$DONE"
