"""A version that stands in git: one value of one file, a compare-and-set at the head of the branch, and a cluster that follows."""

import base64
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.rollback_targets.kube_worlds import IMAGE, World, fraud, image_is, opened, written
from tests.servers.kube_strict import StrictCluster
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import Switch, TargetSession
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets._kubernetes_git import Git, Repository
from watchtower.rollback_targets._kubernetes_yaml import find
from watchtower.rollback_targets._kubernetes_yaml import written as rewritten

FILE = "overlays/prod/kustomization.yaml"
AT: list[str | int | dict[str, str]] = ["images", {"name": "registry.example/fraud"}, "newTag"]
TEXT = """\
# who changes this: the release train
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
images:
  - name: registry.example/other   # not ours
    newTag: "2"
  - {name: registry.example/fraud, newTag: '%s'}  # the model
resources: [../../base]
"""


class Upstream:
    """A bare repository and somebody's clone of it."""

    def __init__(self, at: Path) -> None:
        self.bare, self.clone = at / "fleet.git", at / "somebody"
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare), cwd=at)
        self.git("clone", "--quiet", str(self.bare), str(self.clone), cwd=at)
        self.git("checkout", "--quiet", "-B", "main")
        (self.clone / FILE).parent.mkdir(parents=True)
        self.commit(FILE, TEXT % "2")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Runs git as somebody."""
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Somebody"), ("EMAIL", "somebody@example.com"))}
        done = subprocess.run(["git", *arguments], cwd=cwd or self.clone, env={**os.environ, **who}, check=True, capture_output=True, text=True)  # noqa: S607
        return done.stdout.strip()

    def commit(self, file: str, text: str) -> None:
        """Somebody pushes."""
        (self.clone / file).write_text(text)
        self.git("add", file)
        self.git("commit", "--quiet", "-m", "somebody's")
        self.git("push", "--quiet", "origin", "main")

    def now(self, file: str = FILE) -> str:
        """What the branch holds."""
        return self.git("--git-dir", str(self.bare), "show", f"main:{file}") + "\n"

    def log(self) -> list[str]:
        """Who committed what, newest first."""
        return self.git("--git-dir", str(self.bare), "log", "main", "--format=%an: %s").splitlines()


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path)


def settings(upstream: Upstream, **given: Any) -> dict[str, Any]:
    return {"url": str(upstream.bare), "file": FILE, "at": AT} | given


def session(world: World, upstream: Upstream, at: Path, **given: Any) -> TargetSession:
    """A target that writes to git; it may only read the cluster."""
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["fraud"], "verbs": ["get"]}]
    return opened(world, at, rules=rules, git=settings(upstream), **given)


def owned(world: World) -> None:
    """The Deployment as Argo CD made it, at version 2."""
    fraud(world, "1", "2")
    world.patch("deployments", "fraud", [{"op": "add", "path": "/metadata/annotations/argocd.argoproj.io~1tracking-id", "value": "fraud"}])


@contextmanager
def argo(world: World, upstream: Upstream) -> Iterator[None]:
    """Applies what the branch says, again and again."""
    ended = threading.Event()

    def sync() -> None:
        seen = "2"
        while not ended.wait(0.05):
            version = find(upstream.now(), AT, {}).value
            if version != seen:
                image_is(world, version)
                seen = version

    thread = threading.Thread(target=sync, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def test_the_value_is_pushed_and_the_cluster_followed(world: World, upstream: Upstream, tmp_path: Path) -> None:
    owned(world)
    target = session(world, upstream, tmp_path)
    state = target.state()
    assert (state.version, state.detail["file_names"]) == ("2", "2")
    assert target.ready("1") == []
    with argo(world, upstream):
        switch = target.switch_to("1", expected="2", token=state.token, key="plan-7")
    assert switch == Switch("2", "1", changed=True)
    assert upstream.now() == TEXT % "1"
    assert upstream.log() == ["Watchtower: Back to version 1 from 2", "Somebody: somebody's"]
    assert world.get("deployments", "fraud")["status"]["availableReplicas"] == 2
    assert target.switch_to("1", expected="2", key="plan-7") == Switch("1", "1", changed=False)
    assert len(upstream.log()) == 2


def test_a_dry_run_and_a_drill_push_nothing(strict: StrictCluster, upstream: Upstream, tmp_path: Path) -> None:
    owned(strict)
    target = session(strict, upstream, tmp_path)
    before = written(strict.get("deployments", "fraud"))
    assert target.switch_to("1", expected="2", dry_run=True) == Switch("2", "1", changed=True, dry_run=True)
    assert target.ready("1") == []
    assert (upstream.log(), written(strict.get("deployments", "fraud"))) == (["Somebody: somebody's"], before)


def test_after_a_kill_between_push_and_sync_nothing_is_pushed_again(strict: StrictCluster, upstream: Upstream, tmp_path: Path) -> None:
    owned(strict)
    with pytest.raises(RollbackError, match="was switched to 1, and after 0 s that had not come about: it still names 2"):
        session(strict, upstream, tmp_path, time_limit="20ms").switch_to("1", expected="2", key="plan-7")
    with argo(strict, upstream):
        assert session(strict, upstream, tmp_path).switch_to("1", expected="2", key="plan-7") == Switch("1", "1", changed=False)
    assert len(upstream.log()) == 2


def test_a_file_that_names_another_version_is_left_alone(strict: StrictCluster, upstream: Upstream, tmp_path: Path) -> None:
    owned(strict)
    upstream.commit(FILE, TEXT % "3")
    with pytest.raises(Moved, match=r"kustomization.yaml of .* names 3, not 2: nothing was switched"):
        session(strict, upstream, tmp_path).switch_to("1", expected="2")
    image_is(strict, "3")
    with pytest.raises(Moved, match="names 3, not 2"):
        session(strict, upstream, tmp_path).switch_to("1", expected="2")
    assert upstream.now() == TEXT % "3"


def test_a_file_that_went_away_and_came_back_is_seen_and_others_do_not_matter(strict: StrictCluster, upstream: Upstream, tmp_path: Path) -> None:
    owned(strict)
    target = session(strict, upstream, tmp_path, time_limit="1ms")
    token = target.state().token
    upstream.commit("README", "another file")
    assert target.state().token == token
    for version in ("3", "2"):
        upstream.commit(FILE, TEXT % version)
    with pytest.raises(Moved, match="was committed to since it was read"):
        target.switch_to("1", expected="2", token=token)
    assert upstream.now() == TEXT % "2"


def test_whoever_pushes_between_fetch_and_push_is_not_overwritten(upstream: Upstream) -> None:
    repository = Repository(Git.model_validate(settings(upstream)))
    with repository.head() as head:
        upstream.commit(FILE, TEXT % "4")
        assert repository.push(head, "1", "back", dry_run=False).moved
    assert upstream.now() == TEXT % "4"


def git_that(at: Path, monkeypatch: pytest.MonkeyPatch, *first_push: str) -> None:
    """A git that does what *first_push* says (`git` is the real one, `$@` its arguments) in place of the first push."""
    real = shutil.which("git")
    at.mkdir()
    script = ["#!/bin/sh", f'git() {{ {real} "$@"; }}', f'if [ "$1" = push ] && mkdir "{at}/pushed" 2>/dev/null; then', *first_push, "fi", f'exec {real} "$@"']
    (at / "git").write_text("\n".join(script) + "\n")
    (at / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{at}:{os.environ['PATH']}")


def test_pushes_of_other_files_between_fetch_and_push_do_not_matter(
    strict: StrictCluster, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned(strict)
    target = session(strict, upstream, tmp_path)
    token = target.state().token
    commit = "git -c user.name=S -c user.email=s@x commit -qm other"
    somebody = f'(cd "{upstream.clone}"; echo x >README; git add README; {commit}; git push -q origin main)'
    git_that(tmp_path / "bin", monkeypatch, somebody)
    with argo(strict, upstream):
        assert target.switch_to("1", expected="2", token=token, key="plan-7").changed
    assert upstream.log() == ["Watchtower: Back to version 1 from 2", "S: other", "Somebody: somebody's"]


def test_a_push_whose_answer_was_lost_is_not_pushed_again(strict: StrictCluster, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owned(strict)
    target = session(strict, upstream, tmp_path)
    git_that(tmp_path / "bin", monkeypatch, 'git "$@" >/dev/null 2>&1', "echo 'fatal: the remote end hung up unexpectedly' >&2", "exit 128")
    with pytest.raises(RollbackError, match="could not be pushed: fatal: the remote end hung up") as lost:
        target.switch_to("1", expected="2", key="plan-7")
    assert lost.value.retryable
    with argo(strict, upstream):
        assert target.switch_to("1", expected="2", key="plan-7") == Switch("1", "1", changed=False)
    assert len(upstream.log()) == 2


@pytest.mark.parametrize("candidate", ["../1", "-1", "1 # x", "1@sha256:" + "0" * 64, "evil/fraud:1"])
def test_a_name_that_would_lead_elsewhere_is_not_committed(strict: StrictCluster, upstream: Upstream, tmp_path: Path, candidate: str) -> None:
    owned(strict)
    target = session(strict, upstream, tmp_path)
    with pytest.raises(RollbackError, match="cannot stand in"):
        target.switch_to(candidate, expected="2")
    assert "cannot stand in" in target.ready(candidate)[0]
    assert upstream.log() == ["Somebody: somebody's"]


def test_what_would_be_read_as_something_else_is_not_committed(upstream: Upstream) -> None:
    upstream.commit("tagged.yaml", "a: !!str 7\n")
    repository = Repository(Git.model_validate(settings(upstream, file="tagged.yaml", at=["a"])))
    with repository.head() as head:
        broken = replace(head, place=replace(head.place, end=head.place.end - 1))
        with pytest.raises(RollbackError, match="cannot be written there"):
            repository.push(broken, "v1", "back", dry_run=False)
    assert upstream.now("tagged.yaml") == "a: !!str 7\n"


def test_a_push_that_the_repository_declines_is_an_error(upstream: Upstream) -> None:
    hook = upstream.bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'this branch takes merges only'\nexit 1\n")
    hook.chmod(0o755)
    repository = Repository(Git.model_validate(settings(upstream)))
    with repository.head() as head, pytest.raises(RollbackError, match="could not be pushed: remote: this branch takes merges only"):
        repository.push(head, "1", "back", dry_run=False)


def test_of_a_large_repository_only_what_is_needed_is_fetched(upstream: Upstream) -> None:
    upstream.git("config", "uploadpack.allowFilter", "true", cwd=upstream.bare)
    (upstream.clone / "large").write_bytes(os.urandom(400_000))
    upstream.git("add", "large")
    upstream.git("commit", "--quiet", "-m", "large")
    upstream.commit("large", "small now")
    repository = Repository(Git.model_validate(settings(upstream, url=f"file://{upstream.bare}")))
    with repository.head() as head:
        assert sum(each.stat().st_size for each in head.folder.rglob("*") if each.is_file()) < 300_000
        assert not repository.push(head, "1", "back", dry_run=False).moved
    assert upstream.now() == TEXT % "1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "/nowhere.git"}, "cannot be reached: git said fatal: "),
        ({"branch": "other"}, "cannot be reached: git said fatal: Remote branch other not found"),
        ({"file": "missing.yaml"}, "is not there"),
        ({"at": ["images", 7]}, "no documents have a value at"),
        ({"value": "v{version}"}, "has '2', which is not as 'v{version}' says"),
    ],
)
def test_what_cannot_be_written_is_not_ready(strict: StrictCluster, upstream: Upstream, tmp_path: Path, given: dict[str, Any], said: str) -> None:
    owned(strict)
    found = opened(strict, tmp_path, git=settings(upstream, **given)).ready("1")
    assert (len(found), said in found[0]) == (1, True)


@pytest.mark.parametrize("link", [FILE, "overlays/prod"])
def test_a_link_out_of_the_repository_is_not_followed(upstream: Upstream, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kustomization.yaml").write_text(TEXT % "2")
    target = upstream.clone / link
    upstream.git("rm", "-r", "--quiet", link)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(outside / "kustomization.yaml" if link == FILE else outside)
    upstream.git("add", link)
    upstream.git("commit", "--quiet", "-m", "a link")
    upstream.git("push", "--quiet", "origin", "main")
    repository = Repository(Git.model_validate(settings(upstream)))
    with pytest.raises(RollbackError, match=r"is not there|cannot be read"), repository.head():
        pass
    assert (outside / "kustomization.yaml").read_text() == TEXT % "2"


def test_a_token_goes_to_the_server_and_into_no_argument_or_message(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    heard: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization"))
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}/fleet.git"
    repository = Repository(Git.model_validate(settings(upstream, url=address, token_file=str(tmp_path / "token"))))
    with pytest.raises(RollbackError, match="cannot be reached") as refused, repository.head():
        pass
    server.shutdown()
    server.server_close()
    thread.join(5)
    assert heard[0] == "Basic " + base64.b64encode(b"watchtower:s3cret").decode()
    assert "s3cret" not in str(refused.value) + repr(repository) + repr(vars(repository))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "--upload-pack=evil"}, "begin with -"),
        ({"branch": "-x"}, "begin with -"),
        ({"url": "https://user:secret@git.example/x.git"}, "use token_file"),
        ({"file": "../outside.yaml"}, "inside the repository"),
        ({"file": "/etc/x.yaml"}, "inside the repository"),
        ({"file": ".git/config"}, "inside the repository"),
        ({"value": "latest"}, r"must hold \{version\} once"),
        ({"at": []}, "at least 1 item"),
    ],
)
def test_settings_that_could_reach_elsewhere_are_refused(upstream: Upstream, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Git.model_validate(settings(upstream, **wrong))


def test_a_git_that_hangs_is_ended(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nsleep 30\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    began = time.monotonic()
    with pytest.raises(RollbackError, match="git took more than 0 s"), Repository(Git.model_validate(settings(upstream, time_limit="300ms"))).head():
        pass
    assert time.monotonic() - began < 15


def test_a_remote_helper_cannot_run_a_command(upstream: Upstream, tmp_path: Path) -> None:
    repository = Repository(Git.model_validate(settings(upstream, url=f"ext::touch {tmp_path / 'evil'}")))
    with pytest.raises(RollbackError, match="cannot be reached"), repository.head():
        pass
    assert not (tmp_path / "evil").exists()


TWO = "kind: Service\nmetadata: {name: fraud}\nspec: {selector: {version: '2'}}\n---\nkind: Deployment\nmetadata: {name: fraud}\nspec: {version: 2}\n"


@pytest.mark.parametrize(
    ("text", "at", "document", "value", "after"),
    [
        ("a: v7 # the model\nb: 1\n", ["a"], {}, "v6", "a: v6 # the model\nb: 1\n"),
        ("a: v7\n", ["a"], {}, "6", 'a: "6"\n'),
        ("a: 7\n", ["a"], {}, "6", 'a: "6"\n'),
        ("a: '7'\n", ["a"], {}, "it's", "a: 'it''s'\n"),
        ('a: "7"\n', ["a"], {}, "6", 'a: "6"\n'),
        ("a: v7\n", ["a"], {}, "2026-01-01", 'a: "2026-01-01"\n'),
        ("a: v7\n", ["a"], {}, "yes", 'a: "yes"\n'),
        ("a: [x, {n: m, t: v7}]\n", ["a", 1, "t"], {}, "v6", "a: [x, {n: m, t: v6}]\n"),
        ("a: [{n: k, t: v1}, {n: m, t: v7}]\n", ["a", {"n": "m"}, "t"], {}, "v6", "a: [{n: k, t: v1}, {n: m, t: v6}]\n"),
        ("i: r.example/fraud:7\r\n", ["i"], {}, "r.example/fraud:6", "i: r.example/fraud:6\r\n"),
        ("ü: ä\na: v7\n", ["a"], {}, "v6", "ü: ä\na: v6\n"),
        (TWO, ["spec", "version"], {"kind": "Deployment", "metadata.name": "fraud"}, "v1", TWO.replace("version: 2}", "version: v1}")),
    ],
)
def test_one_value_is_replaced_and_all_else_stays(text: str, at: list[Any], document: dict[str, str], value: str, after: str) -> None:
    assert rewritten(text, find(text, at, document), value) == after
    assert find(after, at, document).value == value


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("a: 1\n---\na: 2\n", ["a"], "2 documents have a value"),
        ("a: {b: 1}\n", ["a"], "no documents have a value"),
        ("a: |\n  7\n", ["a"], "is a block of text"),
        ("a: [", ["a"], "it is no YAML"),
        ("", ["a"], "no documents"),
    ],
)
def test_a_value_that_cannot_be_told_is_refused(text: str, at: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        find(text, at, {})


def test_an_image_in_a_manifest_is_written_whole(strict: StrictCluster, upstream: Upstream, tmp_path: Path) -> None:
    owned(strict)
    upstream.commit("deployment.yaml", f"kind: Deployment\nspec:\n  image: {IMAGE.format(version='2')}\n")
    target = opened(strict, tmp_path, time_limit="1ms", git=settings(upstream, file="deployment.yaml", at=["spec", "image"], value=IMAGE))
    with pytest.raises(RollbackError, match="had not come about"):
        target.switch_to("1", expected="2")
    assert upstream.now("deployment.yaml") == f"kind: Deployment\nspec:\n  image: {IMAGE.format(version='1')}\n"
