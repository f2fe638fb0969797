"""Kafka Streams with the features of kafka.yaml (peers/streams/Features.java), as a peer. Compiled anew at each run; its
jars are fetched once, by Maven."""

import re
import signal
import subprocess
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from kafka_log import CACHE, CLIENT, PARTITIONS, RETRY_S, TIMEOUT_S, fetch
from servers import ROOT, BenchError, Peer, require

PROGRAM = ROOT / "loadtest/peers/streams"
HEAP_MAX = "1g"
COUNTED = re.compile(r"^counted \d+ (\d+)$", re.M)


def compile_program(folder):
    """Compiles it into the folder; the class path to run it by."""
    require("javac", "install Debian's package default-jdk-headless")
    jars = fetch(CACHE, "kafka-streams", PROGRAM / "pom.xml")
    done = subprocess.run(["javac", "-cp", f"{jars}/*", "-d", str(folder), str(PROGRAM / "Features.java")],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"Features.java can't be compiled: {done.stderr}")
    return f"{folder}:{jars}/*"


class Streams(Peer):
    """One application that reads a topic from its beginning."""

    name = "kafka-streams"

    def __init__(self, folder, log, topic):
        classes = folder / "classes"
        classes.mkdir()
        self.topic = topic
        self.group = Consumer(CLIENT | {"bootstrap.servers": log.address, "group.id": f"{topic}.features"})
        self._spawn(["java", f"-Xmx{HEAP_MAX}", f"-Dlog4j.configuration=file:{PROGRAM / 'log4j.properties'}", "-cp",
                     compile_program(classes), "Features", log.address, topic, str(folder / "state")], folder)

    def stop(self):
        super().stop()
        self.group.close()

    def committed(self):
        """{partition: how far it is}: what is before that counts, once, in its stores. A new broker has nobody to
        ask for the first seconds: it is asked again."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                places = self.group.committed([TopicPartition(self.topic, number) for number in range(PARTITIONS)], TIMEOUT_S)
                return {place.partition: max(0, place.offset) for place in places}
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)

    def check(self):
        if self.process.poll() is not None:
            raise self.failed("ended by itself")

    def end(self):
        """Has it stop reading and end; how many events it counted of the busiest entity."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(TIMEOUT_S)
        found = COUNTED.search(self.log_path.read_text(errors="replace"))
        if found is None:
            raise self.failed("did not tell what it counted")
        return int(found[1])
