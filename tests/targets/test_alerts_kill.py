"""kill -9 of the target in mid-attack: what was acknowledged is in the log, alerts arrive, once or twice."""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import threading
from collections import Counter
from urllib.parse import urlsplit

import numpy as np

from labkit.webhook import Receiver
from targets import load_victim
from targets.querylog import QueryLog
from targets.watch.martingale import Martingale
from targets.watch.outbox import Outbox
from targets.watch.reference import Reference

THIEVES, ROWS = 4, 25
KILL_AT = 3  # the delivery in which the target is killed
LONG = 300  # seconds: a bound for a stuck run, never a wait


def rows_of(key):
    """The rows of one key, drawn from its name; a thief takes a new key every ROWS rows, so that alerts keep coming."""
    low, high = np.array([(f.low, f.high) for f in load_victim("tumour").features]).T
    return np.random.default_rng(list(key.encode())).uniform(low, high, (ROWS, len(low)))


def attack(url, keys, acknowledged):
    """Ask row by row until all is asked or nobody answers; count what was acknowledged."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=LONG)
    try:
        for key in keys:
            for row in rows_of(key):
                headers = {"Content-Type": "application/json", "X-API-Key": key}
                connection.request("POST", "/v1/predict", json.dumps({"rows": [row.tolist()]}), headers)
                reply = connection.getresponse()
                reply.read()
                if reply.status == 200:
                    acknowledged[key] += 1
    except (OSError, http.client.HTTPException):
        pass  # killed
    finally:
        connection.close()


def keys_of(thief):
    """Names of keys without end: the attack goes on until the target is gone."""
    return (f"thief {thief}.{number}" for number in itertools.count())


def test_no_acknowledged_query_is_lost_and_every_alert_arrives_at_most_once_more(start, tmp_path):
    url, file = f"sqlite:///{tmp_path / 'log.db'}", tmp_path / "alerts.ndjson"
    acknowledged, running = Counter(), []

    def kill(document):
        if len(receiver.deliveries) == KILL_AT and not killed:
            killed.append(document["event"]["id"])
            running[0].kill()  # delivered, and never noted: the worst moment
            running[0].wait()

    killed: list[str] = []
    arguments = ["tumour", "--defence", "sentry:victim=tumour,stop=False", "--log", url, "--alert", str(file)]
    with Receiver(kill) as receiver:
        process, address = start(*arguments, "--alert", receiver.url)
        running.append(process)
        threads = [threading.Thread(target=attack, args=(address, keys_of(n), acknowledged)) for n in range(THIEVES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert process.wait() == -signal.SIGKILL
        assert sum(acknowledged.values()) > 0

        log, outbox = QueryLog(url), Outbox(url)
        assert {key: log.rows(key) >= count for key, count in acknowledged.items()} == dict.fromkeys(acknowledged, True)
        monitor = Martingale(Reference.of(load_victim("tumour")))
        alarming = {key for key, n in acknowledged.items() if (monitor.scores(rows_of(key)[:n]) >= 100).any()}
        on_record = [entry for entry in outbox.entries() if not entry.held]
        assert alarming <= {entry.alert.key for entry in on_record}
        assert len(on_record) >= KILL_AT

        process, address = start(*arguments, "--alert", receiver.url)
        assert receiver.wait_for(len(on_record), LONG)
        # The monitors have forgotten, the outbox has not: the same thief again is held back.
        attack(address, [on_record[0].alert.key], Counter())
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0

    assert [entry.held for entry in outbox.entries()] == [False] * len(on_record) + [True]
    assert {entry.uid for entry in on_record} == set(receiver.deliveries)
    twice = [uid for uid, count in receiver.deliveries.items() if count > 1]
    assert (twice, max(receiver.deliveries.values())) == (killed, 2)
    written = Counter(json.loads(line)["event"]["id"] for line in file.read_text().splitlines())
    assert set(written) == set(receiver.deliveries)
    assert max(written.values()) <= 2
    log.close()
    outbox.close()
