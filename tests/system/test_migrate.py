"""Databases of older formats, as the servers of their time left them (migrations/frozen/, made by
migrations/freeze.py): refused until they are migrated, whole after that however often it was cut short, and
answering as before."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import tarfile
import time

import pytest

from conftest import ASOF, ASOFD, ROOT, StartFailed

FORMAT = 3
FROZEN = sorted((ROOT / "migrations/frozen").glob("format*.tar.xz"))
KILLS = 20
FAULTS_MAX = 40


@pytest.fixture(params=FROZEN, ids=[path.name.split(".")[0] for path in FROZEN])
def frozen(request, make_server):
    """(a server that is not started, on the frozen data; what it answered in its time)"""
    server = make_server()
    with tarfile.open(request.param) as archive:
        archive.extractall(server.data.parent, filter="data")
    return server, json.loads((server.data.parent / "answers.json").read_text())


def migrate(server, *options, environment=None, check=True):
    done = subprocess.run([ASOF, "migrate", "--data", str(server.data), *options], capture_output=True, text=True,
                          env=os.environ | (environment or {}), timeout=60)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def format_of(server):
    return int((server.data / "FORMAT").read_text().split()[-1])


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def text_of(reply):
    if isinstance(reply, bytes):
        return reply.decode()
    return [text_of(item) for item in reply] if isinstance(reply, list) else reply


def answers_as_before(server, answers):
    with server.client() as client:
        for words, reply in answers:
            assert text_of(client.call(*words)) == reply, words


def test_an_older_format_is_refused_with_what_to_do_and_left_alone(frozen):
    server, _ = frozen
    before = files_of(server.data)
    with pytest.raises(StartFailed) as failed:
        server.start()
    assert f"asof migrate --data {server.data}" in failed.value.said
    assert files_of(server.data) == before


def test_a_dry_run_says_the_steps_and_touches_nothing(frozen):
    server, _ = frozen
    before, first = files_of(server.data), format_of(server)
    said = migrate(server, "--dry-run").stdout.splitlines()
    assert len(said) == FORMAT - first and all("would be taken" in line for line in said)
    assert files_of(server.data) == before


def test_a_migrated_database_answers_as_before_and_goes_on(frozen):
    server, answers = frozen
    first = format_of(server)
    assert len(migrate(server).stdout.splitlines()) == FORMAT - first and format_of(server) == FORMAT
    assert "nothing to do" in migrate(server).stdout

    server.start()

    answers_as_before(server, answers)
    view = json.loads(server.call("ASOF.DESCRIBE", "user_clicks"))
    assert [(version["version"], version["state"]) for version in view["versions"]] == [(1, "ready"), (2, "active")]
    assert server.call("ASOF.ROLLBACK", "user_clicks") == b"user_clicks@1"
    old = server.call("ASOF.GET", "user_clicks@1:u1", "AT", "1700010000000000")
    assert server.call("ASOF.GET", "user_clicks:u1", "AT", "1700010000000000") == old
    changed = "views: {lone: {source: clicks, entity: user, features: {highest: {max: price, over: 1h}}}}"
    server.apply(changed)
    assert server.call("ASOF.GET", "lone:u1")[1] == b"lone@2"
    server.restart()
    assert server.call("ASOF.GET", "lone:u1")[1] == b"lone@2"


def test_a_migration_that_is_cut_short_ends_right(frozen):
    server, answers = frozen
    for kill in range(KILLS):
        process = subprocess.Popen([ASOFD, "--data", str(server.data), "--migrate"], stdout=subprocess.DEVNULL)
        time.sleep(random.uniform(0, 0.06))
        process.kill()
        process.wait()
    migrate(server)
    server.start()
    answers_as_before(server, answers)


def test_a_migration_ends_right_from_every_point_of_it(frozen):
    server, answers = frozen
    kept = server.data.with_name("kept")
    shutil.copytree(server.data, kept)
    first = format_of(server)
    for point in range(1, FAULTS_MAX):
        done = migrate(server, environment={"ASOF_FAULT": f":{point}"}, check=False)
        if done.returncode == 0:
            break
        assert first <= format_of(server) <= FORMAT
        migrate(server)
        assert format_of(server) == FORMAT
        server.start()
        answers_as_before(server, answers[:: 1 + point % 5])
        server.stop()
        shutil.rmtree(server.data)
        shutil.copytree(kept, server.data)
    assert point > 4, "there were points to die at"


def test_what_is_newer_or_nothing_or_in_use_is_refused(make_server, tmp_path):
    server = make_server().start()
    assert "in use" in migrate(server, check=False).stderr or "nothing to do" in migrate(server).stdout
    server.stop()
    (server.data / "FORMAT").write_text("asof data format 999\n")
    done = migrate(server, check=False)
    assert done.returncode == 1 and "run the version of asofd that wrote it, or a newer one" in done.stderr
    done = subprocess.run([ASOF, "migrate", "--data", str(tmp_path / "none")], capture_output=True, text=True)
    assert done.returncode != 0 and "none" in done.stderr
    assert subprocess.run([ASOF, "migrate"], capture_output=True).returncode == 2


def test_a_full_disk_is_found_before_anything_is_done(frozen):
    server, _ = frozen
    before = files_of(server.data)
    log = pathlib.Path(server.data) / "rocksdb" / "999999.log"
    with open(log, "wb") as file:  # a write-ahead log that opening would have to write again: larger than any disk
        file.truncate(1 << 42)
    done = migrate(server, check=False)
    assert done.returncode == 1 and "nearly full" in done.stderr
    log.unlink()
    assert files_of(server.data) == before
