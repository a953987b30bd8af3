"""What the dashboard of a model shows: every panel with its PromQL."""

from watchtower.dashboards.panels import OF, RATE, WHOLE, Look, Query, Row, Shown


def _quantile(share: float) -> Query:
    expr = f"histogram_quantile({share}, sum by (le) (rate(watchtower_prediction_latency_seconds_bucket{{{OF}}}[{RATE}])))"
    return Query(expr, f"p{share * 100:g}")


def _measure(measure: str, legend: str) -> Query:
    return Query(f'watchtower_measure{{{WHOLE},measure="{measure}"}}', legend)


_NOW = Row(
    "Now",
    (
        Shown(
            "Predictions per second",
            (Query(f"sum(rate(watchtower_predictions_total{{{OF}}}[{RATE}]))", "predictions"),),
            "Served predictions that were committed, over all versions.",
            "cps",
            Look.STAT,
            4,
        ),
        Shown("Live version", (Query(f"watchtower_live_version_info{{{OF}}}", "{{version}}"),), "The version that serves now.", "none", Look.STAT, 4),
        Shown(
            "Alerts firing",
            (Query(f'sum(watchtower_alerts{{{OF},state="firing"}})', "firing"),),
            "Alerts of this model that fire.",
            "none",
            Look.STAT,
            4,
            warn=1,
        ),
        Shown(
            "Error share",
            (Query(f"sum(rate(watchtower_prediction_errors_total{{{OF}}}[{RATE}])) / sum(rate(watchtower_predictions_total{{{OF}}}[{RATE}]))", "errors"),),
            "Served predictions whose status is not ok.",
            "percentunit",
            Look.STAT,
            4,
            warn=0.05,
        ),
        Shown(
            "Window end age",
            (Query(f"time() - max(watchtower_window_end_timestamp_seconds{{{OF}}})", "age"),),
            "How long ago the newest evaluated window ended: window size + lateness where all is well.",
            "s",
            Look.STAT,
            4,
            warn=600,
        ),
        Shown(
            "Lag", (Query("sum(watchtower_source_lag)", "lag"),), "Messages that wait to be read (bytes for files), over all sources.", "short", Look.STAT, 4
        ),
    ),
)

_TRAFFIC = Row(
    "Traffic",
    (
        Shown(
            "Predictions per second, by version",
            (Query(f"sum by (version) (rate(watchtower_predictions_total{{{OF}}}[{RATE}]))", "version {{version}}"),),
            "Served predictions that were committed.",
            "cps",
            Look.STACKED,
        ),
        Shown(
            "Traffic share, by version",
            (_measure("traffic.share", "version {{version}}"),),
            "Share of the last window's served predictions.",
            "percentunit",
            bounds=(0, 1),
        ),
        Shown(
            "Latency",
            (_quantile(0.5), _quantile(0.9), _quantile(0.99)),
            "Quantiles over the logged latencies as they come in, read from 12 buckets.",
            "s",
            bounds=(0, None),
        ),
        Shown(
            "Latency of the last window, by version",
            (
                _measure("latency.p50", "p50 version {{version}}"),
                _measure("latency.p95", "p95 version {{version}}"),
                _measure("latency.p99", "p99 version {{version}}"),
            ),
            "The numbers that rules see, within 2 %.",
            "s",
            bounds=(0, None),
        ),
        Shown(
            "Error share, by version",
            (
                Query(
                    f"sum by (version) (rate(watchtower_prediction_errors_total{{{OF}}}[{RATE}]))"
                    f" / sum by (version) (rate(watchtower_predictions_total{{{OF}}}[{RATE}]))",
                    "version {{version}}",
                ),
            ),
            "Served predictions whose status is not ok.",
            "percentunit",
            bounds=(0, None),
        ),
        Shown(
            "Errors per second, by status",
            (Query(f"sum by (status) (rate(watchtower_prediction_errors_total{{{OF}}}[{RATE}]))", "{{status}}"),),
            "Timeouts, throttling and what else the service logs.",
            "cps",
            Look.STACKED,
        ),
    ),
)

_DRIFT = Row(
    "Drift",
    (
        Shown(
            "Drift by feature",
            (Query(f'watchtower_drift_score{{{WHOLE},statistic=~"$statistic"}}', "{{feature}} {{statistic}} version {{version}}"),),
            "How far each feature is from its reference; 0 is identical. A rule asks for an effect and for significance.",
            bounds=(0, None),
        ),
        Shown(
            "p-value by feature",
            (Query(f'watchtower_drift_p_value{{{WHOLE},feature!="",statistic=~"$statistic"}}', "{{feature}} {{statistic}} version {{version}}"),),
            "Raw p-values of the same; alerts use them after Benjamini-Hochberg.",
            bounds=(None, 1),
            logarithmic=True,
        ),
        Shown(
            "Prediction drift",
            (Query(f'watchtower_prediction_drift_score{{{WHOLE},statistic=~"$statistic"}}', "{{statistic}} version {{version}}"),),
            "How far the predictions are from the reference's.",
            bounds=(0, None),
        ),
        Shown(
            "Missing share, by feature",
            (_measure("quality.missing_share", "{{subject}} version {{version}}"),),
            "Rows of the last window without a value.",
            "percentunit",
            bounds=(0, 1),
        ),
    ),
)

_GPU = Row(
    "GPU",
    (
        Shown(
            "GPU utilisation",
            (Query(f"watchtower_gpu_utilization_ratio{{{OF}}}", "device {{device}}"),),
            "As the predictions' logs say.",
            "percentunit",
            bounds=(0, 1),
        ),
        Shown(
            "GPU memory", (Query(f"watchtower_gpu_memory_used_bytes{{{OF}}}", "device {{device}}"),), "As the predictions' logs say.", "bytes", bounds=(0, None)
        ),
    ),
)

_ACTIONS = Row(
    "Alerts and rollbacks",
    (
        Shown(
            "Alerts",
            (
                Query(
                    f'2 * clamp_max(sum by (rule) (watchtower_alerts{{{OF},state="firing"}}), 1)'
                    f' + clamp_max(sum by (rule) (watchtower_alerts{{{OF},state="pending"}}), 1)',
                    "{{rule}}",
                ),
            ),
            "Each rule over time: quiet, pending, firing.",
            look=Look.STATES,
            width=24,
        ),
        Shown(
            "Alerts by state",
            (Query(f"sum by (state) (watchtower_alerts{{{OF}}})", "{{state}}"),),
            "Subjects of rules count one by one.",
            "none",
            Look.STACKED,
            8,
        ),
        Shown(
            "Verdicts",
            (Query(f"sum by (verdict) (increase(watchtower_shadow_runs_total{{{OF}}}[$__range]))", "{{verdict}}"),),
            "Shadow runs in the time shown. Only accept acts.",
            "none",
            Look.STAT,
            8,
        ),
        Shown(
            "Rollbacks",
            (Query(f"sum by (outcome) (increase(watchtower_rollbacks_total{{{OF}}}[$__range]))", "{{outcome}}"),),
            "Rollbacks that ended in the time shown.",
            "none",
            Look.STAT,
            8,
        ),
        Shown(
            "Decisions",
            (Query(f"sum by (decision) (increase(watchtower_decisions_total{{{OF}}}[{RATE}]))", "{{decision}}"),),
            "What was decided, each counted where it was committed.",
            "none",
            Look.STACKED,
        ),
        Shown(
            "Notifications",
            (Query(f"sum by (notifier, outcome) (increase(watchtower_notifications_total[{RATE}]))", "{{notifier}} {{outcome}}"),),
            "Tellings of all models: delivered, failed (tried again) or dead.",
            "none",
            Look.STACKED,
        ),
    ),
)

_DAEMON = Row(
    "Watchtower itself",
    (
        Shown(
            "Lag by partition",
            (Query("watchtower_source_lag", "{{topic}} {{partition}}"),),
            "The end as last seen less the committed position.",
            width=8,
            bounds=(0, None),
        ),
        Shown(
            "Late predictions per second",
            (Query(f"sum by (version) (rate(watchtower_late_predictions_total{{{OF}}}[{RATE}]))", "version {{version}}"),),
            "They came after their window had closed: in the history, not in alerts.",
            "cps",
            width=8,
            bounds=(0, None),
        ),
        Shown(
            "Messages per second, by outcome",
            (
                Query(f"sum by (outcome) (rate(watchtower_messages_total[{RATE}]))", "{{outcome}}"),
                Query(f"sum by (reason) (rate(watchtower_messages_rejected_total[{RATE}]))", "rejected: {{reason}}"),
            ),
            "Rejected ones are kept as dead letters.",
            "cps",
            width=8,
            bounds=(0, None),
        ),
        Shown(
            "Checkpoint and scoring, mean seconds",
            tuple(
                Query(f"sum(rate(watchtower_{each}_seconds_sum[{RATE}])) / sum(rate(watchtower_{each}_seconds_count[{RATE}]))", each)
                for each in ("checkpoint", "scoring")
            ),
            "How long a checkpoint and the evaluation of a window take.",
            "s",
            width=8,
            bounds=(0, None),
        ),
        Shown("Outbox", (Query("sum(watchtower_outbox_depth)", "waiting"),), "Tellings that wait to be delivered.", width=8, bounds=(0, None)),
        Shown(
            "Resident memory",
            (Query("process_resident_memory_bytes and on (job, instance) watchtower_leader", "{{instance}}"),),
            "Of each replica.",
            "bytes",
            width=8,
            bounds=(0, None),
        ),
    ),
)

ROWS = (_NOW, _TRAFFIC, _DRIFT, _GPU, _ACTIONS, _DAEMON)
