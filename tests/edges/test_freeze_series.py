"""`watchtower_frozen` as Prometheus scrapes it."""

from prometheus_client import CollectorRegistry, generate_latest

from watchtower.edges.freeze_series import FreezeSeries


def scraped(frozen: dict[str, bool] | None) -> list[str]:
    registry = CollectorRegistry()
    registry.register(FreezeSeries(lambda: frozen))
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_each_model_has_a_series() -> None:
    assert scraped({"fraud": True, "churn": False}) == ['watchtower_frozen{model="churn"} 0.0', 'watchtower_frozen{model="fraud"} 1.0']


def test_where_the_store_is_away_there_is_none() -> None:
    assert scraped(None) == []
