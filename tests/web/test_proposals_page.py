"""The overview shows that new cells are proposed."""

from tests.web.far_end import Empty, browser


class Outgrown(Empty):
    """A store whose only news is a proposal."""

    def status(self) -> dict[str, object]:
        features = [{"feature": "amount", "share": 0.314, "where": "above"}]
        return {**super().status(), "proposals": [{"model": "fraud", "binning": "b1", "since": "2026-11-21T10:00:00Z", "features": features}]}


def test_the_overview_says_which_features_have_outgrown_their_cells_and_how_to_make_new_ones() -> None:
    with browser(Outgrown()) as client:
        shown, plain = client.get("/").text, client.get("/api/v1/status").json()
    assert "fraud since 2026-11-21T10:00:00Z: amount (31 % above)" in shown
    assert "watchtower reference fraud --from-windows A..B" in shown
    assert plain["proposals"][0]["features"] == [{"feature": "amount", "share": 0.314, "where": "above"}]
