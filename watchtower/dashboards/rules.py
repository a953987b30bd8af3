"""Prometheus' own alerts about Watchtower: who watches the watchtower."""

from dataclasses import dataclass

import yaml


@dataclass(frozen=True, slots=True)
class _Alert:
    name: str
    expr: str
    lasting: str
    severity: str
    summary: str
    description: str


_ALERTS = (
    _Alert(
        "WatchtowerDown",
        'up{job="watchtower"} == 0 or absent(up{job="watchtower"})',
        "2m",
        "page",
        "Watchtower cannot be scraped",
        "No drift is found and nothing is rolled back while it is away. After a restart it goes on where it stopped.",
    ),
    _Alert(
        "WatchtowerStuck",
        "time() - watchtower_heartbeat_timestamp_seconds > 60",
        "1m",
        "page",
        "Watchtower answers, but its workers have not beaten for a minute",
        "See the log and watchtower status.",
    ),
    _Alert(
        "WatchtowerNobodyLeads",
        "max(watchtower_leader) == 0",
        "1m",
        "page",
        "No replica of Watchtower holds the lease",
        "Predictions are counted, but no window is evaluated.",
    ),
    _Alert(
        "WatchtowerFallsBehind",
        "sum by (topic) (watchtower_source_lag) > 0 and sum by (topic) (deriv(watchtower_source_lag[10m])) > 0",
        "15m",
        "warn",
        "{{ $labels.topic }} grows faster than Watchtower reads",
        "{{ $value }} wait. Windows close later, so alerts come later.",
    ),
    _Alert(
        "WatchtowerWindowsStale",
        "time() - watchtower_window_end_timestamp_seconds > 1800",
        "5m",
        "warn",
        "No window of {{ $labels.model }} was evaluated in half an hour",
        "Is the source drained, is a partition missing, is somebody sending times in the past?",
    ),
    _Alert(
        "WatchtowerLosesMessages",
        "increase(watchtower_messages_lost_total[10m]) > 0",
        "0m",
        "page",
        "Messages of {{ $labels.topic }} were gone before they were read",
        "Retention was shorter than the time that Watchtower was away, or the topic was made anew. Counts have a hole.",
    ),
    _Alert(
        "WatchtowerRejectsMessages",
        'sum(rate(watchtower_messages_total{outcome="rejected"}[10m])) / sum(rate(watchtower_messages_total[10m])) > 0.05',
        "10m",
        "warn",
        "{{ $value | humanizePercentage }} of the messages are no predictions",
        "watchtower_messages_rejected_total says why; the dead letters say which.",
    ),
    _Alert(
        "WatchtowerRulesRejected",
        "watchtower_rules_last_reload_success == 0",
        "1m",
        "warn",
        "The rule files have an error, the last good rules stay in force",
        "watchtower check says where.",
    ),
    _Alert(
        "WatchtowerCannotTell",
        'increase(watchtower_notifications_total{outcome="dead"}[10m]) > 0 or increase(watchtower_notifications_total{outcome="failed"}[10m]) > 3',
        "0m",
        "page",
        "{{ $labels.notifier }} does not take notifications",
        "What is not delivered waits in the outbox and is tried again; dead ones are not.",
    ),
    _Alert(
        "WatchtowerRollbackFailed",
        'increase(watchtower_rollbacks_total{outcome="failed"}[15m]) > 0',
        "0m",
        "page",
        "A rollback of {{ $labels.model }} failed",
        "The worse version may still serve. See the incident's page.",
    ),
    _Alert(
        "WatchtowerRollbackNotReady",
        "watchtower_rollback_ready == 0",
        "30m",
        "warn",
        "{{ $labels.model }} could not be rolled back now",
        "The last drill failed: no candidate, no artefact, no permission, or the target names another version. watchtower status says which.",
    ),
    _Alert(
        "WatchtowerSlowCheckpoints",
        "rate(watchtower_checkpoint_seconds_sum[10m]) / rate(watchtower_checkpoint_seconds_count[10m]) > 1",
        "10m",
        "warn",
        "Checkpoints take {{ $value | humanizeDuration }} on average",
        "The store's disk is slow or its file is locked by somebody.",
    ),
    _Alert(
        "WatchtowerSeriesOverflow",
        "increase(watchtower_series_overflow_total[1h]) > 0",
        "0m",
        "info",
        "More series than server.max_series",
        "Some versions count as other, or some scores are not exported; raise it, or watch fewer segments.",
    ),
)


def prometheus_rules() -> str:
    """A rule file for Prometheus; every alert carries Watchtower's own severities."""
    rules = [
        {
            "alert": each.name,
            "expr": each.expr,
            "for": each.lasting,
            "labels": {"severity": each.severity},
            "annotations": {"summary": each.summary, "description": each.description},
        }
        for each in _ALERTS
    ]
    return "# Written by `watchtower dashboards`.\n" + yaml.safe_dump(
        {"groups": [{"name": "watchtower", "rules": rules}]}, sort_keys=False, width=150, allow_unicode=True
    )
