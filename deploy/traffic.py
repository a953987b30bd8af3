"""Demo traffic for docker-compose.yml: one model's predictions, written to Kafka as `watchtower_json`.

Every twenty minutes version 2 goes live for five: its predictions are too high and half of its countries are missing. Then version 1 is back.
"""

import argparse
import json
import math
import random
import sys
import time
from datetime import UTC, datetime

ROUND = 20 * 60
BAD = 5 * 60
RHYTHM = 10 * 60
MISSING = 0.5
FAILING = 0.01
COUNTRIES = ("DE", "FR", "NL", "PL", "US")


def message(draw: random.Random, now: float) -> dict[str, object]:
    """One prediction at *now*, seconds since 1970."""
    bad = now % ROUND > ROUND - BAD
    amount = round(draw.lognormvariate(3.5, 0.9), 2)
    age = round(min(90.0, max(18.0, draw.gauss(44, 14))), 1)
    country = None if bad and draw.random() < MISSING else draw.choices(COUNTRIES, (40, 20, 15, 15, 10))[0]
    score = 1 / (1 + math.exp(-(0.02 * amount - 0.03 * age + draw.gauss(1.2 if bad else -0.8, 0.6))))
    failed = draw.random() < FAILING
    return {
        "model": "fraud",
        "version": "2" if bad else "1",
        "id": f"{draw.getrandbits(64):016x}",
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        "features": {"amount": amount, "age": age, "country": country},
        "prediction": None if failed else round(score, 6),
        "status": "timeout" if failed else "ok",
        "latency_ms": round(draw.lognormvariate(2.4, 0.35), 2),
        "instance": f"fraud-{draw.randrange(2)}",
        "gpu": {"device": "0", "utilization": round(min(1.0, max(0.0, draw.gauss(0.45, 0.08))), 3), "memory_used_bytes": 1.2e9},
    }


def rate(now: float) -> float:
    """Predictions a second: a day's rhythm in ten minutes, 20 to 100."""
    return 60 + 40 * math.sin(2 * math.pi * now / RHYTHM)


def main() -> None:
    """Sends until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", default="localhost:29092")
    parser.add_argument("--topic", default="predictions")
    options = parser.parse_args()
    from kafka import KafkaProducer  # noqa: PLC0415  who asks for --help needs no Kafka

    producer = KafkaProducer(bootstrap_servers=options.broker, linger_ms=20, acks="all")
    draw = random.Random()  # noqa: S311  made-up traffic
    sent = 0
    while True:
        now = time.time()
        producer.send(options.topic, json.dumps(message(draw, now)).encode())
        sent += 1
        if sent % 1000 == 0:
            sys.stderr.write(f"sent {sent}\n")
        time.sleep(draw.expovariate(rate(now)))


if __name__ == "__main__":
    main()
